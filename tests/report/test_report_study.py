"""The report of a study and the page of a comparison.

They are complete and safe, come out with the same bytes again, and their figures agree with those of other libraries.
"""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import fake_study
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from page_reading import Page, check_self_contained, denies, numbers, plain, says
from PIL import ImageColor
from rich.console import Console
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from smallvision.comparison.runs import RunComparison, Side
from smallvision.console import study as console_study
from smallvision.errors import BadInput
from smallvision.metrics.metric import ACCURACY
from smallvision.rendering import embed, format, html, style
from smallvision.report.comparison import page, verdicts
from smallvision.report.run import page as run_page
from smallvision.report.study import costs, figures, score_points
from smallvision.report.study import page as study
from smallvision.report.study.cases import Case, letter, lettered
from smallvision.report.study.costs import Point
from smallvision.report.study.figures import Difference
from smallvision.stats.mean_score import mean_score
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.read import StudyRecord, read_study
from smallvision.tasks import TASKS, Task

HOSTILE = ("<script>alert(1)</script>", "x" * 60, "a & b \"quoted\" 'too' </title> ±")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> fake_study.Made:
    return fake_study.make(tmp_path_factory.mktemp("study"), seeds=5, images=400, search=True, match=True)


@pytest.fixture(scope="module")
def seen(made: fake_study.Made) -> Page:
    return Page(study.page(*made))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without figures, where the test is of something else: drawing takes the most time."""
    for room, name in ((figures, "forest"), (figures, "curves"), (costs, "scatter"), (score_points, "points")):
        monkeypatch.setattr(room, name, lambda *_: None)
    monkeypatch.setattr(embed, "svg", lambda _, alt, prefix: f"<p>{prefix}</p>")


def changed(record: StudyRecord, **result: object) -> StudyRecord:
    """The record with other things in its study.json; None takes one out."""
    found = {**record.result, **result}
    return dataclasses.replace(record, result={key: value for key, value in found.items() if value is not None})


def cells(seen: Page, first: str, head: str) -> list[str]:
    """The row that begins with a case's name in the table whose head begins with `head`."""
    start = next(
        i for i, row in enumerate(seen.rows) if [cell.strip() for cell in row[: head.count(",") + 1]] == head.split(",")
    )
    rows = [[re.sub(r"^[A-Z]+ ", "", row[0].strip()), *row[1:]] for row in seen.rows[start + 1 :] if row]
    row = next(row for row in rows if row[0].startswith(first))
    return [" ".join(cell.replace(format.SPACE, " ").split()) for cell in row]


