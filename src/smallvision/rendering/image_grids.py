"""Figures that are grids of pictures: the first layer's weights, and images with captions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from smallvision.errors import BadInput
from smallvision.rendering import style
from smallvision.rendering.embed import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def filters(weights: np.ndarray) -> "Figure":
    """The first layer's weights as pictures, all on one scale that is symmetric around 0.

    Three input channels are shown as red, green and blue, mid-gray being 0; any other number as the mean over channels.

    Parameters
    ----------
    weights : float (F, C, kh, kw), F at least 1.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    weights = np.asarray(weights, np.float64)
    if weights.ndim != 4 or not weights.size:
        raise BadInput(f"filters: got an array {weights.shape}; expected (F, C, kh, kw) with no axis of length 0")
    f, c, height, width = weights.shape
    color = c == 3
    maps = weights.transpose(0, 2, 3, 1) if color else weights.mean(axis=1)[..., None]  # (F, kh, kw, 3 or 1)
    largest = float(np.abs(maps).max()) or 1.0
    columns = min(f, 16 if f > 16 else 8)
    rows = -(-f // columns)
    gap = max(height // 6, 1)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, maps.shape[-1]), np.nan)
    for i in range(f):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = maps[i]
    wide = min(6.0, 0.75 * columns)
    figure = style.blank(wide + 1.2, float(np.clip(wide * sheet.shape[0] / sheet.shape[1], 1.5, 6.5)) + 0.2)
    axes = figure.subplots()
    levels = colormaps["gray" if color else "RdBu_r"].resampled(63)  # few colours, so a small file
    scale = ScalarMappable(Normalize(-largest, largest), levels)
    gray = np.ma.masked_invalid(sheet[..., 0])
    shown = np.nan_to_num(0.5 + sheet / (2 * largest), nan=1.0) if color else scale.to_rgba(gray)
    axes.imshow(shown, interpolation="none", gid=None if color else style.CELLS)
    axes.set_axis_off()
    label = "weight" if c == 1 else "weight (R, G, B)" if color else "mean weight"
    bar = figure.colorbar(scale, ax=axes, aspect=14, label=label)
    bar.outline.set_visible(False)
    if not color:  # red, green and blue have to stay what they are
        bar.ax.set_gid(style.CELLS)
    return figure


@style.styled
def gallery(pixels: np.ndarray | Sequence[np.ndarray], captions: Sequence[str], columns: int = 10) -> "Figure":
    """Images in a grid, a caption under each.

    Parameters
    ----------
    pixels : uint8 (n, C, H, W), n at least 1, or n images (C, H, W) of several sizes; three channels are red, green,
        blue.
    captions : n short texts; may have line breaks.
    columns : images in a row.
    """
    every = [np.asarray(image) for image in pixels]
    fits = all(image.ndim == 3 and image.dtype == np.uint8 for image in every)
    if not fits or not every or len(captions) != len(every) or columns < 1:
        first = f"{every[0].dtype} {every[0].shape}" if every else "nothing"
        found = f"{len(every)} images, the first {first}, and {len(captions)} captions"
        raise BadInput(f"gallery: got {found}; expected uint8 (n, C, H, W), n at least 1, and n captions")
    columns = min(columns, len(every))
    rows = -(-len(every) // columns)
    tallest = max(image.shape[1] / image.shape[2] for image in every)
    lines = max(caption.count("\n") + 1 for caption in captions)
    figure = style.blank(1.1 * columns, rows * (1.05 * tallest + 0.15 * lines))
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if place < len(every):
            axes.imshow(displayable(every[place]), cmap="gray", vmin=0, vmax=255, interpolation="none")
            text = "\n".join(style.short(line, 16) for line in captions[place].split("\n"))
            axes.set_title(text, fontsize=8, y=0, pad=-3, va="top")
    return figure
