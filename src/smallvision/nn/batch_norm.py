"""Batch normalisation with the statistics of float64, up to 1e-5 of the variance, whatever the memory format.

torch (2.13, on a CPU) sums a channel's values in float64 where a batch is contiguous. Where its channels are last in
memory, as in every network with convolutions that is trained here, it adds one float32 to the other: the variance is
then off by 3e-5 of itself for 131 072 values a channel, by 2e-4 for half a million, and by 1e-2 for six millions. Here
the same kernel is given many positions side by side, as if each were a channel of its own, so that it never adds more
than ROWS values; means and variances of these are put together in float64 (Chan, Golub & LeVeque 1983, "Algorithms for
computing the sample variance"). `benchmarks/batch_norm.py` measures errors and times.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

ROWS = 256  # values that are added in float32
WIDTH = 4096  # values side by side: ROWS of these are 4 MB, which stay in the cache from the mean to the variance
FEW = 1024  # values a channel: with no more, torch's own sums are as good


def exact(model: nn.Module) -> nn.Module:
    """The network, changed in place: what is torch's BatchNorm1d or BatchNorm2d becomes the one of this module.

    Names, weights and buffers stay as they are, and so do subclasses, which may compute something else.
    """
    for module in model.modules():
        if type(module) in EXACT:
            module.__class__ = EXACT[type(module)]
    return model


def statistics(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (over n, not n - 1) of each column.

    Parameters
    ----------
    rows : float32 (M, C), contiguous, M >= 1.

    Returns
    -------
    tuple of Tensor : float64 (C,) each; the variance is within 1e-5 of itself while the mean is below 100 standard
        deviations.
    """
    total, channels = rows.shape
    together = max(1, min(WIDTH // channels, total // ROWS))  # positions side by side
    means, variances, counts = [], [], []
    start = 0
    while start < total:
        beside = min(together, total - start)
        count = min(ROWS, (total - start) // beside)
        part = rows[start : start + beside * count].view(count, beside * channels)
        mean, variance = torch.batch_norm_update_stats(part, None, None, 0.0)
        means.append(mean.view(beside, channels))
        variances.append(variance.view(beside, channels))
        counts.append(torch.full((beside, 1), count / total, dtype=torch.float64))
        start += beside * count
    mean, variance, share = torch.cat(means).double(), torch.cat(variances).double(), torch.cat(counts)
    middle = (mean * share).sum(0)
    return middle, ((variance + (mean - middle).square()) * share).sum(0)


class _Normalised(Function):
    """`apply(maps, weight, bias, mean, variance, eps)`: normalised by statistics of the maps themselves, so that the
    gradient goes through these as well."""

    @staticmethod
    def forward(maps: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        normalised: Tensor = torch.native_batch_norm(maps, weight, bias, mean, variance, False, 0.0, eps)[0]
        return normalised

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        maps, weight, _, mean, variance, ctx.eps = inputs
        ctx.save_for_backward(maps, weight, mean, (variance + ctx.eps).rsqrt())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, mean, scale = ctx.saved_tensors
        given = (grad, maps, weight, None, None, mean, scale, True, ctx.eps, ctx.needs_input_grad[:3])
        return (*torch.ops.aten.native_batch_norm_backward(*given), None, None, None)


class _Exact(_BatchNorm):
    """Statistics of a batch in training by `statistics`, where torch's kernel would add float32 alone."""

    def forward(self, input: Tensor) -> Tensor:
        rows = self._rows(input) if self.training else None  # (M, C)
        if rows is None:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        with torch.no_grad():
            mean, variance = statistics(rows)
            self.running_mean.lerp_(mean.float(), share)
            self.running_var.lerp_(
                (variance * (len(rows) / (len(rows) - 1))).float(), share
            )  # of the sample, as torch's
            kept = mean.float(), variance.float()
        normalised: Tensor = _Normalised.apply(input, self.weight, self.bias, *kept, self.eps)  # type: ignore[no-untyped-call]
        return normalised

    def _rows(self, maps: Tensor) -> Tensor | None:
        """The batch as (M, C), a view of it; None where torch's own layer is exact, or computes something else."""
        own = (self.running_mean, self.running_var, self.weight, self.bias)
        plain = all(tensor is not None and tensor.dtype == torch.float32 for tensor in own)
        if not plain or maps.dtype != torch.float32 or maps.device.type != "cpu" or maps.ndim not in (2, 4):
            return None
        if maps.numel() <= FEW * self.num_features or maps.shape[1] != self.num_features:
            return None
        if maps.ndim == 2:
            return maps if maps.is_contiguous() else None
        last = maps.is_contiguous(memory_format=torch.channels_last)
        beside = not maps.is_contiguous() or maps.shape[2:].numel() == 1  # what is both is taken as channels last
        return maps.permute(0, 2, 3, 1).flatten(0, 2) if last and beside else None


class BatchNorm1d(_Exact, nn.BatchNorm1d):
    """torch's layer, with exact statistics of batches (B, C) with many rows."""


class BatchNorm2d(_Exact, nn.BatchNorm2d):
    """torch's layer, with exact statistics of batches (B, C, H, W) whose channels are last in memory."""


EXACT: dict[type[nn.Module], type[nn.Module]] = {nn.BatchNorm1d: BatchNorm1d, nn.BatchNorm2d: BatchNorm2d}
