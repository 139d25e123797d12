"""Augmentation of whole batches, on the device they are on, each image with its own draw from the batch's generator.

Nothing here reads a value back to the host, so a training step that begins with it can be captured as a graph. Every
augmentation is two functions: one that draws, and one that does what was drawn, which tests hold against references.

Where images are padded, each is varied within its own size: heights and widths are then (B,) tensors in place of the
batch's own, and what comes out beyond an image's border is made 0 again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from smallvision.data.batching.batch import Batch
from smallvision.data.expand import expand, kinds
from smallvision.errors import BadInput
from smallvision.experiment.data import Augment, Crop, Cutout, Flip, Noise, ResizedCrop, Rotate

__all__ = ["build", "expand", "kinds"]

_TRIES = 10  # boxes drawn per image before the whole of it is taken

Size = int | Tensor  # of all images, or int64 (B,)
Own = tuple[Size, Size]  # heights and widths


def build(specs: Sequence[Augment]) -> Callable[[Batch, Generator], Batch]:
    """One function that applies augmentations one after the other.

    Parameters
    ----------
    specs : what to do, in this order.

    Returns
    -------
    Callable : (batch, generator) -> batch with pixels varied, still float32 (B, C, H, W) in [0, 1], and 0 outside of
        its mask. The generator is on the batch's device; equal generator states give equal bits.
    """

    def vary(batch: Batch, generator: Generator) -> Batch:
        pixels, mask = batch.pixels, batch.mask
        if mask is None or not specs:
            for spec in specs:
                pixels = _DRAW[spec.kind](pixels, spec, generator)
            return replace(batch, pixels=pixels)
        own = mask[:, 0, :, 0].sum(1), mask[:, 0, 0, :].sum(1)  # (B,) each
        for spec in specs:
            pixels = _DRAW[spec.kind](pixels, spec, generator, own) * mask
        return replace(batch, pixels=pixels)

    return vary


def _uniform(pixels: Tensor, generator: Generator, *shape: int) -> Tensor:
    """Numbers from [0, 1), float32 (B, *shape)."""
    return torch.rand((len(pixels), *shape), generator=generator, device=pixels.device)


def _below(uniform: Tensor, count: Tensor | int) -> Tensor:
    """Integers from 0 to count - 1, as floats. The product can round up to `count` itself, hence the upper bound."""
    whole = (uniform * count).floor()
    return whole.clamp(max=count - 1) if isinstance(count, int) else whole.minimum(count - 1)


def _flip(pixels: Tensor, spec: Flip, generator: Generator, own: Own | None = None) -> Tensor:
    return flipped(pixels, _uniform(pixels, generator) < spec.probability, own[1] if own else None)


def flipped(pixels: Tensor, which: Tensor, width: Size | None = None) -> Tensor:
    """Mirror left and right the images that `which` (B,) says, each within its own width."""
    batch, _, _, wide = pixels.shape
    columns = torch.arange(wide, device=pixels.device)
    last = (wide if width is None else _column(width)) - 1
    index = torch.where(which[:, None], (last - columns).clamp(min=0), columns)  # (B, W)
    return pixels.gather(3, index.view(batch, 1, 1, wide).expand(pixels.shape))


def _crop(pixels: Tensor, spec: Crop, generator: Generator, own: Own | None = None) -> Tensor:
    corners = _below(_uniform(pixels, generator, 2), 2 * spec.padding + 1).long()  # (B, 2)
    if spec.fill == "reflect" and own:
        return reflected(pixels, corners - spec.padding, *own)
    return cropped(pixels, corners, spec.padding, spec.fill)  # zeros are around each already


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
    lines = (corners[:, :1] + torch.arange(height, device=pixels.device)) * wide + corners[:, 1:]  # (B, H)
    starts = (planes + lines[:, None, :]).flatten()
    return padded.flatten().unfold(0, width, 1).index_select(0, starts).view(pixels.shape)


def reflected(pixels: Tensor, shift: Tensor, height: Size, width: Size) -> Tensor:
    """Each image moved by shift (B, 2), rows and columns, by less than its own size; what is missing is reflected.

    The same as `cropped` with "reflect" at corners = shift + padding, for images of several sizes.
    """
    for axis, size in ((2, height), (3, width)):
        place = torch.arange(pixels.shape[axis], device=pixels.device) + shift[:, axis - 2, None]  # (B, H or W)
        last = _column(size) - 1
        index = (last - (last - place.abs()).abs()).clamp(min=0)
        index = index.view(len(pixels), 1, -1, 1) if axis == 2 else index.view(len(pixels), 1, 1, -1)
        pixels = pixels.gather(axis, index.expand(pixels.shape))
    return pixels


def _resized_crop(pixels: Tensor, spec: ResizedCrop, generator: Generator, own: Own | None = None) -> Tensor:
    draws = _uniform(pixels, generator, 2 * _TRIES + 2)
    height, width = own or pixels.shape[2:]
    return resized(pixels, *boxes(draws, height, width, spec), height, width)


def boxes(draws: Tensor, height: Size, width: Size, spec: ResizedCrop) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes of random area and aspect ratio (Szegedy et al. 2014, and as torchvision's RandomResizedCrop draws them).

    Of ten boxes drawn for an image the first that fits is taken; if none does, the largest centred one of an allowed
    ratio.

    Parameters
    ----------
    draws : (B, 22) from [0, 1).
    height, width : of the image, in pixels; one for all, or (B,).

    Returns
    -------
    top, left, height, width : (B,) each, whole pixels as floats.
    """
    low, high = spec.ratio
    last_wide, last_tall = _at_most(width, _exact(height) * high), _at_most(height, _exact(width) / low)
    area = _column(height) * _column(width) * (spec.scale[0] + (spec.scale[1] - spec.scale[0]) * draws[:, :_TRIES])
    ratio = torch.exp(math.log(low) + (math.log(high) - math.log(low)) * draws[:, _TRIES : 2 * _TRIES])
    wide, tall = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()  # (B, 10)
    fits = (wide > 0) & (wide <= _column(width)) & (tall > 0) & (tall <= _column(height))
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    found = fits.any(1)
    wide = torch.where(found, wide.gather(1, first)[:, 0], last_wide)
    tall = torch.where(found, tall.gather(1, first)[:, 0], last_tall)
    top = torch.where(found, _below(draws[:, -2], height - tall + 1), (height - last_tall) // 2)
    left = torch.where(found, _below(draws[:, -1], width - wide + 1), (width - last_wide) // 2)
    return top, left, tall, wide


def _column(size: Size) -> Any:
    return size[:, None] if isinstance(size, Tensor) else size


def _exact(size: Size) -> Any:
    return size.double() if isinstance(size, Tensor) else size


def _at_most(size: Size, wanted: Any) -> Any:
    """The side that goes with all of the other one at the limit of the ratio, if there is so much of it."""
    if isinstance(size, Tensor):
        return wanted.round().long().clamp(min=1).minimum(size)
    return min(size, max(1, round(wanted)))


def resized(
    pixels: Tensor,
    top: Tensor,
    left: Tensor,
    tall: Tensor,
    wide: Tensor,
    height: Size | None = None,
    width: Size | None = None,
) -> Tensor:
    """A box of each image, (B,) whole pixels each, resized bilinearly to the image's own height and width.

    A box is never larger than its image, so nothing shrinks, and with or without antialiasing the result is the same.
    Bilinear interpolation is separable and linear: two batched products with each image's own sparse matrices,
    several times quicker than sampling a grid.
    """
    _, _, high, across = pixels.shape
    rows = _interpolation(top, tall, high, high if height is None else height)  # (B, H, H)
    columns = _interpolation(left, wide, across, across if width is None else width)  # (B, W, W)
    drawn = torch.bmm(pixels.reshape(len(pixels), -1, across), columns.transpose(1, 2)).view(pixels.shape)
    return torch.matmul(rows[:, None], drawn).clamp_(0, 1)


def _interpolation(start: Tensor, length: Tensor, size: int, own: Size) -> Tensor:
    """(B, size, size): row i weighs the pixels that make up output i, of `length` from `start`, drawn out to `own`."""
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    inside = (pixel + 0.5) * (length / own)[:, None] - 0.5
    position = start[:, None] + inside.clamp(min=0).minimum(length[:, None] - 1)  # the box's edge is repeated
    return (1 - (position[:, :, None] - pixel).abs()).clamp_(min=0)


def _rotate(pixels: Tensor, spec: Rotate, generator: Generator, own: Own | None = None) -> Tensor:
    degrees = (2 * _uniform(pixels, generator) - 1) * spec.degrees
    return rotated(pixels, degrees, own) if own else rotated(pixels, degrees)


def rotated(pixels: Tensor, degrees: Tensor, own: Own | None = None) -> Tensor:
    """Each image about its own centre, counter-clockwise by degrees (B,), bilinear, zeros outside."""
    _, _, high, across = pixels.shape
    middle_y, middle_x = (_middle(size) for size in own or (high, across))  # numbers, or (B, 1, 1)
    angle = torch.deg2rad(degrees).view(-1, 1, 1)
    y = torch.arange(high, dtype=angle.dtype, device=pixels.device).view(1, -1, 1) - middle_y
    x = torch.arange(across, dtype=angle.dtype, device=pixels.device).view(1, 1, -1) - middle_x
    cosine, sine = angle.cos(), angle.sin()
    source_x, source_y = cosine * x - sine * y, sine * x + cosine * y  # (B, H, W), from the centre
    if own:  # the grid's 0 is the batch's
        source_x, source_y = source_x + (middle_x - (across - 1) / 2), source_y + (middle_y - (high - 1) / 2)
    grid = torch.stack([source_x * (2 / across), source_y * (2 / high)], dim=-1)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False).clamp_(0, 1)


def _middle(size: Size) -> Any:
    return (size.view(-1, 1, 1) - 1) / 2 if isinstance(size, Tensor) else (size - 1) / 2


def _noise(pixels: Tensor, spec: Noise, generator: Generator, own: Own | None = None) -> Tensor:
    noise = torch.empty_like(pixels)
    if spec.distribution == "uniform":
        noise.uniform_(-spec.amount, spec.amount, generator=generator)
    else:
        noise.normal_(0, spec.amount, generator=generator)
    return noise.add_(pixels).clamp_(0, 1)


def _cutout(pixels: Tensor, spec: Cutout, generator: Generator, own: Own | None = None) -> Tensor:
    height, width = own or pixels.shape[2:]
    draws = _uniform(pixels, generator, 3)
    row, column = _below(draws[:, 0], height), _below(draws[:, 1], width)
    return blanked(pixels, row, column, spec.size, draws[:, 2] < spec.probability)


def blanked(pixels: Tensor, row: Tensor, column: Tensor, size: int, which: Tensor) -> Tensor:
    """Zeros in a square of `size` pixels about (row, column) of the images that `which` says, (B,) each."""
    _, _, height, width = pixels.shape
    y = torch.arange(height, device=pixels.device) - row[:, None] + size // 2  # (B, H), rows of the square
    x = torch.arange(width, device=pixels.device) - column[:, None] + size // 2
    down = (y >= 0) & (y < size) & which[:, None]
    across = (x >= 0) & (x < size)
    return pixels.masked_fill(down[:, None, :, None] & across[:, None, None, :], 0)


_DRAW: dict[str, Callable[..., Tensor]] = {
    "flip": _flip,
    "crop": _crop,
    "resized-crop": _resized_crop,
    "rotate": _rotate,
    "noise": _noise,
    "cutout": _cutout,
}