@pytest.mark.slow
def test_the_page_is_whole_and_self_contained(made: fake_study.Made, seen: Page) -> None:
    text = study.page(*made)
    check_self_contained(seen, text)
    assert study.page(*made) == text
    assert html.GENERATOR in text.encode()[:10_000]
    assert len(seen.find("svg")) == 4
    assert not seen.has(".banner")
    assert seen.sections == [
        "cases",
        "verdicts",
        "curves",
        "cost",
        "images",
        "search",
        "match",
        "asked",
        "repeat",
        "machine",
        "runs",
        "environment",
    ]
    assert [one["id"] for one in seen.all("section.folded")] == ["machine", "runs", "environment"]
    assert [one["href"][1:] for one in seen.find("a")] == ["top", *seen.sections]
    assert seen.one("p.question").text == "Which is better?"
    assert seen.one("p.answer").text == made.record.result["answer"]["sentence"]
    judged = made.record.result["verdicts"]
    says(seen.one(".facts [data-about=judged]").text, "test", "400")
    assert seen.one(".facts [data-about=met] dd").text == "cnn, mlp"
    assert numbers(seen.one(".facts [data-about=looks]").text) == ["10", "10"]
    says(seen.one("[data-about=choice]").text, "cnn", "mlp", "validation", "test")
    assert [one.text for one in seen.all("[data-about=choice] b")] == ["cnn", "mlp"]
    assert not seen.has("[data-about=later-looks]")
    assert not seen.has("[data-about=confound]")
    says(seen.one("[data-about=together]").text, "2", "Holm's", "97.5 %", "5 %")
    listed = seen.all("ol.verdicts li")
    assert [[one.text for one in entry.all(".pair b")] for entry in listed] == [
        one["names"][::-1] if one["verdict"] == "B is better" else one["names"] for one in judged
    ]
    for entry, one in zip(listed, judged, strict=True):
        says(entry.one(".pair").text, one["split"])
        if one is judged[-1]:  # said once, at the top
            assert entry.has("[data-about=above]")
            assert seen.text.count(plain(one["sentence"])) == 1
        else:
            assert entry.one("[data-about=sentence]").text == plain(one["sentence"])
    letters = {"cnn": "A", "mlp": "B", "mlp, wide": "C"}
    for entry in listed:
        said = [one.text for one in entry.all(".pair b")]
        assert [one.text for one in entry.all(".pair .letter")] == [letters[name] for name in said]
    for row, (name, its) in zip(seen.all("table.cases tbody tr"), letters.items(), strict=True):
        says(row.one("th").text, its, name)
        says(entry.one("[data-about=differing]").text, "recipe.epochs: 2 against 3")
        assert (" told" in f" {entry.one('.tag')['class']}") == (one["verdict"] != "not distinguishable")
    says(seen.one("[data-about=search]").text, "3", "latin hypercube", "recipe.learning_rate")
    assert [one.text for one in seen.all("#search tr.strong td")][:2] == ["2", "recipe.learning_rate = 0.01"]
    assert len(seen.all("#search tr.strong")) == 3
    says(seen.one("[data-about=match]").text, "29 066", "parameters")
    solved = [[cell.text for cell in row.all("td")] for row in seen.all("#match tbody tr")]
    assert solved == [["model.blocks.0.channels", "81", "29 029"]] * 3
    says(seen.one("[data-about=machine]").text, "2", "1", "measured: 300 images/s by 2 workers of 1 thread")
    assert [cell.text for cell in seen.one("#machine tbody").all("td")] == ["2", "1", "300", "3"]
    says(seen.one("#asked [data-about=stated]").text, '"recipe.epochs" = 4')
    denies(seen.one("#asked [data-about=stated]").text, "drop_last")
    says(seen.one("#asked details [data-about=every-key]").text, "drop_last")
    says(seen.one("#environment").text, "torch 2.9.0")
    assert seen.one("#repeat pre").text == "smallvision run fake"
    says(seen.one("[data-about=study]").text, made.record.study.hash(), "2023-11-14 22:13 UTC", "2023-11-14 22:14 UTC")


def test_the_table_holds_scipys_means_and_intervals(made: fake_study.Made, seen: Page) -> None:
    for place, (name, start) in enumerate((("cnn", "cnn"), ("mlp", "mlp baseline"), ("mlp, wide", "mlp, wide"))):
        row = cells(seen, start, "case")
        accuracies = 100 * made.answers["validation"].correct(name).mean(1)
        low, high = stats.t.interval(0.95, 4, np.mean(accuracies), stats.sem(accuracies))
        assert row[1] == f"{np.mean(accuracies):.2f} ± {np.std(accuracies, ddof=1):.2f}{low:.2f} to {high:.2f}"
        assert (row[2] == "–") == (place == 2)
        assert row[3:5] == [
            f"{place + 1}0 000" + ("50 000", "150 000", "450 000")[place],
            f"{5 + place} s{40 * (place + 1)} kB",
        ]
    says(seen.one("table.cases caption").text, "5")
    assert [len(row.all("th .tag")) for row in seen.all("#cases tbody tr")] == [1, 1, 0]  # the best, the baseline
    runs = [
        [cell.text for cell in row.all("td")]
        for row in seen.all("table.runs tbody tr")
        if row.one("th").text == "mlp, wide"
    ]
    assert [row[:2] for row in runs] == [[str(seed), f"run2-s{seed}"] for seed in range(5)]
    assert [row[5:7] for row in runs] == [["0", "3"]] * 5
    commands = seen.one("#runs pre").text.split("smallvision run ")[1:]
    assert [one.strip() for one in commands] == [f"mnist-cnn --seed {seed}" for seed in range(5)] * 3


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_wilsons_interval_and_says_so(tmp_path: Path) -> None:
    made = fake_study.make(tmp_path, seeds=1, images=150)
    seen = Page(study.page(*made))
    right = int(made.answers["validation"].correct("cnn").sum())
    low, high = proportion_confint(right, 150, method="wilson")
    assert cells(seen, "cnn", "case")[1] == f"{100 * right / 150:.2f}{100 * low:.2f} to {100 * high:.2f}*"
    says(seen.one("#cases [data-about=intervals]").text, "Wilson")
    denies(seen.one("#cases [data-about=intervals]").text, "Student's")
    assert len(seen.all("h3[data-about=disagreement]")) == 3  # none on what changes with the seed
    assert mean_score([0.5], ACCURACY).interval is None
    assert mean_score([0.9, 1.0, 1.0], ACCURACY).interval[1] == 1.0
    assert mean_score([0.9, 0.9], ACCURACY).interval == (0.9, 0.9)


