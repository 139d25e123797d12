"""Augmentation of whole batches, on the device they are on, each image with its own draw from the batch's generator.

Nothing here reads a value back to the host, so a training step that begins with it can be captured as a graph. Every
augmentation is two functions: one that draws, and one that does what was drawn, which tests hold against references.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from smallvision.data.batches import Batch
from smallvision.data.expand import expand, kinds
from smallvision.errors import BadInput
from smallvision.experiment.data import Augment, Crop, Cutout, Flip, Noise, ResizedCrop, Rotate

__all__ = ["build", "expand", "kinds"]

_TRIES = 10                                           # boxes drawn per image before the whole of it is taken


def build(specs: Sequence[Augment]) -> Callable[[Batch, Generator], Batch]:
    """One function that applies augmentations one after the other.

    Parameters
    ----------
    specs : what to do, in this order.

    Returns
    -------
    Callable : (batch, generator) -> batch with pixels varied, still float32 (B, C, H, W) in [0, 1]. The generator is
        on the batch's device; equal generator states give equal bits.
    """

    def vary(batch: Batch, generator: Generator) -> Batch:
        pixels = batch.pixels
        for spec in specs:
            pixels = _DRAW[spec.kind](pixels, spec, generator)
        return replace(batch, pixels=pixels)

    return vary


def _uniform(pixels: Tensor, generator: Generator, *shape: int) -> Tensor:
    """Numbers from [0, 1), float32 (B, *shape)."""
    return torch.rand((len(pixels), *shape), generator=generator, device=pixels.device)


def _below(uniform: Tensor, count: Tensor | int) -> Tensor:
    """Integers from 0 to count - 1, as floats. The product can round up to `count` itself, hence the upper bound."""
    whole = (uniform * count).floor()
    return whole.clamp(max=count - 1) if isinstance(count, int) else whole.minimum(count - 1)


def _flip(pixels: Tensor, spec: Flip, generator: Generator) -> Tensor:
    return flipped(pixels, _uniform(pixels, generator) < spec.probability)


def flipped(pixels: Tensor, which: Tensor) -> Tensor:
    """Mirror left and right the images that `which` (B,) says."""
    batch, _, _, width = pixels.shape
    columns = torch.arange(width, device=pixels.device)
    index = torch.where(which[:, None], columns.flip(0), columns)                       # (B, W)
    return pixels.gather(3, index.view(batch, 1, 1, width).expand(pixels.shape))


def _crop(pixels: Tensor, spec: Crop, generator: Generator) -> Tensor:
    corners = _below(_uniform(pixels, generator, 2), 2 * spec.padding + 1).long()       # (B, 2)
    return cropped(pixels, corners, spec.padding, spec.fill)


def cropped(pixels: Tensor, corners: Tensor, padding: int, fill: str) -> Tensor:
    """Pad every side, then cut the original size out at corners (B, 2): row and column within the padded image.

    Raises
    ------
    BadInput : reflection by as much as the image or more.
    """
    batch, channels, height, width = pixels.shape
    if fill == "reflect" and padding >= min(height, width):
        raise BadInput(
            f"data.augment: crop reflects {padding} pixels and images of {height}x{width} have no more than "
            f'{min(height, width) - 1} to reflect; give a smaller padding, or fill = "zero"'
        )
    padded = functional.pad(pixels, (padding,) * 4, mode="reflect" if fill == "reflect" else "constant")
    _, _, tall, wide = padded.shape
    # Each row of the result is `width` neighbours in memory, so it is one row of all overlapping windows.
    planes = torch.arange(batch * channels, device=pixels.device).view(batch, channels, 1) * (tall * wide)
    lines = (corners[:, :1] + torch.arange(height, device=pixels.device)) * wide + corners[:, 1:]      # (B, H)
    starts = (planes + lines[:, None, :]).flatten()
    return padded.flatten().unfold(0, width, 1).index_select(0, starts).view(pixels.shape)


def _resized_crop(pixels: Tensor, spec: ResizedCrop, generator: Generator) -> Tensor:
    _, _, height, width = pixels.shape
    draws = _uniform(pixels, generator, 2 * _TRIES + 2)
    return resized(pixels, *boxes(draws, height, width, spec))


def boxes(draws: Tensor, height: int, width: int, spec: ResizedCrop) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes of random area and aspect ratio (Szegedy et al. 2014, and as torchvision's RandomResizedCrop draws them).

    Of ten boxes drawn for an image the first that fits is taken; if none does, the largest centred one of an allowed
    ratio.

    Parameters
    ----------
    draws : (B, 22) from [0, 1).
    height, width : of the image, in pixels.

    Returns
    -------
    top, left, height, width : (B,) each, whole pixels as floats.
    """
    low, high = spec.ratio
    area = height * width * (spec.scale[0] + (spec.scale[1] - spec.scale[0]) * draws[:, :_TRIES])
    ratio = torch.exp(math.log(low) + (math.log(high) - math.log(low)) * draws[:, _TRIES : 2 * _TRIES])
    wide, tall = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()           # (B, 10)
    fits = (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    last_wide = min(width, max(1, round(height * high)))
    last_tall = min(height, max(1, round(width / low)))
    found = fits.any(1)
    wide = torch.where(found, wide.gather(1, first)[:, 0], last_wide)
    tall = torch.where(found, tall.gather(1, first)[:, 0], last_tall)
    top = torch.where(found, _below(draws[:, -2], height - tall + 1), (height - last_tall) // 2)
    left = torch.where(found, _below(draws[:, -1], width - wide + 1), (width - last_wide) // 2)
    return top, left, tall, wide


def resized(pixels: Tensor, top: Tensor, left: Tensor, tall: Tensor, wide: Tensor) -> Tensor:
    """A box of each image, (B,) whole pixels each, resized bilinearly to the image's own size.

    A box is never larger than its image, so nothing shrinks, and with or without antialiasing the result is the same.
    Bilinear interpolation is separable and linear: two batched products with each image's own sparse matrices,
    several times quicker than sampling a grid.
    """
    _, _, height, width = pixels.shape
    rows = _interpolation(top, tall, height)                                            # (B, H, H)
    columns = _interpolation(left, wide, width)                                         # (B, W, W)
    across = torch.bmm(pixels.reshape(len(pixels), -1, width), columns.transpose(1, 2)).view(pixels.shape)
    return torch.matmul(rows[:, None], across).clamp_(0, 1)


def _interpolation(start: Tensor, length: Tensor, size: int) -> Tensor:
    """(B, size, size): row i weighs the pixels that make up output i, of `length` from `start`, drawn out to `size`."""
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    inside = (pixel + 0.5) * (length / size)[:, None] - 0.5
    position = start[:, None] + inside.clamp(min=0).minimum(length[:, None] - 1)        # the box's edge is repeated
    return (1 - (position[:, :, None] - pixel).abs()).clamp_(min=0)


def _rotate(pixels: Tensor, spec: Rotate, generator: Generator) -> Tensor:
    return rotated(pixels, (2 * _uniform(pixels, generator) - 1) * spec.degrees)


def rotated(pixels: Tensor, degrees: Tensor) -> Tensor:
    """Each image about its centre, counter-clockwise by degrees (B,), bilinear, zeros outside."""
    _, _, height, width = pixels.shape
    angle = torch.deg2rad(degrees).view(-1, 1, 1)
    y = torch.arange(height, dtype=angle.dtype, device=pixels.device).view(1, -1, 1) - (height - 1) / 2
    x = torch.arange(width, dtype=angle.dtype, device=pixels.device).view(1, 1, -1) - (width - 1) / 2
    cosine, sine = angle.cos(), angle.sin()
    source_x, source_y = cosine * x - sine * y, sine * x + cosine * y                   # (B, H, W), from the centre
    grid = torch.stack([source_x * (2 / width), source_y * (2 / height)], dim=-1)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False).clamp_(0, 1)


def _noise(pixels: Tensor, spec: Noise, generator: Generator) -> Tensor:
    noise = torch.empty_like(pixels)
    if spec.distribution == "uniform":
        noise.uniform_(-spec.amount, spec.amount, generator=generator)
    else:
        noise.normal_(0, spec.amount, generator=generator)
    return noise.add_(pixels).clamp_(0, 1)


def _cutout(pixels: Tensor, spec: Cutout, generator: Generator) -> Tensor:
    _, _, height, width = pixels.shape
    draws = _uniform(pixels, generator, 3)
    row, column = _below(draws[:, 0], height), _below(draws[:, 1], width)
    return blanked(pixels, row, column, spec.size, draws[:, 2] < spec.probability)


def blanked(pixels: Tensor, row: Tensor, column: Tensor, size: int, which: Tensor) -> Tensor:
    """Zeros in a square of `size` pixels about (row, column) of the images that `which` says, (B,) each."""
    _, _, height, width = pixels.shape
    y = torch.arange(height, device=pixels.device) - row[:, None] + size // 2           # (B, H), rows of the square
    x = torch.arange(width, device=pixels.device) - column[:, None] + size // 2
    down = (y >= 0) & (y < size) & which[:, None]
    across = (x >= 0) & (x < size)
    return pixels.masked_fill(down[:, None, :, None] & across[:, None, None, :], 0)


_DRAW: dict[str, Callable[[Tensor, Any, Generator], Tensor]] = {
    "flip": _flip,
    "crop": _crop,
    "resized-crop": _resized_crop,
    "rotate": _rotate,
    "noise": _noise,
    "cutout": _cutout,
}
