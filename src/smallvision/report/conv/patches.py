"""Figures of what a convolution does: patches and their matrix, pixels in several patches, equivariance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.rendering import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["equivariance_figure", "overlap_figure", "patches_figure"]

WIDTH, GAP, TALL = 8.0, 0.85, 6.0  # inches: of a figure, between two arrays, of the tallest array
SMALLEST = 5.5  # points of a number in a cell; below, there are none
MARK: Any = {"fill": False, "edgecolor": style.VERMILION, "linewidth": 2.2, "zorder": 5, "clip_on": False}


@style.styled
def patches_figure(
    x: np.ndarray,
    kernel: np.ndarray,
    patches: np.ndarray,
    y: np.ndarray,
    place: tuple[int, int] = (1, 2),
    stride: int = 1,
    padding: int = 0,
) -> "Figure":
    """A convolution of one channel above, and below it the same as a matrix product; one window is marked wherever it
    is.

    Parameters
    ----------
    x : (H, W).
    kernel : (kh, kw).
    patches : (P, K), P = OH OW and K = kh kw: every row is a window of x, read row by row.
    y : (OH, OW).
    place : the output whose window is marked, (row, column).
    stride, padding : of the convolution, the same along both axes.

    Raises
    ------
    BadInput : shapes that do not belong together.
    """
    x, kernel, patches, y = (np.asarray(one, np.float64) for one in (x, kernel, patches, y))
    shapes = f"x {x.shape}, kernel {kernel.shape}, patches {patches.shape}, y {y.shape}"
    if x.ndim != 2 or kernel.ndim != 2 or y.ndim != 2 or patches.shape != (y.size, kernel.size) or not y.size:
        raise BadInput(f"patches_figure: got {shapes}; expected (H, W), (kh, kw), (OH OW, kh kw) and (OH, OW)")
    if not (0 <= place[0] < y.shape[0] and 0 <= place[1] < y.shape[1]):
        raise BadInput(f"patches_figure: place {place} is not in the output, {y.shape}")
    padded = np.pad(x, padding)
    top, left = stride * place[0], stride * place[1]
    if top + kernel.shape[0] > padded.shape[0] or left + kernel.shape[1] > padded.shape[1]:
        raise BadInput(
            f"patches_figure: with stride {stride} and padding {padding} the window of {place} is not in x; {shapes}"
        )
    p, k = patches.shape
    row = place[0] * y.shape[1] + place[1]  # of the patch matrix
    pictures, weights, results = _scale(padded), _scale(kernel, True), _scale(y, True)
    name = f"input {_by(x)}" + (f", padded by {padding}" if padding else "")
    above = ((padded, pictures, name), (kernel, weights, f"kernel {_by(kernel)}"), (y, results, f"output {_by(y)}"))
    below = (
        (patches, pictures, f"patches {_by(patches)}: a row is a window"),
        (kernel.reshape(-1, 1), weights, f"kernel {k}×1"),
        (y.reshape(-1, 1), results, f"output {p}×1"),
    )
    marks = ((top, left, *kernel.shape), None, (*place, 1, 1)), ((row, 0, 1, k), None, (row, 0, 1, 1))
    lines = _line(above, 0.36), _line(below, 0.3)
    bottom = sum(height for _, height, _ in lines)
    figure = style.blank(WIDTH, bottom)
    for (cell, height, starts), arrays, marked in zip(lines, (above, below), marks, strict=True):
        bottom -= height
        axes = _canvas(figure, bottom, height, cell)
        for (values, scale, title), (down, across), box, sign in zip(
            arrays, starts, marked, ("∗·"[arrays is below], "=", ""), strict=True
        ):
            _cells(axes, values, scale, title, (down, across), 72 * cell)
            axes.text(
                across + values.shape[1] + GAP / cell / 2,
                (height + 0.2) / cell / 2,
                sign,
                fontsize=16,
                ha="center",
                va="center",
            )
            if box:
                axes.add_patch(_box(down + box[0], across + box[1], *box[2:], **MARK))
            if values is padded and padding:
                axes.add_patch(
                    _box(down + padding, across + padding, *x.shape, fill=False, edgecolor=style.INK, linewidth=1.2)
                )
    return figure


@style.styled
def overlap_figure(counts: Mapping[str, np.ndarray]) -> "Figure":
    """In how many patches each pixel is: what `fold` makes of the patches of ones.

    Parameters
    ----------
    counts : title (such as "kernel 3, stride 1") -> (H, W); from 1 to 4 of them.
    """
    arrays = {title: np.asarray(one, np.float64) for title, one in counts.items()}
    if not 1 <= len(arrays) <= 4 or any(one.ndim != 2 or not one.size for one in arrays.values()):
        raise BadInput(f"overlap_figure: got {[one.shape for one in arrays.values()]}; expected 1 to 4 arrays (H, W)")
    scale = {"cmap": "Blues", "vmin": 0.0, "vmax": max(1.0, 1.7 * max(float(one.max()) for one in arrays.values()))}
    shown = [(one, scale, title) for title, one in arrays.items()]
    cell, height, starts = _line(shown, 0.3)
    figure = style.blank(WIDTH, height)
    axes = _canvas(figure, 0, height, cell)
    for (one, colors, title), start in zip(shown, starts, strict=True):
        _cells(axes, one, colors, title, start, 72 * cell)
    return figure


@style.styled
def equivariance_figure(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Whether moving the input moves the output likewise: a row for each kind of move, the difference last.

    Below it stands its size |a - b| / |b|, Euclidean, b the output moved.

    Parameters
    ----------
    rows : at least one, each with `name` (of the move); `input` and `moved` (the input moved), (H, W); `output_moved`
        (the output, moved) and `moved_output` (the output of the input that was moved), (OH, OW), not a number where
        the move leaves nothing to compare.

    Raises
    ------
    BadInput : no row, or outputs of two sizes.
    """
    if not rows:
        raise BadInput("equivariance_figure: got no row; expected at least one")
    figure = style.blank(WIDTH, 0.3 + 1.85 * len(rows))
    titles = ("input", "input, moved", "output, moved", "output of the moved", "difference of the two")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for number, (row, line) in enumerate(zip(rows, grid, strict=True)):
        pictures = [np.asarray(row[key], np.float64) for key in ("input", "moved")]
        outputs = [np.asarray(row[key], np.float64) for key in ("output_moved", "moved_output")]
        if outputs[0].shape != outputs[1].shape:
            found = f"{row['name']}: outputs of {outputs[0].shape} and {outputs[1].shape}"
            raise BadInput(f"equivariance_figure: {found}; expected two of one shape")
        difference = outputs[1] - outputs[0]
        compared = ~np.isnan(difference)
        apart, whole = (float(np.linalg.norm(one[compared])) for one in (difference, outputs[0]))
        scales = [_scale(np.stack(pictures), False, False)] * 2 + [_scale(np.stack(outputs), True, False)] * 3
        for axes, values, scale, title in zip(line, (*pictures, *outputs, difference), scales, titles, strict=True):
            axes.imshow(values, interpolation="none", **scale)
            axes.set(xticks=[], yticks=[], facecolor=style.FAINT)  # the colour of what is not a number
            axes.set_title(title if number == 0 else "", fontsize=9.5)
            axes.grid(False)
            for spine in axes.spines.values():
                spine.set(visible=True, color="#999999", linewidth=0.7)
        line[0].set_ylabel(str(row["name"]), labelpad=6)
        share = apart / (whole or 1.0)
        shown = "0 exactly" if not apart else f"{share:.0e} (rounding)" if share < 1e-6 else f"{share:.2g}"
        line[-1].set_xlabel(f"|difference| / |output|\n= {shown}", fontsize=8.5)
    return figure