def test_galleries_count_what_brute_force_counts(made: fake_study.Made, seen: Page) -> None:
    found = made.answers["test"]
    counts = {"cnn right, mlp wrong": 0, "mlp right, cnn wrong": 0, "changes with the seed": 0, "wrong in every run": 0}
    for column in range(len(found.labels)):
        a, b = (
            sum(int(said[column] == found.labels[column]) for said in found.predictions[name])
            for name in ("cnn", "mlp")
        )
        counts["cnn right, mlp wrong"] += a > 2.5 > b
        counts["mlp right, cnn wrong"] += b > 2.5 > a
        counts["changes with the seed"] += a not in (0, 5) or b not in (0, 5)
        counts["wrong in every run"] += a == b == 0
    titles = [one.text for one in seen.all("#images h3[data-about=disagreement]")]
    assert [numbers(one) for one in titles] == [[str(count), "400"] for count in counts.values()]
    assert titles[0].index("cnn") < titles[0].index("mlp")
    assert titles[1].index("mlp") < titles[1].index("cnn")
    tiles = [one.attributes for one in seen.all("#images img") if one["alt"].startswith("test image")]
    assert len(tiles) == sum(min(count, 20) for count in counts.values())
    shown = verdicts.gallery(found, ("cnn", "mlp"), made.pictures)
    assert shown is not None
    for tile, image in zip(tiles, [image for kind in shown.kinds for image in kind.images], strict=True):
        label, *sides = tile["alt"].split(";")
        says(label, "test", image.label)
        for name, side, one in zip(("cnn", "mlp"), sides, image.said, strict=True):
            says(side, name, str(one.correct), "5", *([one.wrong] if one.wrong else []))
            denies(side, *(set(fake_study.CLASSES) - {one.wrong}))
    first = next(key for key, pixels in made.pictures.items() if pixels is shown.kinds[0].images[0].pixels)
    column = [tuple(one) for one in found.ids.tolist()].index(first)
    wrong = [
        fake_study.CLASSES[value] for value in found.predictions["mlp"][:, column] if value != found.labels[column]
    ]
    assert wrong.count(shown.kinds[0].images[0].said[1].wrong) == max(map(wrong.count, wrong))


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_said(made: fake_study.Made, tmp_path: Path) -> None:
    bare = Page(study.page(made.record, made.answers, {}))
    kept = Page(study.page(*made))
    assert not bare.find("img")
    assert len(bare.all("#images [data-about=no-picture]")) == len(kept.all("#images img"))
    several = len(kept.all("#images img")) - len(kept.all("#images details[data-about=other] img"))
    assert numbers(bare.all("[data-about=not-kept]")[0].text)[0] == str(several)
    assert not kept.has("[data-about=not-kept]")
    right = made.answers["test"].labels[None].repeat(5, 0)
    alike = dataclasses.replace(made.answers["test"], predictions={"cnn": right, "mlp": right})
    assert len(Page(study.page(made.record, {"test": alike}, {})).all("#images [data-about=no-image]")) == 4
    untested = changed(made.record, answer={**made.record.result["answer"], "split": "test"})
    assert "images" not in Page(study.page(untested, {}, {})).sections
    old = Page(study.page(changed(made.record, answer=None, verdicts=None), made.answers, made.pictures))
    assert old.has(".banner[data-about=not-compared]")
    assert "verdicts" not in old.sections
    two = Page(study.page(changed(made.record, table=made.record.table[:2]), made.answers, made.pictures))
    says(two.one("[data-about=missing]").text, "1", "mlp, wide")
    copy = tmp_path / "copy"
    shutil.copytree(made.record.folder, copy)
    shutil.rmtree(copy / "run0-s0")
    (copy / "run1-s1" / "metrics.jsonl").write_text("no json\n\n")
    gone = Page(study.page(read_study(copy / "studies" / made.record.path.name), made.answers, made.pictures))
    status = {row.one("td.path").text: row.all("td")[2].text for row in gone.all("table.runs tbody tr")}
    assert {path for path, text in status.items() if text != "finished"} == {"run0-s0", "run1-s1"}
    says(status["run1-s1"], "metrics.jsonl")
    assert numbers(gone.one("[data-about=unreadable]").text) == ["2"]
    assert cells(gone, "cnn", "case") == cells(kept, "cnn", "case")


