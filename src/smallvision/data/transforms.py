"""Augmentation of whole batches, on the device of the batch, each image with its own draw from the batch's generator.

A transform is a function of a batch and a generator that returns a new batch. Most change pixels only and derive from
`PixelTransform`; one that mixes images also sets `Batch.targets`. A new transform is one class here, one line in
TRANSFORMS, and its spec in experiment/data.py.

No transform reads a value back to the host, so a training step that begins with one can be captured as a graph. Each
consists of a draw and a function that does what was drawn, which tests compare with references.

Where images are padded, each is varied within its own size: heights and widths are then (B,) tensors in place of those
of the batch, and pixels outside an image are set to 0 again.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Generator, Tensor
from torch.nn import functional

from smallvision.data.batching.batch import Batch
from smallvision.data.doubles import has_doubles
from smallvision.errors import BadInput, counted
from smallvision.experiment import data as specs
from smallvision.experiment.data import Augment

_BOXES = 10  # drawn for each image before the largest centred one is taken

Transform = Callable[[Batch, Generator], Batch]
Size = int | Tensor  # of all images, or int64 (B,)
Own = tuple[Size, Size]  # heights and widths of the images
S = TypeVar("S", bound=Augment)


def build(augment: Sequence[Augment], classes: int | None = None) -> Transform:
    """One transform that applies several, one after the other.

    Parameters
    ----------
    augment : their specs, in this order.
    classes : K, the number of classes; transforms that mix images need it for their soft targets.

    Returns
    -------
    Transform : (batch, generator) -> batch, its pixels still float32 (B, C, H, W) in [0, 1], and 0 outside its mask.
        The generator is on the device of the batch; equal states of the generator give equal bits.
    """
    transforms = [TRANSFORMS[spec.kind](spec, classes) for spec in augment]

    def apply_all(batch: Batch, generator: Generator) -> Batch:
        for transform in transforms:
            batch = transform(batch, generator)
        return batch

    return apply_all


@dataclass(frozen=True)
class PixelTransform(ABC, Generic[S]):
    """A transform that changes pixels and leaves labels and targets as they are.

    Parameters
    ----------
    spec : its settings.
    classes : K; not used here.
    """

    spec: S
    classes: int | None = None

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch with its pixels varied; padding stays 0."""
        mask = batch.mask
        if mask is None:
            return replace(batch, pixels=self.vary(batch.pixels, generator))
        own = mask[:, 0, :, 0].sum(1), mask[:, 0, 0, :].sum(1)  # (B,) each
        return replace(batch, pixels=self.vary(batch.pixels, generator, own) * mask)

    @abstractmethod
    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """Varied pixels.

        Parameters
        ----------
        pixels : float32 (B, C, H, W) in [0, 1].
        generator : on the device of the pixels.
        own : heights and widths of the images, where some are padded; None: H and W. Padding need not be left 0.
        """


def _uniform(pixels: Tensor, generator: Generator, *shape: int) -> Tensor:
    """Numbers from [0, 1), float32 (B, *shape)."""
    return torch.rand((len(pixels), *shape), generator=generator, device=pixels.device)


def _below(uniform: Tensor, count: Tensor | int) -> Tensor:
    """Integers from 0 to count - 1, as floats. The product can round up to `count` itself, hence the upper bound."""
    whole = (uniform * count).floor()
    return whole.clamp(max=count - 1) if isinstance(count, int) else whole.minimum(count - 1)


class Flip(PixelTransform[specs.Flip]):
    """Mirrors images left and right, see `experiment.data.Flip`."""

    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """See `PixelTransform`."""
        return flipped(pixels, _uniform(pixels, generator) < self.spec.probability, own[1] if own else None)


def flipped(pixels: Tensor, which: Tensor, width: Size | None = None) -> Tensor:
    """Images mirrored left and right where `which` is True, each within its own width.

    Parameters
    ----------
    pixels : (B, C, H, W).
    which : bool (B,).
    width : of each image; None: W.
    """
    batch, _, _, wide = pixels.shape
    columns = torch.arange(wide, device=pixels.device)
    last = (wide if width is None else _column(width)) - 1
    index = torch.where(which[:, None], (last - columns).clamp(min=0), columns)  # (B, W)
    return pixels.gather(3, index.view(batch, 1, 1, wide).expand(pixels.shape))


class Crop(PixelTransform[specs.Crop]):
    """Pads images and cuts the original size out at a random place, see `experiment.data.Crop`."""

    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """See `PixelTransform`."""
        corners = _below(_uniform(pixels, generator, 2), 2 * self.spec.padding + 1).long()  # (B, 2)
        if self.spec.fill == "reflect" and own:
            return reflected(pixels, corners - self.spec.padding, *own)
        return cropped(pixels, corners, self.spec.padding, self.spec.fill)  # zeros are around each already


