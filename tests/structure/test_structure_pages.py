"""The pages of docs/: links lead somewhere, the results are two screens, figures show what was measured."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from smallvision.experiment import load_study
from smallvision.stats.verdict import compare_runs, judge

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import interval_plot  # noqa: E402
import judged  # noqa: E402
import overview  # noqa: E402
import tables  # noqa: E402

MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SVG = "{http://www.w3.org/2000/svg}"


def anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_and_figure_of_the_results_can_be_reached():
    overview = (ROOT / "docs" / "results.md").read_text()
    for page in (ROOT / "docs" / "results").iterdir():
        assert f"(results/{page.name})" in overview, page.name
        assert "(../results.md)" in page.read_text(), page.name
    text = "".join(page.read_text() for page in MARKDOWN)
    for figure in (ROOT / "docs" / "figures").iterdir():
        assert figure in tables.PAGES, f"{figure.name} is not made by benchmarks/tables.py"
        assert f"figures/{figure.name})" in text, figure.name


def test_the_results_are_two_screens():
    assert (ROOT / "docs" / "results.md").read_text().count("\n") <= 130


def test_a_figure_shows_its_intervals_at_their_places():
    some = [interval_plot.Interval("a", "b & c", 2, -1, 4, False), interval_plot.Interval("d", "e", 3, 2.5, 3.5, True)]
    root = ElementTree.fromstring(interval_plot.svg([interval_plot.Panel("points <here>", some)]))
    ticks = {}
    texts = [(one.text, float(one.get("x"))) for one in root.iter(f"{SVG}text")]
    for text, x in texts:
        if re.fullmatch(r"−?\d+", text):
            ticks[float(text.replace("−", "-"))] = x
    zero, pixels = ticks[0], (ticks[4] - ticks[0]) / 4
    lines = [one for one in root.iter(f"{SVG}line") if one.get("class") in ("told", "open")]
    circles = list(root.iter(f"{SVG}circle"))
    for one, line, circle in zip(some, lines, circles, strict=True):
        ends = [(float(line.get(key)) - zero) / pixels for key in ("x1", "x2")]
        assert [*ends, (float(circle.get("cx")) - zero) / pixels] == pytest.approx(
            [one.low, one.high, one.value], abs=0.01
        )
        assert line.get("class") == circle.get("class") == ("told" if one.told else "open")
    labels = [text for text, _ in texts]
    assert labels[0] == "points <here>"
    assert {"a over b & c", "d over e", "2.0 (−1.0 to 4.0)", "3.0 (2.5 to 3.5)"} <= set(labels)
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


def test_a_stored_verdict_says_what_it_said_when_it_was_made():
    right = np.arange(2000) >= 100
    for runs in (1, 3, 5):
        a, b = (
            np.tile(right, (runs, 1)),
            np.stack([np.roll(right, 7 + place) & (np.arange(2000) % 9 > 0) for place in range(runs)]),
        )
        for sides in ((a, b), (b, a)):
            (made,) = judge([compare_runs(*sides, ("x", "y"))])
            stored = {**json.loads(json.dumps(asdict(made))), "split": "test"}
            assert judged.verdict(stored) == made
            assert judged.sentence("digits-smoke", stored) == made.sentence
            row = judged.interval("digits-smoke", stored)
            better = "x" if sides[0] is a else "y"
            assert (row.first, row.told) == (better, True)
            assert 0 < row.low < row.value < row.high
            assert row.value == pytest.approx(100 * (a.mean() - b.mean()))


def test_the_cases_of_a_claim_differ_in_one_thing():
    for claim, _, name, pair in overview.CLAIMS:
        own = {case.name: dict(case.set) for case in load_study(name).case}
        a, b = (own[case] for case in pair)
        assert len({key for key in {**a, **b} if a.get(key) != b.get(key)}) == 1, claim
