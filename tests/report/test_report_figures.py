"""Figures: their data read back from matplotlib's own artists, and what keeps them readable."""

import functools
import operator
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import fake_run
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from smallvision.errors import BadInput
from smallvision.rendering import embed, style
from smallvision.report.run import curves, series
from smallvision.runs.read import RunRecord, read_run
from smallvision.tasks.classification import figures as classification_figures


def run(path: Path, **changes: Any) -> RunRecord:
    return read_run(fake_run.make(path / "run", **{"count": 60, "shape": (1, 8, 8), **changes}))


def labelled(figure: Figure) -> dict[str, Any]:
    return {artist.get_label(): artist for axes in figure.axes for artist in axes.lines}


def texts(figure: Figure) -> list[str]:
    figure.canvas.draw()
    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text() and t.get_visible()]


def test_every_step_has_its_loss_over_the_images_seen() -> None:
    steps = [
        {"examples": 40, "loss": [4.0, 3.0]},
        {"examples": 50, "loss": [2.0]},
        {"examples": 50, "loss": []},
        {"examples": 90, "loss": [1.0, 0.5]},
    ]
    examples, losses = series.per_step(steps)
    np.testing.assert_allclose(examples, [20, 40, 50, 70, 90])
    np.testing.assert_allclose(losses, [4, 3, 2, 1, 0.5])
    assert series.per_step([])[0].shape == (0,)


def test_smoothing_is_a_median_and_thinning_keeps_the_extremes() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=50_001)
    places, medians, width = series.smooth(y)
    assert len(places) == 240
    assert places[0] == 0
    assert places[-1] == 50_000
    assert width == 1001
    np.testing.assert_allclose(medians[100], np.median(y[places[100] - 500 : places[100] + 501]))
    middle, low, high = series.envelope(np.arange(50_001.0), y)
    assert len(middle) == 400
    assert np.all(np.diff(middle) > 0)
    assert low.min() == y.min()
    assert high.max() == y.max()
    assert np.all(low <= high)


def test_loss_curve_shows_what_was_recorded(tmp_path: Path) -> None:
    record = run(tmp_path, epochs=4, steps_per_epoch=100, validation=True)
    figure = curves.loss_curve(record.steps, record.metrics)
    lines = labelled(figure)
    np.testing.assert_allclose(
        lines["training, each step"].get_ydata(),
        functools.reduce(operator.iadd, (line["loss"] for line in record.steps), []),
    )
    np.testing.assert_allclose(lines["training, each step"].get_xdata(), 64 * np.arange(1, 401))
    for split, name in (("validation", "validation"), ("test", "test (watched)")):
        np.testing.assert_allclose(lines[name].get_xdata(), [line["examples"] for line in record.metrics])
        np.testing.assert_allclose(lines[name].get_ydata(), [line[split]["loss"] for line in record.metrics])
    axes = figure.axes[0]
    assert axes.get_xlabel() == "training images seen"
    assert axes.get_ylabel() == "cross-entropy (nats)"
    assert "epochs" in texts(figure)
    assert axes.get_ylim()[0] == 0
    assert axes.get_xlim()[1] >= record.metrics[-1]["examples"]


def test_curves_show_what_was_recorded(tmp_path: Path) -> None:
    record = run(tmp_path, epochs=5, validation=True)
    figure = curves.curves(record.metrics)
    for axes, score, scale in zip(figure.axes[:2], ("loss", "accuracy"), (1, 100), strict=True):
        found = {line.get_label(): line for line in axes.lines}
        names = {"train": "train (average while training)", "validation": "validation", "test": "test (watched)"}
        for split, name in names.items():
            np.testing.assert_allclose(found[name].get_xdata(), [1, 2, 3, 4, 5])
            np.testing.assert_allclose(found[name].get_ydata(), [scale * line[split][score] for line in record.metrics])
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure.axes[1].get_ylabel() == "accuracy (%)"
    with pytest.raises(BadInput):
        curves.curves([])


def test_splits_differ_in_more_than_colour() -> None:
    assert all(len({entry[i] for entry in style.SPLITS.values()}) == 3 for i in range(4))