@pytest.mark.usefixtures("undrawn")
def test_a_later_look_at_the_test_split_is_shown(made: fake_study.Made, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.record.folder, copy)
    for name, looks in (("run2-s3", 1), ("run0-s0", 3)):
        file = copy / name / "result.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "looks": looks}))
    seen = Page(study.page(read_study(copy / "studies" / made.record.path.name), made.answers, made.pictures))
    first, second = seen.one("[data-about=later-looks]").text.split(";")
    says(first, "cnn", "0", "3")
    says(second, "mlp, wide", "3", "1")
    assert numbers(seen.one(".facts [data-about=looks]").text) == ["13", "11"]


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_study_shows_what_there_is(tmp_path: Path) -> None:
    made = fake_study.make(tmp_path, finished=False)
    shutil.rmtree(tmp_path / "run2-s0")
    shutil.rmtree(tmp_path / "run2-s1")
    shutil.rmtree(tmp_path / "run1-s1")
    seen = Page(study.page(*made))
    says(seen.one("[data-about=unfinished]").text, "interrupted", "3", "6")
    says(seen.one("[data-about=missing]").text, "1", "mlp, wide")
    denies(seen.one("[data-about=missing]").text, "cnn")
    waiting = [one.text for one in seen.all("[data-about=waiting] li")]
    assert sorted(("mlp, wide" in one, *numbers(one)) for one in waiting) == [(False, "1"), (True, "0"), (True, "1")]
    assert cells(seen, "mlp", "case")[1] == "1"  # its seeds, which are not as many as those of the others
    assert "verdicts" not in seen.sections
    assert not seen.has("p.answer")
    for path in tmp_path.glob("run*"):
        shutil.rmtree(path)
    none = Page(study.page(*made))
    assert none.has("[data-about=no-run]")
    assert "cases" not in none.sections


def test_hostile_names_are_shown_as_they_are(tmp_path: Path) -> None:
    made = fake_study.make(
        tmp_path, HOSTILE, seeds=2, question="<b>Is</b> it?\x00", confound="<i>all</i> differs", command="run '<u>'"
    )
    text = study.page(*made)
    seen = Page(text)
    check_self_contained(seen, text)
    assert not {"script", "i>", "u"} & {tag for tag, _ in seen.elements}
    for name in HOSTILE:
        assert name in seen.text
    assert "<b>Is</b> it?\N{REPLACEMENT CHARACTER}" in seen.text
    assert len(seen.all("ol.verdicts [data-about=confounded]")) == 2 + 1
    assert seen.text.count("<i>all</i> differs") == 1
    says(seen.one("header [data-about=confound]").text, "<i>all</i> differs")
    key = seen.all("#images p.key")[0]
    assert [one.text for one in key.all("b")] == ["A", "B"]
    says(key.text, HOSTILE[0], HOSTILE[1])


