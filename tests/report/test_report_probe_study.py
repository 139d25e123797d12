"""The probes of a study's cases side by side.

The intervals over seeds are scipy's, those over images are statsmodels', and the page says no more than was tested.
"""

import re
from pathlib import Path
from typing import Any

import fake_probe
import numpy as np
import pytest
from page_reading import Page, check_self_contained, numbers, says
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from smallvision.rendering import format
from smallvision.rendering.html import _environment
from smallvision.report.probe import study, study_figures
from smallvision.runs import probes
from smallvision.runs.probes import ProbeRecord

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SIZES, SEEDS = (2, 6), {2: 2, 6: 1}
SHOW = """{% extends "rendering/templates/base.html" %}{% from "report/probe/study.html" import section %}
{% block main %}{% if found %}{{ section(found, "h2", "h3") }}{% endif %}{% endblock %}"""
Rows = list[tuple[str, list[ProbeRecord]]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder, out = tmp_path_factory.mktemp("cases"), []
    for size in SIZES:
        records = []
        for seed in range(SEEDS[size]):
            run = folder / f"{size}-{seed}"
            run.mkdir()
            records.append(probes.read(fake_probe.make(run, size=size, run_seed=seed)))
        out.append((f"size <{size}>", records))
    return [*out, ("never probed", [])]


@pytest.fixture(scope="module")
def text(rows: Rows) -> str:
    return shown(study.section(rows))


@pytest.fixture(scope="module")
def seen(text: str) -> Page:
    return Page(text)


def shown(found: dict[str, Any]) -> str:
    return (
        _environment()
        .from_string(SHOW)
        .render(title="study", sections=[("probes", "Probes")] if found else [], found=found)
    )


def accuracies(records: list[ProbeRecord], source: int, probe: int) -> np.ndarray:
    return np.array([(one.evidence["predictions"][source, probe] == one.evidence["labels"]).mean() for one in records])


def test_the_table_holds_means_over_seeds_with_scipys_intervals(rows: Rows, seen: Page) -> None:
    found = [row for row in seen.rows if len(row) == 7 and row[1] in ("kNN, cosine", "kNN, Euclidean", "linear")]
    lines = [[" ".join(cell.split()) for cell in row] for row in found]
    assert len(lines) == 6
    for number, line in enumerate(lines):
        name, records = rows[number // 3]
        size, probe = int(name[6]), number % 3
        assert line[0] == (f"size <{size}>{size} values" if probe == 0 else "")
        means = [accuracies(records, source, probe).mean() for source in range(4)]
        for source, cell in enumerate(line[2:6]):
            values = accuracies(records, source, probe)
            star = "★" if means[source] == max(means) else ""
            if len(values) > 1 and len(set(values)) > 1:
                low, high = np.clip(stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values)), 0, 1)
                mean, deviation = 100 * values.mean(), 100 * values.std(ddof=1)
                expected = f"{star}{mean:.2f} ± {deviation:.2f}{100 * low:.2f} to {100 * high:.2f}"
            else:
                low, high = proportion_confint(round(150 * values[0]), 150, method="wilson")
                expected = f"{star}{100 * values[0]:.2f}{100 * low:.2f} to {100 * high:.2f}*"
            assert cell == expected
        f1 = np.mean([one.result["sources"][0]["probes"][probe]["macro_f1"] for one in records])
        assert line[6] == f"{f1:.3f}"


def test_the_page_is_whole_and_shows_each_cases_first_run_and_pixels_once(rows: Rows, seen: Page, text: str) -> None:
    check_self_contained(seen, text)
    assert shown(study.section(rows)) == text
    assert "size &lt;2&gt;" in text
    assert "never probed" not in text
    assert len(seen.find("details")) == 3
    for (name, _), one in zip(rows, seen.all("details summary")[:2], strict=False):
        says(one.text, name, "0")
    near = [one["alt"] for one in seen.find("img") if one["alt"].startswith("training image")]
    assert len(near) == 3 * 10 * 8
    maps = [one["aria-label"] for one in seen.find("svg") if "as points by class" in one["aria-label"]]
    assert [one.partition(":")[0] for one in maps] == ["PCA and t-SNE of the representation"] * 2 + [
        "PCA and t-SNE of raw pixels"
    ]
    for one in rows[0][1][0].result["maps"]:
        if one["source"] == "pixels":
            assert f"{100 * one['neighbours']:.1f} %" in seen.text


def test_the_sentence_names_the_case_that_was_best_where_it_was_chosen(rows: Rows, seen: Page) -> None:
    def chosen_at(record: ProbeRecord, probe: int) -> float:
        one = record.result["sources"][0]["probes"][probe]
        return float(dict(map(tuple, one["tried"]))[one["value"]])

    means = {
        (name, probe): np.mean([chosen_at(one, probe) for one in records])
        for name, records in rows[:2]
        for probe in range(3)
    }
    name, probe = max(means, key=lambda pair: means[pair])
    said = study.section(rows)["sentence"].replace(format.SPACE, " ")
    values = accuracies(dict(rows)[name], 0, probe)
    spread = f" ± {100 * values.std(ddof=1):.2f}" if len(values) > 1 else ""
    share = f"{100 * values.mean():.2f}{spread} %"
    assert "± " in share or len(values) == 1
    says(
        said, name, share, *(f"{100 * accuracies(dict(rows)[name], source, probe).mean():.2f}" for source in (1, 2, 3))
    )
    for other, _ in rows[:2]:
        assert (other in said) == (other == name)
    counts = re.findall(r"(\w+) of 2 cases", said)
    above = [
        sum(accuracies(records, 0, probe).mean() > accuracies(records, source, probe).mean() for _, records in rows[:2])
        for source in (1, 2)
    ]
    assert counts == [str(count or "none") for count in above]
    assert seen.one("#probes p.beside").text == said


def test_the_marks_are_the_means_of_each_source(rows: Rows) -> None:
    cases = [
        study.Case(name, records, tuple(tuple(study.results(one)) for one in records)) for name, records in rows[:2]
    ]
    kinds, sources = ["knn-cosine", "linear"], ["representation", "pixels", "pca", "untrained"]
    scores = {
        kind: [{source: one for source in sources if (one := case.score(source, kind))} for case in cases]
        for kind in kinds
    }
    figure = study_figures.dots([case.name for case in cases], scores)
    for axes, probe in zip(figure.axes, (0, 2), strict=True):
        marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
        expected = [100 * accuracies(records, source, probe).mean() for _, records in rows[:2] for source in range(4)]
        assert [line.get_xdata()[0] for line in marks] == pytest.approx(expected)
        assert [round(line.get_ydata()[0]) for line in marks] == [0] * 4 + [1] * 4


def test_without_probes_there_is_no_section_and_without_baselines_a_smaller_one(tmp_path: Path) -> None:
    assert study.section([]) == {}
    assert study.section([("a", [])]) == {}
    run = tmp_path / "run"
    run.mkdir()
    small = {"train": 60, "chosen_on": 30, "shown": 30}
    fake_probe.make(run, kinds=("linear",), maps=(), without=("pixels", "pca", "untrained"), counts=small)
    page = shown(study.section([("alone", probes.standing(run))]))
    seen = Page(page)
    check_self_contained(seen, page)
    beside = seen.one("#probes p.beside").text
    says(beside, "alone", "linear")
    assert len(numbers(beside)) == 1  # its own accuracy, and nothing to hold it against
    assert len(seen.find("details")) == 1