def test_a_loss_that_falls_far_gets_a_logarithmic_axis() -> None:
    steps = [{"examples": 100 * (i + 1), "loss": [2.0 * 0.8**i] * 10} for i in range(40)]
    axes = curves.loss_curve(steps).axes[0]
    assert axes.get_yscale() == "log"
    assert "log scale" in axes.get_ylabel()
    assert not any("$" in text or "mathdefault" in text for text in texts(axes.figure))


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "steps"), [(0, 0), (1, 1), (1, 3), (1, 200), (130, 391)])
def test_short_and_long_runs_are_drawn_and_stay_small(tmp_path: Path, epochs: int, steps: int) -> None:
    record = run(tmp_path, epochs=epochs, steps_per_epoch=steps, status="running", validation=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        size = len(embed.svg(curves.loss_curve(record.steps, record.metrics), "loss", "a"))
        assert size < 70_000
        if epochs:
            assert len(embed.svg(curves.curves(record.metrics), "curves", "b")) < 70_000


@pytest.mark.parametrize("k", [2, 10, 20, 21, 100])
def test_confusion_shows_the_matrix(k: int) -> None:
    matrix = np.random.default_rng(k).integers(0, 90, (k, k)) + 500 * np.eye(k, dtype=np.int64)
    matrix[1] = 0
    figure = classification_figures.confusion(matrix, [f"class {i}" for i in range(k)])
    axes = figure.axes[0]
    expected = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    np.testing.assert_allclose(axes.images[0].get_array(), expected)
    numbers = {(round(t.get_position()[1]), round(t.get_position()[0])): int(t.get_text()) for t in axes.texts}
    nonzero = zip(*np.nonzero(matrix), strict=True)
    assert numbers == ({(r, c): matrix[r, c] for r, c in nonzero} if k <= 20 else {})
    assert axes.get_xlabel() == "predicted class"
    assert axes.get_ylabel() == "true class"
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names[0] == "class 0"
    assert names[-1] == f"class {k - 1}"
    assert len(names) <= 40
    assert any("%" in text for text in texts(figure))
    with pytest.raises(BadInput):
        classification_figures.confusion(matrix, ["a"])


@pytest.mark.parametrize("k", [1, 3, 20, 100])
def test_per_class_points_are_the_rows_on_an_axis_that_holds_them(k: int) -> None:
    rng = np.random.default_rng(k)
    rows = [
        {"class": f"c{i}", "support": 50, **{key: 0.9 + rng.integers(6) / 50 for key in ("precision", "recall", "f1")}}
        for i in range(k)
    ]
    axes = classification_figures.per_class(rows).axes[0]
    shown = rows if k <= 20 else sorted(rows, key=lambda row: row["f1"])[:20]
    assert [t.get_text() for t in axes.get_yticklabels()] == [row["class"] for row in shown]
    points = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    for line, score in zip(points, ("precision", "recall", "f1"), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [100 * row[score] for row in shown])
    intervals = [line.get_xdata() for line in axes.lines if line.get_solid_capstyle() == "butt"]
    expected = [proportion_confint(round(50 * row["recall"]), 50, method="wilson") for row in shown]
    np.testing.assert_allclose(intervals, 100 * np.array(expected))
    assert 70 < axes.get_xlim()[0] < min(map(min, intervals))
    assert not axes.patches
    assert ("lowest F1, of 100" in axes.get_title()) == (k == 100)


@pytest.mark.parametrize(
    "shape", [(1, 1, 3, 3), (10, 1, 5, 5), (64, 3, 3, 3), (64, 1, 28, 28), (7, 4, 2, 3), (3, 3, 1, 1)]
)
def test_filters_are_on_one_symmetric_scale(shape: tuple[int, ...]) -> None:
    weights = np.random.default_rng(0).normal(size=shape)
    figure = curves.filters(weights)
    low, high = figure.axes[1].get_ylim()
    largest = np.abs(weights if shape[1] in (1, 3) else weights.mean(1)).max()
    assert low == -high
    assert high == pytest.approx(largest)
    sheet = figure.axes[0].images[0].get_array()
    if shape[1] == 3:
        np.testing.assert_allclose(sheet[: shape[2], : shape[3]], 0.5 + weights[0].transpose(1, 2, 0) / (2 * largest))
    assert "weight" in figure.axes[1].get_ylabel()
    for bad in (np.zeros((0, 1, 1, 1)), np.zeros((3, 3))):
        with pytest.raises(BadInput):
            curves.filters(bad)
    curves.filters(np.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (23, 3, 32, 32), (3, 2, 8, 16)])
def test_gallery_shows_each_image_with_its_caption(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    captions = [f"true 4\npredicted {i}" for i in range(len(pixels))]
    figure = curves.gallery(pixels, captions)
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == captions
    if shape[1] != 2:
        expected = pixels[0, 0] if shape[1] == 1 else pixels[0].transpose(1, 2, 0)
        np.testing.assert_array_equal(shown[0].images[0].get_array(), expected)
    for bad in (pixels.astype(float), pixels[0], pixels[:0]):
        with pytest.raises(BadInput):
            curves.gallery(bad, captions)
    with pytest.raises(BadInput):
        curves.gallery(pixels, captions[1:])


HOSTILE = [
    "<script>alert(1)</script>",
    "$\\frac{",
    "x" * 300,
    "x" * 299 + "y",
    "日本語 فارسی",
    "]]>",
    "-->",
    "\x00\x1b[31m",
    "\ud800",
    "",
]


def test_hostile_class_names_are_drawn_as_text() -> None:
    matrix = np.eye(len(HOSTILE), dtype=np.int64)
    rows = [{"class": name, "precision": 1.0, "recall": 1.0, "f1": 1.0} for name in HOSTILE]
    for figure in (classification_figures.confusion(matrix, HOSTILE), classification_figures.per_class(rows)):
        text = embed.svg(figure, 'alt "quoted" <b>', "p")
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert "$\\frac{" in text
        assert "\x00" not in text
    names = style.distinct(HOSTILE)
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 18


def test_svg_is_the_same_every_time_and_its_ids_are_its_own(tmp_path: Path) -> None:
    record = run(tmp_path, epochs=3)
    first, again = (embed.svg(curves.curves(record.metrics), "alt", "one") for _ in range(2))
    other = embed.svg(curves.curves(record.metrics), "alt", "two")
    assert first == again
    ids, others = (set(re.findall(r' id="([^"]+)"', text)) for text in (first, other))
    assert ids
    assert not ids & others
    used = set(re.findall(r"#(one-[\w-]+)", first))
    assert used == ids
    assert "<style" not in first
    assert "http" not in first
    assert 'role="img"' in first
    assert 'aria-label="alt"' in first


def test_the_readers_settings_and_pyplot_are_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    curves.curves(run(tmp_path, epochs=2).metrics)
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys, numpy as np; from smallvision.tasks.classification import figures;"
        "figures.confusion(np.eye(2, dtype=int), ['a', 'b']);"
        "print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