def cropped(pixels: Tensor, corners: Tensor, padding: int, fill: str) -> Tensor:
    """Pad every side, then cut the original size out at corners (B, 2): row and column within the padded image.

    Raises
    ------
    BadInput : reflection by as much as the image or more.
    """
    batch, channels, height, width = pixels.shape
    if fill == "reflect" and padding >= min(height, width):
        raise BadInput(
            f"data.augment: crop reflects {counted(padding, 'pixel')}, but images of {height}x{width} can reflect "
            f"at most "
            f'{min(height, width) - 1}; set a smaller padding, or fill = "zero"'
        )
    padded = functional.pad(pixels, (padding,) * 4, mode="reflect" if fill == "reflect" else "constant")
    _, _, tall, wide = padded.shape
    # Each row of the result is `width` neighbours in memory, so it is one row of all overlapping windows.
    planes = torch.arange(batch * channels, device=pixels.device).view(batch, channels, 1) * (tall * wide)
    lines = (corners[:, :1] + torch.arange(height, device=pixels.device)) * wide + corners[:, 1:]  # (B, H)
    starts = (planes + lines[:, None, :]).flatten()
    return padded.flatten().unfold(0, width, 1).index_select(0, starts).view(pixels.shape)


def reflected(pixels: Tensor, shift: Tensor, height: Size, width: Size) -> Tensor:
    """Each image shifted by less than its own size; pixels from outside the image are reflected at its border.

    The same as `cropped` with "reflect" and corners = shift + padding, for images of several sizes.

    Parameters
    ----------
    pixels : (B, C, H, W).
    shift : int64 (B, 2), by how many rows and columns.
    height, width : of each image.
    """
    for axis, size in ((2, height), (3, width)):
        place = torch.arange(pixels.shape[axis], device=pixels.device) + shift[:, axis - 2, None]  # (B, H or W)
        last = _column(size) - 1
        index = (last - (last - place.abs()).abs()).clamp(min=0)
        index = index.view(len(pixels), 1, -1, 1) if axis == 2 else index.view(len(pixels), 1, 1, -1)
        pixels = pixels.gather(axis, index.expand(pixels.shape))
    return pixels


class ResizedCrop(PixelTransform[specs.ResizedCrop]):
    """Cuts a random part out and resizes it to the size of the image, see `experiment.data.ResizedCrop`."""

    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """See `PixelTransform`."""
        draws = _uniform(pixels, generator, 2 * _BOXES + 2)
        height, width = own or pixels.shape[2:]
        return resized(pixels, *boxes(draws, height, width, self.spec), height, width)


def boxes(draws: Tensor, height: Size, width: Size, spec: specs.ResizedCrop) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes of random area and aspect ratio (Szegedy et al. 2014), drawn as in RandomResizedCrop of torchvision.

    Ten boxes are drawn for an image, and the first one that fits is taken. If none fits, it is the largest centred box
    of an allowed ratio.

    Parameters
    ----------
    draws : (B, 22) from [0, 1).
    height, width : of the images, in pixels.
    spec : the allowed areas and ratios.

    Returns
    -------
    tuple of (top, left, height, width), each (B,), whole pixels as floats.
    """
    low, high = spec.ratio
    last_wide, last_tall = _at_most(width, _exact(height) * high), _at_most(height, _exact(width) / low)
    area = _column(height) * _column(width) * (spec.scale[0] + (spec.scale[1] - spec.scale[0]) * draws[:, :_BOXES])
    ratio = torch.exp(math.log(low) + (math.log(high) - math.log(low)) * draws[:, _BOXES : 2 * _BOXES])
    wide, tall = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()  # (B, 10)
    fits = (wide > 0) & (wide <= _column(width)) & (tall > 0) & (tall <= _column(height))
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    any_fits = fits.any(1)
    wide = torch.where(any_fits, wide.gather(1, first)[:, 0], last_wide)
    tall = torch.where(any_fits, tall.gather(1, first)[:, 0], last_tall)
    top = torch.where(any_fits, _below(draws[:, -2], height - tall + 1), (height - last_tall) // 2)
    left = torch.where(any_fits, _below(draws[:, -1], width - wide + 1), (width - last_wide) // 2)
    return top, left, tall, wide


def _column(size: Size) -> Any:
    """A size that broadcasts with (B, n)."""
    return size[:, None] if isinstance(size, Tensor) else size


def _exact(size: Size) -> Any:
    """A size in double precision, as Python's own numbers are; in single precision on a device without it."""
    if not isinstance(size, Tensor):
        return size
    return size.double() if has_doubles(size.device) else size.float()