def _by(values: np.ndarray) -> str:
    return "×".join(str(n) for n in values.shape)


def _scale(values: np.ndarray, signed: bool = False, numbers: bool = True) -> dict[str, Any]:
    """Colours for numbers: light to dark, or two colours around 0; ink can be read on all of them."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if signed:
        largest = (max(abs(low), abs(high)) or 1.0) * (1.5 if numbers else 1.0)
        return {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    return {"cmap": "Greys", "vmin": low, "vmax": low + (1.8 if numbers else 1.0) * ((high - low) or 1.0)}


def _line(
    arrays: Sequence[tuple[np.ndarray, Any, str]], largest: float
) -> tuple[float, float, list[tuple[float, float]]]:
    """A line of arrays with gaps between, all cells of one size: inches of a cell and of the line, and each one's (top,
    left) in cells.
    """
    wide, high, gaps = (
        sum(one.shape[1] for one, _, _ in arrays),
        max(one.shape[0] for one, _, _ in arrays),
        GAP * (len(arrays) - 1),
    )
    cell = min(largest, (WIDTH - 0.4 - gaps) / wide, TALL / high)
    left, title, starts = (WIDTH - gaps - cell * wide) / 2 / cell, 0.32 / cell, []
    for one, _, _ in arrays:
        starts.append((title + (high - one.shape[0]) / 2, left))
        left += one.shape[1] + GAP / cell
    return cell, 0.32 + cell * high + 0.12, starts


def _canvas(figure: "Figure", bottom: float, height: float, cell: float) -> "Axes":
    """A strip of the figure, of its whole width, in units of cells from its upper left corner; bottom and height in
    inches.
    """
    figure.set_layout_engine("none")
    total = figure.get_figheight()
    axes = figure.add_axes((0, bottom / total, 1, height / total))
    axes.set(xlim=(0, WIDTH / cell), ylim=(height / cell, 0))
    axes.set_axis_off()
    return axes


def _cells(
    axes: "Axes", values: np.ndarray, scale: Mapping[str, Any], title: str, start: tuple[float, float], points: float
) -> None:
    """An array as coloured cells of so many points, its upper left corner at `start` (in cells); numbers in them where
    they fit.
    """
    (top, left), (height, width) = start, values.shape
    axes.imshow(values, interpolation="none", aspect="auto", extent=(left, left + width, top + height, top), **scale)
    axes.add_patch(_box(top, left, height, width, fill=False, edgecolor="#999999", linewidth=0.8))
    axes.text(left + width / 2, top - 4 / points, title, ha="center", va="bottom", fontsize=9.5)
    texts = {place: f"{value:.3g}".replace("-", "−") for place, value in np.ndenumerate(values) if not np.isnan(value)}
    size = min(9.5, 0.55 * points, 1.4 * points / max(map(len, texts.values()), default=1))
    if size < SMALLEST:
        return
    line: Any = {"color": "#999999", "linewidth": 0.4}
    axes.hlines(np.arange(top + 1, top + height), left, left + width, **line)
    axes.vlines(np.arange(left + 1, left + width), top, top + height, **line)
    for (i, j), text in texts.items():
        axes.text(left + j + 0.5, top + i + 0.5, text, ha="center", va="center_baseline", fontsize=size)


def _box(top: float, left: float, height: float, width: float, **how: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, top), width, height, **how)
