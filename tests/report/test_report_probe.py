"""What a run's report says about its probes.

The figures are scikit-learn's, the pictures are those of the evidence, the sentences claim no more than was found, and
the page needs nothing outside itself.
"""

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
from page_reading import Page, check_self_contained, denies, numbers, plain, says, wording
from PIL import Image
from sklearn.metrics import precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from smallvision.errors import BadInput
from smallvision.rendering import embed, format
from smallvision.report.probe import figures, results, section
from smallvision.report.probe import wording as probe_words
from smallvision.report.run.page import page, page_of_many
from smallvision.runs import probes
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import RunRecord, read_run

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

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
    """The same record with other values in its result, given by path.

    For example {"sources.0.probes.1.accuracy": 0.5}, with each "." written as "__".
    """
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
    section = seen.one("section#probe")
    assert section.has("[data-about=comparisons]")
    assert len(section.all("[data-about=map]")) == 2
    assert section.has(".retrieval")
    says(section.one("[data-about=dimensions]").text, "6", "1", "4.2")
    says(section.one("[data-about=protocol]").text, "150", "300", "test", "validation", "k", "C")
    says(section.all("ul li")[-1].text, "kept as it is")
    assert section.one("pre.command").text == "smallvision probe digits-autoencoder --seed 0"
    says(section.one("p.verdict").text, "150", "test", "6", "95 %")
    says(section.one("p.beside").text, "PCA")


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
    said = probe_words.headline(better_shown)
    assert said["share"] == format.percent(own[2]["accuracy"])
    says(said["of"], "150", "test", "6", "linear", f"C = {own[2]['value']:g}")
    assert said["range"] == format.interval(own[2]["interval"])
    says(probe_words.highest(better_shown), "cosine", f"k = {own[0]['value']:g}", "100.00 %")
    highest = changed(
        record, sources__0__probes__2__accuracy=1.0, sources__0__probes__2__tried=[[own[2]["value"], 0.999]]
    )
    assert probe_words.highest(highest) == ""
    same_probe = [
        format.percent(one.accuracy) for one in found if one.kind == "linear" and one.source != "representation"
    ]
    beside = probe_words.beside(better_shown)
    says(beside, *same_probe)
    assert numbers(beside)[0] == numbers(same_probe[0])[0]


BASELINES = {"pixels": "raw pixels", "pca": "PCA with 6 components", "untrained": "the untrained encoder"}


def compared(record: ProbeRecord, *signs: int) -> ProbeRecord:
    """The record with other results of the comparison with each baseline, by the headline's probe.

    The representation is better (1), worse (-1) or not distinguishable (0).
    """
    kind = results.best(results.results(record)).kind
    tests = [
        {
            "probe": kind,
            "against": name,
            "difference": sign / 10,
            "interval": [sign / 10, sign / 10],
            "p": 0.5,
            "adjusted_p": 0.5,
            "sentence": "",
            "verdict": {1: "A is better", -1: "B is better", 0: "not distinguishable"}[sign],
        }
        for name, sign in zip(BASELINES, signs, strict=True)
    ]
    return changed(record, comparisons=tests)


def test_verdicts_in_words(record: ProbeRecord) -> None:
    """Baselines stand together that came out alike, and each outcome has words of its own."""
    better, worse, same = (probe_words.judged(compared(record, sign, sign, sign)) for sign in (1, -1, 0))
    for text in (better, worse, same):
        says(text, *BASELINES.values())
    assert len({wording(text) for text in (better, worse, same)}) == 3
    head = better[: next(i for i, (a, b) in enumerate(zip(better, worse, strict=False)) if a != b)]
    side = {
        sign: text[len(head) :].partition(BASELINES["pixels"])[0]
        for sign, text in ((1, better), (-1, worse), (0, same))
    }
    for signs in ((-1, 0, 1), (1, 1, 0), (1, -1, -1), (0, -1, 0)):
        text = probe_words.judged(compared(record, *signs))
        places = sorted((text.index(side[sign]), sign) for sign in set(signs))
        ends = [place for place, _ in places[1:]] + [len(text)]
        for (start, sign), end in zip(places, ends, strict=True):
            said = [name for name, one in zip(BASELINES, signs, strict=True) if one == sign]
            says(text[start:end], *(BASELINES[name] for name in said))
            denies(text[start:end], *(BASELINES[name] for name in BASELINES if name not in said))
    assert probe_words.judged(changed(record, comparisons=[])) == ""


def test_the_strongest_finding_of_all_probes_is_told(record: ProbeRecord) -> None:
    """Where one probe finds a difference and the headline's own finds none, the difference is what is said."""
    kinds = [one["kind"] for one in record.result["sources"][0]["probes"]]
    mild = results.best(results.results(record)).kind
    keen, keener = (kind for kind in kinds if kind != mild)

    def row(kind: str, verdict: str, difference: float, p: float, against: str = "pixels") -> dict[str, Any]:
        ends = [difference - 0.03, difference + 0.02999]
        known = {"probe": kind, "against": against, "difference": difference, "interval": ends, "sentence": ""}
        return {**known, "p": p, "adjusted_p": p, "verdict": verdict}

    rows = [
        row(mild, "not distinguishable", -0.02, 0.3),
        row(keen, "B is better", -0.031, 0.04),
        row(keener, "B is better", -0.0512, 0.01),
        row(mild, "not distinguishable", 0.01, 0.6, "pca"),
        row(keen, "not distinguishable", 0.01, 0.7, "pca"),
    ]
    told = changed(record, comparisons=rows)
    found = probe_words.strongest(told)
    assert [(name, one["probe"]) for name, one in found.items()] == [("pixels", keener), ("pca", mild)]
    text = probe_words.judged(told)
    says(text, "worse than raw pixels", "5.12", "2.12 to 8.12", results.PROBES[keener][1], "PCA with 6 components")
    denies(text, "3.10")
    assert probe_words.follows(told) == probe_words.follows(changed(record, comparisons=rows[2:4]))
    near = probe_words.judged(changed(record, comparisons=[row(keen, "B is better", -0.030001, 0.049)]))
    denies(near, "0.00")  # an interval that leaves out zero has no end of zero


