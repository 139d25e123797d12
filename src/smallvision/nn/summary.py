"""The layer table: what every layer makes, holds, computes and sees, from one forward pass of any module."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from smallvision.conv import Conv2d
from smallvision.nn.receptive_fields import Fields, tensors_in
from smallvision.nn.shapes import Shape

BATCH = 2  # with one image, a squeeze() in people's code would remove the batch's axis


def table(model: nn.Module, shape: Shape) -> dict[str, Any]:
    """The layer table of a module, as `layers.json` holds it beside its `format_version`.

    A row stands for one call of a module that has no module inside, in the order of the calls; a module with others
    inside gets a row too when it has parameters of its own or computes something itself. Parameters that are used
    several times are counted with the first row that has them; those that no call used come last.

    Parameters
    ----------
    model : any module that takes pixels (B, C, H, W); its mode (training or not) is restored afterwards.
    shape : (C, H, W) of the images.

    Returns
    -------
    dict : `input`; `rows`, each with `name`, `type`, `output` (shape without the batch),
        `parameters`, `multiply_adds` (per image: those of convolutions and matrix products, biases apart),
        `receptive_field` (side in pixels, for maps; None where it is not known), `parameter_bytes`, `output_bytes`
        (per image); and `totals`.
    """
    names = {module: name or "model" for name, module in model.named_modules()}
    tensors = (*model.parameters(), *model.buffers())
    place = next((t.device for t in tensors), torch.device("cpu"))
    kind = next((t.dtype for t in tensors if t.is_floating_point()), torch.float32)
    pixels = torch.full((BATCH, *shape), 0.5, dtype=kind, device=place)

    watch = _Watch(pixels)
    with _as_if_nothing_happened(model, place), watch.calls(model), watch:
        model(pixels)

    counted: set[nn.Parameter] = set()
    rows = []
    for call in watch.finished:
        leaf = next(call.module.children(), None) is None
        if leaf or call.flops or next(call.module.parameters(recurse=False), None) is not None:
            rows.append(_row(names[call.module], call, counted))
    for module, name in names.items():
        if any(p not in counted for p in module.parameters(recurse=False)):
            rows.append(_row(name, _Call(module), counted))
    sums = ("parameters", "multiply_adds", "parameter_bytes", "output_bytes")
    return {
        "input": list(shape),
        "rows": rows,
        "totals": {key: sum(row[key] for row in rows) for key in sums},
    }


@dataclass
class _Call:
    """One call of a module: what it made, and the flops it spent outside of the modules within it."""

    module: nn.Module
    flops: int = 0
    output: tuple[int, ...] = ()
    output_bytes: int = 0
    receptive_field: int | None = None


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of a forward pass, below modules and functional code alike."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fields = Fields(pixels)
        self.finished: list[_Call] = []  # in the order of their beginning
        self._open: list[_Call] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        count = flop_registry.get(func._overloadpacket)
        if count is None:
            with self:  # an operation made of others is watched as those
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        if count is not None and self._open:
            self._open[-1].flops += count(*args, **kwargs, out_val=out)
        self.fields.follow(func, args, kwargs, out)
        return out

    @contextmanager
    def calls(self, model: nn.Module) -> Iterator[None]:
        """Meanwhile every operation is counted for the module that it belongs to."""

        def begin(module: nn.Module, _: Any) -> None:
            call = _Call(module)
            self._open.append(call)
            self.finished.append(call)

        def end(module: nn.Module, given: Any, out: Any) -> None:
            call, outputs = self._open.pop(), tensors_in(out)
            if outputs:
                if isinstance(module, Conv2d) and given:
                    self.fields.convolved(given[0], outputs[0], module)
                call.output = _per_image(outputs[0])
                call.output_bytes = sum(t.numel() * t.element_size() for t in outputs) // BATCH
                call.receptive_field = self.fields.extent(outputs[0])

        with ExitStack() as handles:
            for module in model.modules():
                handles.callback(module.register_forward_pre_hook(begin, prepend=True).remove)
                handles.callback(module.register_forward_hook(end).remove)
            yield


def _per_image(tensor: Tensor) -> tuple[int, ...]:
    """The shape without the batch: (2, C, H, W) -> (C, H, W); (2 * T, D) -> (T, D)."""
    if not tensor.ndim or tensor.shape[0] % BATCH:
        return tuple(tensor.shape)
    first = tensor.shape[0] // BATCH
    return (*((first,) if first != 1 else ()), *tensor.shape[1:])


def _row(name: str, call: _Call, counted: set[nn.Parameter]) -> dict[str, Any]:
    new = [p for p in dict.fromkeys(call.module.parameters(recurse=False)) if p not in counted]
    counted.update(new)
    return {
        "name": name,
        "type": type(call.module).__name__,
        "output": list(call.output),
        "parameters": sum(p.numel() for p in new),
        "multiply_adds": call.flops // (2 * BATCH),  # a multiplication and an addition are two flops
        "receptive_field": call.receptive_field,
        "parameter_bytes": sum(p.numel() * p.element_size() for p in new),
        "output_bytes": call.output_bytes,
    }


@contextmanager
def _as_if_nothing_happened(model: nn.Module, place: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients; modes and random state are as before afterwards.

    Fused attention and recurrent kernels are switched off meanwhile, since operations inside them are not counted.
    """
    modes = [(module, module.training) for module in model.modules()]
    fused, onednn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    model.eval()
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices=[place] if place.type == "cuda" else []),
            sdpa_kernel(SDPBackend.MATH),
        ):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        torch.backends.mkldnn.enabled = onednn
        for module, mode in modes:
            module.training = mode