def test_the_better_side_comes_first_in_words() -> None:
    one = {
        "names": ["a", "b"],
        "verdict": "B is better",
        "difference": -0.02,
        "interval": [-0.0312, -0.0104],
        "images": [1000, 1000],
    }
    (told,) = verdicts.listed([one])
    assert [told[key] for key in ("badge", "minus", "points", "between")] == [
        "b is better",
        "b minus a",
        "+2.00",
        "1.04 to 3.12",
    ]
    assert [told[key] for key in ("value", "low", "high")] == [0.02, 0.0104, 0.0312]
    assert told["unit"] == "points"
    (same,) = verdicts.listed([{**one, "verdict": "not distinguishable", "interval": [-0.05, 0.01]}])
    assert [same[key] for key in ("badge", "minus", "points", "between")] == [
        "not distinguishable",
        "a minus b",
        "−2.00",
        "−5.00 to 1.00",
    ]


@pytest.mark.slow
def test_thirty_cases_are_one_page(tmp_path: Path) -> None:
    made = fake_study.make(tmp_path, [f"width {i}" for i in range(30)], seeds=1, epochs=2)
    text = study.page(*made)
    check_self_contained(Page(text), text)
    assert len({tuple(sorted(style.case_look(number).items())) for number in range(30)}) == 30
    assert numbers(Page(text).one("[data-about=together]").text)[0] == "29"
    assert len(Page(text).all("ol.verdicts li")) == 30
    assert len(Page(text).all("#cases tbody tr")) == 30


def test_the_forest_is_drawn_where_the_numbers_are() -> None:
    lines = [
        Difference("a − b", 1.5, -0.5, 3.5, False, False),
        Difference("c − b", -2.0, -3.0, -1.0, True, False),
        Difference("a − b", 2.0, 1.0, 3.0, True, True),
    ]
    figure = figures.forest(lines)
    axes = figure.axes[0]
    ends = [
        (*line.get_xdata(), *line.get_ydata())
        for line in axes.lines
        if line.get_marker() == "None" and len(line.get_xdata()) == 2
    ]
    spans = [one for one in ends if one[2] == one[3] and one[2] in (0, 1, 2)]
    assert spans == [(-0.5, 3.5, 0, 0), (-3.0, -1.0, 1, 1), (1.0, 3.0, 2, 2)]
    points = [line for line in axes.lines if line.get_marker() in "oD"]
    assert [float(line.get_xdata()[0]) for line in points] == [1.5, -2.0, 2.0]
    assert [to_hex(line.get_markerfacecolor()) == "#ffffff" for line in points] == [True, False, False]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a − b", "c − b", "a − b"]


def test_curves_are_the_mean_and_the_range_over_runs() -> None:
    rng = np.random.default_rng(0)
    loss = rng.random((3, 4))
    runs = [
        [
            {"epoch": e + 1, "train": {"loss": float(row[e])}, "validation": {"loss": float(row[e])} if e else None}
            for e in range(4 - i)
        ]
        for i, row in enumerate(loss)
    ]
    epochs, mean, low, high = figures.over_runs(runs, "validation", "loss")
    assert epochs.tolist() == [2, 3, 4]
    np.testing.assert_allclose(mean, [loss[:, 1].mean(), loss[:2, 2].mean(), loss[0, 3]])
    np.testing.assert_allclose(low, [loss[:, 1].min(), loss[:2, 2].min(), loss[0, 3]])
    np.testing.assert_allclose(high, [loss[:, 1].max(), loss[:2, 2].max(), loss[0, 3]])
    assert [len(one) for one in figures.over_runs([], "train", "loss")] == [0, 0, 0, 0]
    grays = [sum(w * c for w, c in zip((0.299, 0.587, 0.114), ImageColor.getrgb(c), strict=True)) for c in style.COLORS]
    alike = [(i, j) for i in range(8) for j in range(i) if abs(grays[i] - grays[j]) < 25]
    for i, j in alike:  # in gray line and marker must tell what colour does not
        assert style.case_look(i)["marker"] != style.case_look(j)["marker"]


def test_a_verifiers_own_loss_and_that_of_its_probabilities_have_a_scale_each() -> None:
    """They are two losses: the one may begin at forty while the other is never above log 2.

    Other tasks have one loss.
    """
    runs = [
        [
            {
                "epoch": e,
                "train": {"loss": 40.0 / e},
                "validation": {"loss": 0.7 / e, "pair_accuracy": 0.5, "accuracy": 0.5},
            }
            for e in range(1, 5)
        ]
    ]
    apart = [
        axes.get_ylim()
        for axes in figures.curves(
            [("one", runs)], metric=TASKS["verify"].metric, same_loss=TASKS["verify"].same_loss
        ).axes
    ]
    assert apart[0][1] >= 40
    assert 0.7 <= apart[1][1] < 2
    together = [axes.get_ylim() for axes in figures.curves([("one", runs)], metric=TASKS["classify"].metric).axes]
    assert together[0] == together[1]


