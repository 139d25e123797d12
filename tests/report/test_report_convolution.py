"""Figures of the convolution: what they show is read back from matplotlib's artists; nothing is cut off or overlaps."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view

from smallvision.errors import BadInput
from smallvision.rendering import style
from smallvision.report.conv import bench
from smallvision.report.conv import patches as convolution

KERNEL = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])


def convolved(x: np.ndarray, stride: int = 1, padding: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(patches, output) of KERNEL, by numpy."""
    windows = sliding_window_view(np.pad(x, padding), KERNEL.shape)[::stride, ::stride]
    return windows.reshape(-1, 9), np.einsum("ijkl,kl->ij", windows, KERNEL)


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 10, (height, width)).astype(float)


def visible(figure: Figure) -> list[matplotlib.text.Text]:
    with matplotlib.rc_context(style.RC):
        figure.draw_without_rendering()
    beyond = set()  # labels of ticks beyond the ends of their axis, which are not drawn
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    everything = figure.findobj(matplotlib.text.Text)
    return [text for text in everything if text.get_text().strip() and text.get_visible() and text not in beyond]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in visible(figure)]


def assert_readable(figure: Figure) -> None:
    """All texts inside the figure, none on another."""
    shown = visible(figure)
    left, bottom, right, top = np.array([text.get_window_extent().extents for text in shown]).T
    outside = (left < -1) | (bottom < -1) | (right > figure.bbox.x1 + 1) | (top > figure.bbox.y1 + 1)
    assert not outside.any(), np.array(shown)[outside]
    wide = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    high = np.minimum(top[:, None], top) - np.maximum(bottom[:, None], bottom)
    meeting = np.argwhere(np.triu((wide > 2) & (high > 2), 1))
    assert not len(meeting), [(shown[i], shown[j]) for i, j in meeting]


