"""What a run's report says of its probes: scikit-learn's figures, the evidence's pictures, honest sentences, nothing outside the page."""

import base64
import copy
import dataclasses
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_probe
import fake_run
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint
from test_report_page import Page, check_self_contained

from smallvision.errors import BadInput
from smallvision.rendering import embed, format
from smallvision.report.probe import figures, results, section, wording
from smallvision.report.run.page import page, page_of_many
from smallvision.runs import probes
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import RunRecord, read_run

SMALL: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 20, "count": 60, "shape": (1, 8, 8)}
HOSTILE = ("<script>alert(1)</script>", 'b" onload="x')


def run_with(folder: Path, *changes: dict[str, Any], **run: Any) -> RunRecord:
    path = fake_run.make(folder / "run", **{**SMALL, **run})
    for one in changes:
        fake_probe.make(path, **one)
    return read_run(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return run_with(tmp_path_factory.mktemp("probe"), {})


@pytest.fixture(scope="module")
def record(run: RunRecord) -> ProbeRecord:
    (found,) = probes.standing(run.path)
    return found


@pytest.fixture(scope="module")
def text(run: RunRecord) -> str:
    return page(run)


@pytest.fixture(scope="module")
def seen(text: str) -> Page:
    return Page(text)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures as what is said of them: drawing takes the most time."""
    monkeypatch.setattr(embed, "svg", lambda _, alt, prefix: f'<p id="{prefix}-figure">{html.escape(alt)}</p>')


def changed(record: ProbeRecord, **values: Any) -> ProbeRecord:
    """The same record with other values in its result, by path: {"sources.0.probes.1.accuracy": 0.5} with "." as "__"."""
    result = copy.deepcopy(record.result)
    for key, value in values.items():
        *way, last = key.split("__")
        at: Any = result
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        at[int(last) if isinstance(at, list) else last] = value
    return dataclasses.replace(record, result=result)


def test_the_page_is_whole_and_the_same_each_time(run: RunRecord, seen: Page, text: str) -> None:
    check_self_contained(seen, text)
    assert page(run) == text
    assert "#probe" in [one["href"] for one in seen.find("a")]
    assert len(text) < 1.5e6
    for expected in (
        "What its representation is good for",
        "Is it better?",
        "Maps",
        "t-SNE keeps neighbours",
        "kept as it is",
        "smallvision probe digits-autoencoder --seed 0",
        "150 validation images",
        "effective rank is 4.2",
        "1 says what another",
    ):
        assert expected in seen.text, expected


def rows_of(seen: Page, titles: Sequence[str], width: int) -> list[list[str]]:
    found = [row for row in seen.rows if len(row) == width and row[0] in titles]
    return [[" ".join(cell.replace(format.SPACE, " ").split()) for cell in row] for row in found]


def test_the_table_holds_scikit_learns_figures_and_marks_the_best(record: ProbeRecord, seen: Page) -> None:
    sources, labels = record.result["sources"], record.evidence["labels"]
    rows = rows_of(seen, [one["title"] for one in sources], 7)
    assert [row[0] for row in rows] == ["representation, 6 values", "pixels", "PCA, 6 components", "untrained encoder"]
    predictions = record.evidence["predictions"]  # (S, P, N)
    right = (predictions == labels).sum(2)
    for s, row in enumerate(rows):
        assert int(row[1]) == sources[s]["size"]
        for p, cell in enumerate(row[2:5]):
            low, high = proportion_confint(right[s, p], len(labels), method="wilson")
            f1 = precision_recall_fscore_support(labels, predictions[s, p], average="macro", zero_division=0)[2]
            best = "★" if right[s, p] == right[:, p].max() else ""
            chosen = sources[s]["probes"][p]
            expected = rf"{best}{100 * right[s, p] / len(labels):.2f}{100 * low:.2f} to {100 * high:.2f}★?F1 {f1:.3f}"
            assert re.fullmatch(expected + rf"{chosen['setting']} = {chosen['value']:g}", cell), cell
        for at, cell in zip(("1", "8"), row[5:], strict=True):
            share, most = sources[s]["precision"][at], max(one["precision"][at] for one in sources)
            assert cell == ("★" if share == most else "") + f"{100 * share:.1f} %"


def test_the_classes_are_scikit_learns(record: ProbeRecord, seen: Page) -> None:
    own = results.best(results.results(record))
    place = [one["kind"] for one in record.result["sources"][0]["probes"]].index(own.kind)
    labels, said = record.evidence["labels"], record.evidence["predictions"]
    columns = precision_recall_fscore_support(labels, said[0, place], zero_division=0)
    section = seen.rows[next(i for i, row in enumerate(seen.rows) if row[:1] == ["features"]) :]
    rows = [row for row in section if len(row) == 5 and row[0] in record.result["classes"]][:10]
    for i, row in enumerate(rows):
        assert [float(cell.rstrip(f"{format.SPACE}%")) for cell in row[1:4]] == [
            round(100 * column[i], 1) for column in columns[:3]
        ]
        assert int(row[4]) == columns[3][i]
    recalls = [row for row in section if len(row) == 6 and row[0] in record.result["classes"]]
    for s in range(4):
        recall = precision_recall_fscore_support(labels, said[s, place], zero_division=0)[1]
        assert [float(row[1 + s].rstrip(f"{format.SPACE}%")) for row in recalls] == [
            round(100 * one, 1) for one in recall
        ]


def test_the_headline_is_of_the_probe_that_was_best_where_it_was_chosen(record: ProbeRecord) -> None:
    own = record.result["sources"][0]["probes"]
    better_shown = changed(
        record, sources__0__probes__0__accuracy=1.0, sources__0__probes__2__tried=[[own[2]["value"], 0.999]]
    )
    found = results.results(better_shown)
    assert results.best(found).kind == "linear"
    said = wording.headline(better_shown)
    assert said["share"] == format.percent(own[2]["accuracy"])
    assert "6 values of the representation alone, by a linear probe (C = " in said["of"]
    assert said["range"] == format.interval(own[2]["interval"])
    assert "below: the representation with k nearest neighbours by cosine (k = " in wording.highest(better_shown)
    assert wording.beside(better_shown).startswith(
        f"The same probe is right for {format.percent(found[5].accuracy)} from raw pixels"
    )


@pytest.mark.parametrize(
    ("differences", "sentence", "follows"),
    [
        ((0.1, 0.1, 0.1), "better than raw pixels, PCA with 6 components and the untrained encoder.", ""),
        (
            (-0.1, -0.1, -0.1),
            "worse than raw pixels, PCA with 6 components and the untrained encoder.",
            "the images as they are serve better. PCA is linear and needs no network: this one has kept less",
        ),
        (
            (-0.1, 0.0, 0.1),
            "better than the untrained encoder, worse than raw pixels and not distinguishable from PCA with 6 components.",
            "is not shown",
        ),
        (
            (0.1, 0.1, 0.0),
            "better than raw pixels and PCA with 6 components and not distinguishable from the untrained encoder.",
            "That training helped with the classes is not shown",
        ),
    ],
)
def test_verdicts_in_words(record: ProbeRecord, differences: Sequence[float], sentence: str, follows: str) -> None:
    kind = results.best(results.results(record)).kind
    tests = [
        {
            "probe": kind,
            "against": name,
            "difference": gap,
            "interval": [gap, gap],
            "p": 0.5,
            "adjusted_p": 0.5,
            "sentence": "",
            "verdict": {1: "A is better", -1: "B is better", 0: "not distinguishable"}[int(np.sign(gap))],
        }
        for name, gap in zip(("pixels", "pca", "untrained"), differences, strict=True)
    ]
    told = changed(record, comparisons=tests)
    assert wording.judged(told) == f"Image by image, the representation is {sentence}"
    assert follows in wording.follows(told)
    assert bool(follows) == bool(wording.follows(told))
    assert wording.judged(changed(record, comparisons=[])) == ""


def test_the_dots_are_the_accuracies_with_their_intervals(record: ProbeRecord) -> None:
    found = results.results(record)
    chance = results.same_class(record)
    assert chance == np.unique(record.evidence["labels"], return_counts=True)[1].max() / 150
    drawn = [one for kind in results.kinds(found) for one in found if one.kind == kind]  # probe by probe
    (axes,) = figures.dots(found, chance).axes
    marks = [line for line in axes.lines if line.get_marker() in "Dos^" and len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([100 * one.accuracy for one in drawn])
    spans = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "|"]
    assert [list(line.get_xdata()) for line in spans] == [[100 * end for end in one.interval] for one in drawn]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [labels[round(line.get_ydata()[0])] for line in marks] == [one.title for one in drawn]
    low, high = axes.get_xlim()
    assert low < 100 * min(chance, *(one.interval[0] for one in found))
    assert high > 100 * max(one.interval[1] for one in found)


def test_what_was_chosen_is_ringed_on_its_curve(record: ProbeRecord) -> None:
    found = results.results(record)
    for axes, kind in zip(figures.choosing(found).axes, results.kinds(found), strict=True):
        some = [one for one in found if one.kind == kind]
        curves, rings = axes.lines[::2], axes.lines[1::2]
        for one, curve, ring in zip(some, curves, rings, strict=True):
            np.testing.assert_allclose(curve.get_xydata(), [[value, 100 * accuracy] for value, accuracy in one.tried])
            assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx(
                (one.value, 100 * max(a for _, a in one.tried))
            )


def decoded(seen: Page, alt: str) -> list[np.ndarray]:
    found = [one for one in seen.find("img") if re.fullmatch(alt, one["alt"])]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one["src"].partition(",")[2])))) for one in found]


def test_neighbours_are_the_evidences_and_wrong_ones_are_framed(record: ProbeRecord, seen: Page, text: str) -> None:
    arrays = record.evidence
    np.testing.assert_array_equal(decoded(seen, r"test image \d+: \d"), arrays["query_pixels"][:, 0])
    both = np.stack(
        [arrays["neighbours_representation_pixels"], arrays["neighbours_pixels_pixels"]], 1
    )  # (Q, 2, 8, C, H, W)
    np.testing.assert_array_equal(decoded(seen, "training image: .*near.*"), both.reshape(-1, 8, 8))
    near = np.stack([arrays["neighbours_representation_labels"], arrays["neighbours_pixels_labels"]], 1)
    wrong = near != arrays["labels"][arrays["query_index"]][:, None, None]
    section = Page("".join(re.findall(r'<div class="near">.*?</div>', text, re.S)))
    assert [one["class"] == "tile wrong" for one in section.find("figure")] == wrong.reshape(-1).tolist()
    assert section.text.count("✗") == wrong.sum()
    assert [int(n) for n in re.findall(r"(\d) of 8 right", section.text)] == (~wrong).sum(2).reshape(-1).tolist()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("changes", "there", "not_there"),
    [
        (
            {"classes": HOSTILE, "color": True, "size": 2, "counts": {"train": 60, "chosen_on": 40, "shown": 40}},
            ("2 values", "equally many of every class", "Maps"),
            ("<script",),
        ),
        (
            {"size": 1, "kinds": ("knn",), "maps": ("pca",), "without": ("pixels",)},
            ("1 value of the representation", "one direction alone", "1 component", "k was chosen on"),
            ("raw pixels", "t-SNE"),
        ),
        (
            {
                "maps": (),
                "without": ("pixels", "pca", "untrained"),
                "split": "validation",
                "chosen_on": "training images held out",
            },
            ("validation images are classified", "training images held out", "held-out training"),
            ("Maps", "Is it better?", "one look at", "The same probe"),
        ),
    ],
)
def test_other_probes(tmp_path: Path, changes: dict[str, Any], there: Sequence[str], not_there: Sequence[str]) -> None:
    run = run_with(tmp_path, changes, classes=changes.get("classes", fake_run.NAMES))
    text = page(run)
    seen = Page(text)
    check_self_contained(seen, text)
    section = Page(re.findall(r'<section id="probe">.*?</section>', text, re.S)[0])
    for words_ in there:
        assert words_ in section.text, words_
    for words_ in not_there:
        assert words_ not in section.text.replace(HOSTILE[0], "")
        assert words_ not in text or words_ != "<script"


@pytest.mark.usefixtures("undrawn")
def test_several_probes_of_several_runs_stand_on_one_page(tmp_path: Path) -> None:
    small = {"kinds": ("linear",), "maps": (), "counts": {"train": 60, "chosen_on": 30, "shown": 30}}
    first = run_with(tmp_path / "a", {**small, "seed": 1}, {**small, "seed": 2, "weights": "f" * 64})
    second = run_with(tmp_path / "b", small)
    text = page_of_many([first, second])
    seen = Page(text)
    check_self_contained(seen, text)
    anchors = [one["id"] for one in seen.find("section") if "probe" in one["id"]]
    assert anchors == ["r1-probe1", "r1-probe2", "r2-probe"]
    assert seen.text.count("What its representation is good for: 60 training and 30 test images, linear, seed") == 2
    assert seen.text.count("of other weights than the run has now") == 1
    assert [one["anchor"] for one in section.parts(probes.standing(first.path), "")] == ["probe1", "probe2"]
    assert "#probe2" in [one["href"] for one in Page(page(first)).find("a")]


def test_a_damaged_probe_is_named(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"kinds": ("linear",), "maps": ()})
    (folder,) = (run.path / "probes").iterdir()
    table = json.loads((folder / "probe.json").read_text())
    (folder / "probe.json").write_text(json.dumps({**table, "classes": 3}))
    with pytest.raises(BadInput, match=r"probe\.json.*classes"):
        page(run)