def _at_most(size: Size, wanted: Any) -> Any:
    """The side that goes with the whole other side at the limit of the ratio, at most `size` and at least 1."""
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
    """A box of each image, resized bilinearly to the height and width of that image.

    A box is never larger than its image, so nothing shrinks, and antialiasing would change nothing. Bilinear
    interpolation is separable and linear: it is two batched products with a sparse matrix of each image, which is
    several times faster than sampling on a grid.

    Parameters
    ----------
    pixels : (B, C, H, W).
    top, left, tall, wide : (B,) each, the box in whole pixels.
    height, width : of the images; None: H and W.
    """
    _, _, high, across = pixels.shape
    rows = _interpolation(top, tall, high, high if height is None else height)  # (B, H, H)
    columns = _interpolation(left, wide, across, across if width is None else width)  # (B, W, W)
    stretched = torch.bmm(pixels.reshape(len(pixels), -1, across), columns.transpose(1, 2)).view(pixels.shape)
    return torch.matmul(rows[:, None], stretched).clamp_(0, 1)


def _interpolation(start: Tensor, length: Tensor, size: int, own: Size) -> Tensor:
    """Weights (B, size, size) that stretch `length` pixels from `start` to `own` pixels, one row for each output."""
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    inside = (pixel + 0.5) * (length / own)[:, None] - 0.5
    position = start[:, None] + inside.clamp(min=0).minimum(
        length[:, None] - 1
    )  # the pixels at the edge of the box are repeated
    return (1 - (position[:, :, None] - pixel).abs()).clamp_(min=0)


class Rotate(PixelTransform[specs.Rotate]):
    """Rotates images by a random angle, see `experiment.data.Rotate`."""

    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """See `PixelTransform`."""
        degrees = (2 * _uniform(pixels, generator) - 1) * self.spec.degrees
        return rotated(pixels, degrees, own)


def rotated(pixels: Tensor, degrees: Tensor, own: Own | None = None) -> Tensor:
    """Images rotated counter-clockwise about their own centres, bilinear, zeros outside.

    Parameters
    ----------
    pixels : (B, C, H, W).
    degrees : (B,).
    own : heights and widths of the images; None: H and W.
    """
    _, _, high, across = pixels.shape
    middle_y, middle_x = (_middle(size) for size in own or (high, across))  # numbers, or (B, 1, 1)
    angle = torch.deg2rad(degrees).view(-1, 1, 1)
    y = torch.arange(high, dtype=angle.dtype, device=pixels.device).view(1, -1, 1) - middle_y
    x = torch.arange(across, dtype=angle.dtype, device=pixels.device).view(1, 1, -1) - middle_x
    cosine, sine = angle.cos(), angle.sin()
    source_x, source_y = cosine * x - sine * y, sine * x + cosine * y  # (B, H, W), from the centre
    if own:  # the grid is centred on the whole batch
        source_x, source_y = source_x + (middle_x - (across - 1) / 2), source_y + (middle_y - (high - 1) / 2)
    grid = torch.stack([source_x * (2 / across), source_y * (2 / high)], dim=-1)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False).clamp_(0, 1)


def _middle(size: Size) -> Any:
    """The centre of a side, between its first and last pixel."""
    return (size.view(-1, 1, 1) - 1) / 2 if isinstance(size, Tensor) else (size - 1) / 2


class Noise(PixelTransform[specs.Noise]):
    """Adds noise and clamps to [0, 1], see `experiment.data.Noise`."""

    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """See `PixelTransform`."""
        amount = self.spec.amount
        noise = torch.empty_like(pixels)
        if self.spec.distribution == "uniform":
            noise.uniform_(-amount, amount, generator=generator)
        else:
            noise.normal_(0, amount, generator=generator)
        return noise.add_(pixels).clamp_(0, 1)


class Cutout(PixelTransform[specs.Cutout]):
    """Sets a random square to 0, see `experiment.data.Cutout`."""

    def vary(self, pixels: Tensor, generator: Generator, own: Own | None = None) -> Tensor:
        """See `PixelTransform`."""
        height, width = own or pixels.shape[2:]
        draws = _uniform(pixels, generator, 3)
        row, column = _below(draws[:, 0], height), _below(draws[:, 1], width)
        return blanked(pixels, row, column, self.spec.size, draws[:, 2] < self.spec.probability)


def blanked(pixels: Tensor, row: Tensor, column: Tensor, size: int, which: Tensor) -> Tensor:
    """Images with a square of zeros where `which` is True.

    Parameters
    ----------
    pixels : (B, C, H, W).
    row, column : (B,) each, the centre of the square.
    size : side of the square in pixels; parts outside the image are cut off.
    which : bool (B,).
    """
    _, _, height, width = pixels.shape
    y = torch.arange(height, device=pixels.device) - row[:, None] + size // 2  # (B, H), rows of the square
    x = torch.arange(width, device=pixels.device) - column[:, None] + size // 2
    down = (y >= 0) & (y < size) & which[:, None]
    across = (x >= 0) & (x < size)
    return pixels.masked_fill(down[:, None, :, None] & across[:, None, None, :], 0)


TRANSFORMS: dict[str, Callable[[Any, int | None], Transform]] = {
    "flip": Flip,
    "crop": Crop,
    "resized-crop": ResizedCrop,
    "rotate": Rotate,
    "noise": Noise,
    "cutout": Cutout,
}
