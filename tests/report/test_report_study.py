"""The report of a study and the page of a comparison: whole, safe, the same bytes again, and their figures other libraries' figures."""

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
from PIL import ImageColor
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from test_report_page import Page, check_self_contained

from smallvision.comparison.runs import Compared, Side
from smallvision.errors import BadInput
from smallvision.rendering import embed, format, html
from smallvision.report.comparison import page, verdicts
from smallvision.report.run import page as run_page
from smallvision.report.study import cases, costs, figures
from smallvision.report.study import page as study
from smallvision.report.study.costs import Point
from smallvision.report.study.figures import Difference
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.read import StudyRecord, read_study
from smallvision.tasks import TASKS

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
    for room, name in ((figures, "forest"), (figures, "curves"), (costs, "scatter")):
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
    row = next(row for row in seen.rows[start + 1 :] if row[0].strip().startswith(first))
    return [" ".join(cell.replace(format.SPACE, " ").split()) for cell in row]


def test_the_page_is_whole_and_self_contained(made: fake_study.Made, seen: Page) -> None:
    text = study.page(*made)
    check_self_contained(seen, text)
    assert study.page(*made) == text
    assert html.GENERATOR in text.encode()[:10_000]
    assert len(seen.find("svg")) == 3
    assert "not finished" not in seen.text
    verdict = made.record.result["verdicts"][-1]
    low, high = (f"{100 * end:.2f}".replace("-", "−") for end in verdict["interval"])
    expected = [
        "Which is better?",
        made.record.result["answer"]["sentence"],
        f"{100 * verdict['difference']:+.2f} points",
        f"{low} to {high}",
        "judged on test, 400 images",
        "met the test split cnn, mlp",
        "looks at the test split 10, of 10 runs",
        "the best is cnn . Only it and the baseline, mlp , met the test split, each of their runs once",
        "2 comparisons were declared",
        "Holm's method",
        "one comparison by itself",
        "They differ in recipe.epochs: 2 against 3.",
        "2 workers of 1 thread",
        "measured: 300 images/s",
        "latin hypercube",
        "recipe.learning_rate = 0.01",
        "as near as possible to 29 066 parameters",
        "29 029",
        "smallvision run fake",
        "run2-s4",
        "torch 2.9.0",
        "2023-11-14 22:13 UTC",
        '"recipe.epochs" = 4',
    ]
    for words_ in expected:
        assert words_ in seen.text, words_
    for one in made.record.result["verdicts"]:
        assert one["sentence"] in seen.text
    anchors = [one["href"][1:] for one in seen.find("a")]
    assert anchors == [
        "top",
        "cases",
        "verdicts",
        "curves",
        "cost",
        "images",
        "search",
        "match",
        "machine",
        "runs",
        "asked",
        "environment",
        "repeat",
    ]