def marks(figure: Figure) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) of what is marked, in cells of the array it lies on."""
    found = []
    for axes in figure.axes:
        for patch in axes.patches:
            if matplotlib.colors.to_hex(patch.get_edgecolor()).upper() == style.VERMILION:
                (left, top), width, height = patch.get_xy(), patch.get_width(), patch.get_height()
                extents = [one.get_extent() for one in axes.images]
                (start,) = [e for e in extents if e[0] <= left + 1e-9 and left + width <= e[1] + 1e-9]
                found.append(tuple(round(n, 6) for n in (left - start[0], top - start[3], width, height)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "stride", "padding", "place"),
    [
        ((6, 6), 1, 0, (1, 2)),
        ((6, 7), 2, 1, (2, 0)),
        ((8, 8), 1, 0, (0, 0)),
        ((3, 3), 1, 0, (0, 0)),
        ((12, 12), 1, 0, (9, 9)),
    ],
)
def test_the_marked_window_is_the_marked_row_and_the_marked_output(size, stride, padding, place) -> None:
    x = image(*size)
    patches, y = convolved(x, stride, padding)
    figure = convolution.patches_figure(x, KERNEL, patches, y, place, stride, padding)
    row = place[0] * y.shape[1] + place[1]
    assert marks(figure) == [
        (stride * place[1], stride * place[0], 3, 3),
        (place[1], place[0], 1, 1),
        (0, row, 9, 1),
        (0, row, 1, 1),
    ]
    shown = [np.asarray(one.get_array()) for axes in figure.axes for one in axes.images]
    for found, expected in zip(
        shown, (np.pad(x, padding), KERNEL, y, patches, KERNEL.reshape(9, 1), y.reshape(-1, 1)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    window = shown[0][stride * place[0] :, stride * place[1] :][:3, :3]
    np.testing.assert_array_equal(window.reshape(-1), shown[3][row])
    assert (window * KERNEL).sum() == shown[2][place]
    assert f"patches {len(patches)}×9: a row is a window" in texts(figure)
    assert_readable(figure)


def test_cells_have_numbers_where_they_fit() -> None:
    x = image(6, 6)
    patches, y = convolved(x)
    numbers = [text for text in texts(convolution.patches_figure(x, KERNEL, patches, y)) if text.lstrip("−").isdigit()]
    parts = (x, KERNEL, KERNEL, patches, y, y)
    assert sorted(numbers) == sorted(f"{n:.0f}".replace("-", "−") for part in parts for n in part.flat)
    large = image(40, 40)
    patches, y = convolved(large)
    few = [text for text in texts(convolution.patches_figure(large, KERNEL, patches, y)) if text.lstrip("−").isdigit()]
    assert len(few) < 40


@pytest.mark.parametrize(
    "change",
    [
        {"patches": np.zeros((15, 9))},
        {"patches": np.zeros((16, 8))},
        {"x": np.zeros(6)},
        {"stride": 2},
        {"place": (4, 0)},
        {"place": (0, -1)},
    ],
)
def test_what_does_not_belong_together_is_refused(change) -> None:
    x = image(6, 6)
    patches, y = convolved(x)
    with pytest.raises(BadInput, match=r"^patches_figure: "):
        convolution.patches_figure(**({"x": x, "kernel": KERNEL, "patches": patches, "y": y, "place": (3, 3)} | change))


def test_overlap_shows_the_counts() -> None:
    counts = {
        f"kernel 3, stride {stride}": np.add.outer(np.arange(7), np.arange(7)) % (stride + 2) for stride in (1, 2, 3)
    }
    figure = convolution.overlap_figure(counts)
    for shown, expected in zip(figure.axes[0].images, counts.values(), strict=True):
        np.testing.assert_array_equal(shown.get_array(), expected)
    found = texts(figure)
    assert set(counts) <= set(found)
    assert sorted(text for text in found if text.isdigit()) == sorted(
        str(n) for one in counts.values() for n in one.flat
    )
    assert_readable(figure)
    with pytest.raises(BadInput, match="expected 1 to 4 arrays"):
        convolution.overlap_figure({})


def equivariance_row(**change) -> dict:
    x = np.pad(image(8, 8), 6)
    _, y = convolved(x, 1, 1)
    row = {
        "name": "shift",
        "input": x,
        "moved": np.roll(x, 2, 1),
        "output_moved": np.roll(y, 2, 1),
        "moved_output": convolved(np.roll(x, 2, 1), 1, 1)[1],
    }
    return row | change


def test_equivariance_shows_the_difference_and_its_size() -> None:
    shifted = equivariance_row()
    turned = equivariance_row(name="quarter turn", output_moved=np.rot90(shifted["output_moved"]))
    rounding = equivariance_row(name="rounding", moved_output=shifted["output_moved"] + 1e-9)
    hidden = np.where(np.arange(20) < 3, np.nan, shifted["output_moved"])
    figure = convolution.equivariance_figure(
        [shifted, turned, rounding, equivariance_row(name="a part", output_moved=hidden)]
    )
    differences = [np.asarray(axes.images[0].get_array()) for axes in figure.axes[4::5]]
    assert not differences[0].any()
    expected = turned["moved_output"] - turned["output_moved"]
    np.testing.assert_array_equal(differences[1], expected)
    found = texts(figure)
    label = "|difference| / |output|\n= "
    assert found.count(f"{label}0 exactly") == 2
    assert f"{label}{np.linalg.norm(expected) / np.linalg.norm(turned['output_moved']):.2g}" in found
    assert f"{label}{1e-9 * 20 / np.linalg.norm(shifted['output_moved']):.0e} (rounding)" in found
    assert {"shift", "quarter turn", "rounding", "a part", "input", "difference of the two"} <= set(found)
    assert_readable(figure)


def test_equivariance_of_nothing_or_of_two_sizes_is_refused() -> None:
    with pytest.raises(BadInput, match="got no row"):
        convolution.equivariance_figure([])
    with pytest.raises(BadInput, match=r"shift: outputs of \(4, 4\) and \(20, 20\)"):
        convolution.equivariance_figure([equivariance_row(output_moved=np.zeros((4, 4)))])


def bench_row(rung: str, ratio: float | None, shape: str = "1x2x3x4 5x1x1", **change) -> dict:
    row = {
        "shape": shape,
        "rung": rung,
        "reason": None,
        "refused": False,
        "share": 1.0,
        "memory_bytes": [4_000_000, 8_000_000, 1],
        "stated_bytes": [5_000_000, 7_000_000, 0],
        "ratio": {"forward": (ratio or 1) / 2, "total": ratio},
    }
    return row | change if ratio else {"shape": shape, "rung": rung, "reason": "no", "refused": True} | change


def test_the_bench_figure_shows_ratios_and_memory_of_every_shape() -> None:
    names = {
        "loops": 35_000.0,
        "compiled": 110.0,
        "im2col": 3.4,
        "winograd": None,
        "broken": None,
        "torch": 1.0,
        "torch-nhwc": 0.8,
    }
    rows = [
        bench_row(name, ratio, shape)
        for shape in ("64x64x16x16 64x3x3 p=1", "1x2x3x4 5x1x1")
        for name, ratio in names.items()
    ]
    rows[0].update(share=0.001, memory_bytes=None)
    rows[4]["refused"] = False
    figure = bench.bench_figure(rows, {"64x64x16x16 64x3x3 p=1": "the headline"})
    times, memory = figure.axes[0], figure.axes[1]
    assert [label.get_text() for label in times.get_yticklabels()] == list(names)
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in times.patches]
    assert [end for _, end in bars] == pytest.approx([bench.FAR, 110, 3.4, 1, 0.8])  # what is farther ends at the edge
    assert {start for start, _ in bars} == {1}
    assert times.get_xscale() == "log"
    assert [bar.get_width() for bar in memory.patches] == [8] * 4
    (rings,) = memory.lines
    assert list(rings.get_xdata()) == [7] * 4
    found = texts(figure)
    assert {"~35 k →", "110", "3.4", "0.80", "not for this shape", "not measured", "8.0"} <= set(found)
    assert "64x64x16x16 64x3x3 p=1   (the headline)" in found
    assert [text for text in found if text in bench.LABELS] == list(bench.LABELS)
    assert_readable(figure)
    assert figure.get_figwidth() == 8


def test_a_bench_figure_of_one_thing_and_of_nothing() -> None:
    assert_readable(bench.bench_figure([bench_row("torch", 1.0, stated_bytes=[0, 0, 0], memory_bytes=None)]))
    with pytest.raises(BadInput, match="nothing was measured"):
        bench.bench_figure([bench_row("winograd", None)])