@pytest.mark.parametrize("count", [1, 4, 12])
def test_no_label_is_clipped_or_on_another(count: int) -> None:
    rng = np.random.default_rng(count)
    points = [
        Point(
            f"a case of width {i}",
            90 + 5 * rng.random(),
            89.0,
            96.0,
            {
                "parameters": 1000 * (1 + i % 6),
                "multiply_adds": 10.0 ** rng.integers(3, 7),
                "seconds": 3 + i / 9,
                "bytes": 4000,
            },
        )
        for i in range(count)
    ]
    points = [point._replace(low=point.value - 0.2, high=point.value + 0.2) for point in points]
    figure = costs.scatter(points)
    figure.draw_without_rendering()
    named = [[text for text in axes.texts if text.get_text().startswith("a case")] for axes in figure.axes]
    assert all(len(texts) == count for texts in named)
    assert not figure.legends
    for axes, texts in zip(figure.axes, named, strict=True):
        inside, boxes = axes.get_window_extent(), [Text.get_window_extent(text) for text in texts]  # without the line
        for place, box in enumerate(boxes):
            assert inside.x0 - 3 <= box.x0
            assert box.x1 <= inside.x1 + 3
            assert inside.y0 - 3 <= box.y0
            assert box.y1 <= inside.y1 + 3
            assert not any(box.overlaps(other) for other in boxes[:place])
        for point, x in [
            (p, axes.transData.transform((p.costs[key], p.value)))
            for p, key in [(p, Task.costs[figure.axes.index(axes)]) for p in points]
        ]:
            assert inside.contains(*x), point
    assert (figure.axes[1].get_xscale() == "log") == (
        count > 1 and max(p.costs["multiply_adds"] for p in points) > 10 * min(p.costs["multiply_adds"] for p in points)
    )


def test_without_room_there_is_a_legend() -> None:
    wall = [Point(f"no room beside {i}", 50 + i / 9, 10, 90, {"parameters": 5.0 + i}) for i in range(12)]
    many = [Point(f"n{i}", 50 + i, 49, 90, {"parameters": 5.0 + i}) for i in range(30)]
    for points in (wall, many):
        figure = costs.scatter(points)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [point.name for point in points]
        assert not any(axes.texts for axes in figure.axes)


@pytest.mark.usefixtures("undrawn")
def test_a_report_replaces_a_report_only(made: fake_study.Made, tmp_path: Path) -> None:
    own = study.write(*made)
    assert own == made.record.path / "report.html"
    assert own.read_text(encoding="utf-8") == study.page(*made)
    assert study.write(*made, tmp_path / "other.html").read_bytes() == study.write(*made).read_bytes()
    (tmp_path / "thesis.html").write_text("my thesis")
    for out in (tmp_path / "thesis.html", tmp_path, tmp_path / "no" / "where.html"):
        with pytest.raises(BadInput, match="--out"):
            study.write(*made, out)
    assert run_page.GENERATOR == html.GENERATOR