def test_the_table_holds_scipys_means_and_intervals(made: fake_study.Made, seen: Page) -> None:
    for place, (name, start) in enumerate((("cnn", "cnn"), ("mlp", "mlp baseline"), ("mlp, wide", "mlp, wide"))):
        row = cells(seen, start, "case,seeds")
        accuracies = 100 * made.answers["validation"].right(name).mean(1)
        low, high = stats.t.interval(0.95, 4, np.mean(accuracies), stats.sem(accuracies))
        assert row[1:3] == ["5", f"{np.mean(accuracies):.2f} ± {np.std(accuracies, ddof=1):.2f}{low:.2f} to {high:.2f}"]
        assert (row[3] == "–") == (place == 2)
        assert row[4:8] == [
            f"{place + 1}0 000",
            ("50 000", "150 000", "450 000")[place],
            f"{40 * (place + 1)} kB",
            f"{5 + place} s",
        ]
    assert "best on validation" in cells(seen, "cnn", "case,seeds")[0]
    runs = [row for row in seen.rows if row and row[0] == "mlp, wide" and row[2].startswith("run")]
    assert [row[1] for row in runs] == list("01234")
    assert [row[6:8] for row in runs] == [["0", "3"]] * 5
    assert seen.text.count("smallvision run mnist-cnn --seed") == 15


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_wilsons_interval_and_says_so(tmp_path: Path) -> None:
    made = fake_study.make(tmp_path, seeds=1, images=150)
    seen = Page(study.page(*made))
    right = int(made.answers["validation"].right("cnn").sum())
    low, high = proportion_confint(right, 150, method="wilson")
    assert cells(seen, "cnn", "case,seeds")[2] == f"{100 * right / 150:.2f}{100 * low:.2f} to {100 * high:.2f}*"
    assert "(Wilson) of that one network" in seen.text
    assert "Student's t" not in seen.text
    assert "changes with the seed:" not in seen.text
    assert cases.score([0.5]).interval is None
    assert cases.score([0.9, 1.0, 1.0]).interval[1] == 1.0
    assert cases.score([0.9, 0.9]).interval == (0.9, 0.9)


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
    for title, count in counts.items():
        assert f"{title}: {count} of 400 images" in seen.text
    tiles = [one for one in seen.find("img") if one["alt"].startswith("test image:")]
    assert len(tiles) == sum(min(count, 20) for count in counts.values())
    shown = verdicts.gallery(found, ("cnn", "mlp"), made.pictures)
    assert shown is not None
    said = re.compile(r"test image: (\w+); cnn (\d) of 5(?:, (\w+))?; mlp (\d) of 5(?:, (\w+))?")
    for tile, image in zip(tiles, [image for kind in shown.kinds for image in kind.images], strict=True):
        match = said.fullmatch(tile["alt"])
        assert match is not None, tile["alt"]
        assert match[1] == image.label
        assert [(int(match[2]), match[3] or ""), (int(match[4]), match[5] or "")] == [
            (one.right, one.wrong) for one in image.said
        ]
    first = next(key for key, pixels in made.pictures.items() if pixels is shown.kinds[0].images[0].pixels)
    column = [tuple(one) for one in found.ids.tolist()].index(first)
    wrong = [
        fake_study.CLASSES[value] for value in found.predictions["mlp"][:, column] if value != found.labels[column]
    ]
    assert wrong.count(shown.kinds[0].images[0].said[1].wrong) == max(map(wrong.count, wrong))


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_said(made: fake_study.Made, tmp_path: Path) -> None:
    bare = Page(study.page(made.record, made.answers, {}))
    assert "were not kept" in bare.text
    assert not bare.find("img")
    right = made.answers["test"].labels[None].repeat(5, 0)
    alike = dataclasses.replace(made.answers["test"], predictions={"cnn": right, "mlp": right})
    assert Page(study.page(made.record, {"test": alike}, {})).text.count("There is no such image.") == 4
    untested = changed(made.record, answer={**made.record.result["answer"], "split": "test"})
    assert "Where they disagree" not in Page(study.page(untested, {}, {})).text
    old = Page(study.page(changed(made.record, answer=None, verdicts=None), made.answers, made.pictures))
    assert "did not compare yet" in old.text
    assert "Verdicts" not in old.text
    two = Page(study.page(changed(made.record, table=made.record.table[:2]), made.answers, made.pictures))
    assert "1 case has no finished run: mlp, wide." in two.text
    copy = tmp_path / "copy"
    shutil.copytree(made.record.folder, copy)
    shutil.rmtree(copy / "run0-s0")
    (copy / "run1-s1" / "metrics.jsonl").write_text("no json\n\n")
    gone = Page(study.page(read_study(copy / "studies" / made.record.path.name), made.answers, made.pictures))
    assert "its directory is gone" in gone.text
    assert "metrics.jsonl" in gone.text
    assert "2 of the runs cannot be read any more" in gone.text
    assert cells(gone, "cnn", "case,seeds") == cells(Page(study.page(*made)), "cnn", "case,seeds")