def test_what_follows_is_said_of_outcomes_that_are_no_success(record: ProbeRecord) -> None:
    parts = {
        (place, sign): probe_words.follows(compared(record, *(sign if i == place else 1 for i in range(3))))
        for place in range(3)
        for sign in (1, 0, -1)
    }
    silent = {key for key, text in parts.items() if not text}
    assert silent == {(0, 1), (1, 1), (2, 1), (0, 0)}
    assert len(set(parts.values())) == 6
    every = probe_words.follows(compared(record, -1, 0, -1))
    assert every.split() == " ".join((parts[0, -1], parts[1, 0], parts[2, -1])).split()


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
    ends = [100 * end for one in found for end in one.interval]
    for share in (chance, 0.01 * min(ends) - 0.02):  # a line where it is near, and no empty axis where it is not
        (axes,) = figures.dots(found, share).axes
        near = 100 * share >= 2 * min(ends) - max(ends)
        low, high = axes.get_xlim()
        assert low < min(ends)
        assert high > max(ends)
        assert (low < 100 * share) == near == any("frequent" in str(line.get_label()) for line in axes.lines)
    assert near
    sure = [dataclasses.replace(one, accuracy=0.95, interval=(0.94, 0.96)) for one in found]
    (axes,) = figures.dots(sure, 0.1).axes
    assert axes.get_xlim()[0] > 90


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
    counts = [numbers(one.text)[0] for one in section.all(".near p .under")]
    assert counts == [str(n) for n in (~wrong).sum(2).reshape(-1)]


@pytest.mark.usefixtures("undrawn")
def test_a_probe_with_hostile_names_in_two_dimensions(tmp_path: Path) -> None:
    changes = {"classes": HOSTILE, "color": True, "size": 2, "counts": {"train": 60, "chosen_on": 40, "shown": 40}}
    run = run_with(tmp_path, changes, classes=HOSTILE)
    text = page(run)
    seen = Page(text)
    check_self_contained(seen, text)
    assert "<script" not in text
    says(seen.one("#probe p.verdict").text, "2", "40")
    says(seen.one("#probe [data-about=dimensions]").text, "2")
    assert len(seen.all("#probe [data-about=map]")) == 2
    assert {one["alt"].rpartition(": ")[2] for one in seen.all("#probe .asked img")} == set(HOSTILE)


@pytest.mark.usefixtures("undrawn")
def test_a_probe_of_one_value_without_pixels(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"size": 1, "kinds": ("knn",), "maps": ("pca",), "without": ("pixels",)})
    seen = Page(page(run))
    check_self_contained(seen, page(run))
    section = seen.one("#probe")
    says(section.one("p.verdict").text, "1")
    (record,) = probes.standing(run.path)
    says(probe_words.protocol(record), "k")
    denies(probe_words.protocol(record), "C")
    assert plain(probe_words.protocol(record)) in section.one("[data-about=protocol]").text
    assert [row.one("th").text for row in section.all("table.probes tbody tr")] == [
        "representation, 1 values",
        "PCA, 1 components",
        "untrained encoder",
    ]
    says(section.one("p.beside").text, "1 component")
    denies(section.text, "raw pixels", "t-SNE")
    assert probe_words.in_two(record).strip() in section.one("[data-about=map]").text
    assert not numbers(probe_words.in_two(record))


@pytest.mark.usefixtures("undrawn")
def test_a_probe_without_baselines_maps_or_test_split(tmp_path: Path) -> None:
    run = run_with(
        tmp_path,
        {
            "maps": (),
            "without": ("pixels", "pca", "untrained"),
            "split": "validation",
            "chosen_on": "training images held out",
        },
    )
    seen = Page(page(run))
    check_self_contained(seen, page(run))
    section = seen.one("#probe")
    says(section.one("p.verdict").text, "validation", "150")
    protocol = section.one("[data-about=protocol]").text
    says(protocol, "training images held out")
    denies(protocol, "test")
    for absent in ("[data-about=map]", "[data-about=comparisons]", "ol.verdicts"):
        assert not section.has(absent)
    assert len(numbers(section.one("p.beside").text)) == 1  # what the most frequent class would be right for


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
    titles = [seen.one(f"#r1-probe{number} h3").text for number in (1, 2)]
    assert sorted(numbers(title) for title in titles) == [["60", "30", "1"], ["60", "30", "2"]]
    old = [
        one["id"] for one in seen.all("section[id]") if one.has("[data-about=other-weights]") and "probe" in one["id"]
    ]
    assert len(old) == 1
    assert seen.one(f"#{old[0]} h3").text == next(title for title in titles if numbers(title)[-1] == "2")
    assert [one["anchor"] for one in section.parts(probes.standing(first.path), "")] == ["probe1", "probe2"]
    assert "#probe2" in [one["href"] for one in Page(page(first)).find("a")]


def test_a_damaged_probe_is_named(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"kinds": ("linear",), "maps": ()})
    (folder,) = (run.path / "probes").iterdir()
    table = json.loads((folder / "probe.json").read_text())
    (folder / "probe.json").write_text(json.dumps({**table, "classes": 3}))
    with pytest.raises(BadInput, match=r"probe\.json.*classes"):
        page(run)