def test_the_page_of_a_comparison(made: fake_study.Made, tmp_path: Path) -> None:
    found = made.answers["validation"]
    sides = tuple(Side(name, tuple(made.record.runs(name)), found.scores(name)) for name in ("mlp", "cnn", "mlp, wide"))
    judged = judge(
        [compare_runs(found.correct(side.name), found.correct("mlp"), (side.name, "mlp")) for side in sides[1:]]
    )
    keys = (("model.kind: cnn against mlp",), ())
    compared = RunComparison("validation", 400, sides, found, keys, ("cnn and mlp differ in <more>", ""), judged)
    out = page.write(compared, found, made.pictures, tmp_path / "page.html")
    text = out.read_text(encoding="utf-8")
    assert text == page.page(compared, found, made.pictures)
    seen = Page(text)
    check_self_contained(seen, text)
    assert [one.text for one in seen.all("ol.verdicts [data-about=sentence]")] == [
        plain(one.sentence) for one in judged
    ]
    says(seen.one("h1").text, "3")
    assert not seen.has("p.answer")
    first, second = seen.all("ol.verdicts li")
    says(seen.one("header [data-about=confound]").text, "cnn and mlp differ in <more>")
    assert first.has("[data-about=confounded]")
    says(first.one("[data-about=differing]").text, "model.kind: cnn against mlp")
    assert not second.has("[data-about=confounded]")
    denies(second.one("[data-about=differing]").text, "model.kind")
    says(seen.one("[data-about=together]").text, "2", "Holm's")
    low, high = stats.t.interval(0.95, 4, found.correct("cnn").mean(), stats.sem(found.correct("cnn").mean(1)))
    assert f"{100 * low:.2f} to {100 * high:.2f}" in cells(seen, "cnn", "case")[1]
    pair = dataclasses.replace(
        compared,
        sides=sides[:2],
        config_differences=keys[:1],
        confounders=("",),
        verdicts=judge([compare_runs(found.correct("cnn"), found.correct("mlp"), ("cnn", "mlp"))]),
    )
    alone = Page(page.page(pair, found, made.pictures))
    says(alone.one("h1").text, "cnn", "mlp")
    assert alone.one("p.answer").text == plain(pair.verdicts[0].sentence)
    assert not alone.has("[data-about=together]")
    assert alone.text.count(plain(pair.verdicts[0].sentence)) == 1
    assert not alone.has("ol.verdicts")
    assert len(alone.find("svg")) == 1  # the two scores: a single difference needs no figure
    assert [one.text for one in alone.all("table.cases .letter")] == ["A", "B"]


def test_scores_are_points_with_their_intervals_on_an_axis_that_holds_them() -> None:
    every = [mean_score(values, ACCURACY) for values in ([0.94, 0.95, 0.96], [0.985, 0.99, 0.992])]
    figure = score_points.points([("A", {"validation": every[0]}), ("B", {"validation": every[1]})], ACCURACY)
    (axes,) = figure.axes
    assert not axes.patches
    drawn = [line.get_xdata() for line in axes.lines if line.get_solid_capstyle() == "butt"]
    expected = [stats.t.interval(0.95, 2, np.mean(v), stats.sem(v)) for v in ([94, 95, 96], [98.5, 99, 99.2])]
    np.testing.assert_allclose(drawn, [(low, min(high, 100)) for low, high in expected])
    assert axes.get_xlim()[0] > 90
    assert [letter(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
    cases = lettered([Case(name, ()) for name in ("x", "y")])
    assert [case.label for case in cases] == ["A x", "B y"]
    assert lettered([Case("x", ())])[0].label == "x"
    assert score_points.drawn([Case("x", ())], ACCURACY) is None


def test_what_misleads_is_said_of_the_images_once_and_stands_beside_the_scores(tmp_path: Path, undrawn: None) -> None:
    made = fake_study.make(tmp_path, seeds=2)
    for file in tmp_path.glob("*/result.json"):
        result = json.loads(file.read_text())
        if result.get("test"):
            rest = {"count": 117, "accuracy": result["test"]["accuracy"] / 2}
            result["test"]["copies"] = {"images": 3, "other_label": 0, "rest": rest}
        result["validation"] |= {"balanced_accuracy": 0.25, "majority": 0.75}
        file.write_text(json.dumps(result))
    record = read_study(made.record.path)
    line = "3 of 120 test images are copies of training images"
    assert [text for text in record.warnings if "copies" in text] == [f"cnn, mlp: {line}"], "of the cases that met it"
    assert record.beside == [
        f"{case}, validation: balanced accuracy 25.00 %, largest class 75.00 %" for case in ("cnn", "mlp", "mlp, wide")
    ]
    found = Page(study.page(record, {}, {}))
    assert found.text.count(line) == 1
    assert found.one("table.cases").text.count("balanced accuracy 25.00") == 3
    console = Console(width=120)
    with console.capture() as captured:
        console.print(console_study.result_table(record))
    assert captured.get().count(line) == 1
    assert captured.get().count("balanced accuracy 25.00 %") == 3