@pytest.mark.usefixtures("undrawn")
def test_a_later_look_at_the_test_split_is_shown(made: fake_study.Made, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.record.folder, copy)
    for name, looks in (("run2-s3", 1), ("run0-s0", 3)):
        file = copy / name / "result.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "looks": looks}))
    seen = Page(study.page(read_study(copy / "studies" / made.record.path.name), made.answers, made.pictures))
    assert "more often than the study did: cnn, seed 0 (3 looks); mlp, wide, seed 3 (1 look)" in seen.text
    assert "looks at the test split 13, of 11 runs" in seen.text


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_study_shows_what_there_is(tmp_path: Path) -> None:
    made = fake_study.make(tmp_path, finished=False)
    shutil.rmtree(tmp_path / "run2-s0")
    shutil.rmtree(tmp_path / "run2-s1")
    shutil.rmtree(tmp_path / "run1-s1")
    seen = Page(study.page(*made))
    assert "This study is not finished: interrupted, 3 of 6 runs." in seen.text
    assert "1 case has no finished run: mlp, wide." in seen.text
    assert "mlp, seed 1: not begun" in seen.text
    assert cells(seen, "mlp", "case,seeds")[1] == "1"
    assert "Verdicts" not in seen.text
    for path in tmp_path.glob("run*"):
        shutil.rmtree(path)
    assert "No run is finished yet." in Page(study.page(*made)).text


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
    assert "Confounded. <i>all</i> differs." in seen.text
    assert f"A is {HOSTILE[0]}, B is {HOSTILE[1]}." in seen.text


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
    assert told["unit"] == "points"
    (same,) = verdicts.listed([{**one, "verdict": "not distinguishable", "interval": [-0.05, 0.01]}])
    assert [same[key] for key in ("badge", "minus", "points", "between")] == [
        "not distinguishable",
        "a minus b",
        "−2.00",
        "−5.00 to 1.00",
    ]


def test_thirty_cases_are_one_page(tmp_path: Path) -> None:
    made = fake_study.make(tmp_path, [f"width {i}" for i in range(30)], seeds=1, epochs=2)
    text = study.page(*made)
    check_self_contained(Page(text), text)
    assert len({tuple(sorted(figures.look(number).items())) for number in range(30)}) == 30
    assert "29 comparisons were declared" in Page(text).text


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
    grays = [
        sum(w * c for w, c in zip((0.299, 0.587, 0.114), ImageColor.getrgb(c), strict=True)) for c in figures.COLORS
    ]
    alike = [(i, j) for i in range(8) for j in range(i) if abs(grays[i] - grays[j]) < 25]
    for i, j in alike:  # in gray line and marker must tell what colour does not
        assert figures.look(i)["marker"] != figures.look(j)["marker"]


def test_a_verifiers_own_loss_and_that_of_its_probabilities_have_a_scale_each() -> None:
    """They are two losses: the one may begin at forty while the other never is above log 2. Of other tasks it is one loss."""
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
    apart = [axes.get_ylim() for axes in figures.curves([("one", runs)], measure=TASKS["verify"].metric).axes]
    assert apart[0][1] >= 40
    assert 0.7 <= apart[1][1] < 2
    together = [axes.get_ylim() for axes in figures.curves([("one", runs)], measure=TASKS["classify"].metric).axes]
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
            for p, key in [(p, costs.COSTS[figure.axes.index(axes)][0]) for p in points]
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
    judged = judge([compare_runs(found.right(side.name), found.right("mlp"), (side.name, "mlp")) for side in sides[1:]])
    keys = (("model.kind: cnn against mlp",), ())
    compared = Compared("validation", 400, sides, found, keys, ("cnn and mlp differ in <more>", ""), judged)
    out = page.write(compared, found, made.pictures, tmp_path / "page.html")
    text = out.read_text(encoding="utf-8")
    assert text == page.page(compared, found, made.pictures)
    seen = Page(text)
    check_self_contained(seen, text)
    for one in judged:
        assert one.sentence in seen.text
    for words_ in (
        "3 experiments compared",
        "Confounded. cnn and mlp differ in <more>.",
        "They differ in model.kind: cnn against mlp.",
        "2 comparisons were asked for at once",
        "Their experiments do not differ in a key.",
    ):
        assert words_ in seen.text, words_
    low, high = stats.t.interval(0.95, 4, found.right("cnn").mean(), stats.sem(found.right("cnn").mean(1)))
    assert f"{100 * low:.2f} to {100 * high:.2f}" in cells(seen, "cnn", "case,seeds")[2]
    pair = dataclasses.replace(
        compared,
        sides=sides[:2],
        differing=keys[:1],
        confounds=("",),
        verdicts=judge([compare_runs(found.right("cnn"), found.right("mlp"), ("cnn", "mlp"))]),
    )
    alone = Page(page.page(pair, found, made.pictures))
    assert "cnn against mlp" in alone.text
    assert "Holm" not in alone.text
