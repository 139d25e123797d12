"""Mean and standard deviation per channel for standardisation, measured on the training pixels or given."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from smallvision.data.source import Rows
from smallvision.errors import BadInput
from smallvision.experiment.data import Numbers

COPIED_STD = (0.2023, 0.1994, 0.2010)  # widely copied for CIFAR-10; it is the mean over images of each image's own std
COPIED_MEAN = (0.4914, 0.4822, 0.4465)  # correct
RIGHT_STD = (0.2470, 0.2435, 0.2616)
_PIXELS_AT_ONCE = 8_000_000  # of one channel, copied in order to be counted

Statistics = tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]  # mean, std, notes


def histogram(groups: Iterable[Tensor]) -> Rows:
    """How often each pixel value occurs in each channel.

    Parameters
    ----------
    groups : uint8 (n, C, H, W), one tensor per image size, at least one.

    Returns
    -------
    ndarray : int64 (C, 256).
    """
    counts: Tensor | None = None
    for group in groups:
        if counts is None:
            counts = torch.zeros(group.shape[1], 256, dtype=torch.int64)
        at_once = max(1, _PIXELS_AT_ONCE // (group.shape[2] * group.shape[3]))
        for first in range(0, len(group), at_once):
            part = group[first : first + at_once]
            for channel in range(group.shape[1]):
                counts[channel] += torch.bincount(part[:, channel].reshape(-1), minlength=256).cpu()
    if counts is None:
        raise ValueError("there are no images whose pixels could be counted")
    return counts.numpy()


def moments(counts: Rows, ddof: int = 0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of pixels in [0, 1], exact except for the last rounding.

    Parameters
    ----------
    counts : int64 (C, 256), from `histogram`.
    ddof : 0 divides by n (the population), 1 by n - 1 (a sample).

    Returns
    -------
    tuple of (mean, std), C numbers each.
    """
    means, stds = [], []
    for channel in counts:
        numbers = [int(n) for n in channel]  # Python's integers, whose sums neither round nor overflow
        n = sum(numbers)
        total = sum(value * k for value, k in enumerate(numbers))
        squares = sum(value * value * k for value, k in enumerate(numbers))
        means.append(total / (255 * n))
        stds.append(((n * squares - total * total) / (n * max(n - ddof, 1))) ** 0.5 / 255)
    return tuple(means), tuple(stds)


def statistics(normalize: str | Numbers, groups: Sequence[Tensor]) -> Statistics:
    """Mean, std and notes for a value of ``data.normalize``.

    Parameters
    ----------
    normalize : "standardize" (measured), "none" (mean 0, std 1), or given numbers.
    groups : the training images, uint8 (n, C, H, W), one tensor per image size.

    Raises
    ------
    BadInput : numbers are given for another count of channels.
    """
    channels = groups[0].shape[1]
    if isinstance(normalize, Numbers):
        if len(normalize.mean) != channels:
            raise BadInput(
                f"data.normalize: {len(normalize.mean)} numbers are given, but the images have {channels} "
                f"channel{'s' if channels > 1 else ''}; write one mean and one std for each channel"
            )
        return normalize.mean, normalize.std, copied(normalize)
    if normalize == "none":
        return (0.0,) * channels, (1.0,) * channels, ()
    mean, std = moments(histogram(groups))
    constant = [k for k, value in enumerate(std) if value == 0]
    notes = tuple(f"channel {k} is {mean[k]:.4g} in every training image; its std 0 is taken as 1" for k in constant)
    return mean, tuple(value or 1.0 for value in std), notes


def copied(numbers: Numbers) -> tuple[str, ...]:
    """A note where the given std is the wrong one for CIFAR-10 that is widely copied."""
    if len(numbers.std) != 3 or not np.allclose(numbers.std, COPIED_STD, rtol=0, atol=6e-4):
        return ()
    mean_is_right = np.allclose(numbers.mean, COPIED_MEAN, rtol=0, atol=6e-4)
    mean = f" the mean {COPIED_MEAN} beside it is right;" if mean_is_right else ""
    return (
        f"data.normalize: std {COPIED_STD} is a widely copied wrong value for CIFAR-10, the mean of the std of "
        f"single images;{mean} over all training pixels it is {RIGHT_STD}. It is used as it was given",
    )
