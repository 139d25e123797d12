"""The report of a study of autoencoders.

Its figures are scikit-learn's and scipy's, its pictures are those of the evidence, and its directions are right.
"""

import base64
import dataclasses
import io
import json
import re
from math import log10
from pathlib import Path
from typing import Any

import fake_autoencoders
import numpy as np
import pytest
from fake_study import Made
from matplotlib.colors import to_hex
from page_reading import Page, check_self_contained, denies, numbers, plain, says, wording
from PIL import Image
from scipy import stats
from test_report_study import cells

from smallvision.comparison.runs import RunComparison, Side
from smallvision.rendering import embed
from smallvision.report.comparison import page, verdicts
from smallvision.report.study import costs as study_costs
from smallvision.report.study import figures, score_points
from smallvision.report.study import page as study
from smallvision.report.study.cases import Case
from smallvision.report.study.costs import Point
from smallvision.report.study.figures import Difference
from smallvision.stats.mean_score import MeanScore, mean_score
from smallvision.stats.verdict import compare_values, judge
from smallvision.study.read import read_study
from smallvision.tasks import TASKS
from smallvision.tasks.reconstruction import study_figures, study_images, study_scores, study_trends
from smallvision.tasks.reconstruction.study_trends import Line

MSE = TASKS["reconstruct"].metric
SIZES = (2, 8, 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return fake_autoencoders.make(tmp_path_factory.mktemp("size"))


@pytest.fixture(scope="module")
def text(made: Made) -> str:
    return study.page(*made)


@pytest.fixture(scope="module")
def seen(text: str) -> Page:
    return Page(text)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Made:
    depths = {f"depth {depth}": {"depth": depth} for depth in (1, 3, 5, 10)}
    return fake_autoencoders.make(tmp_path_factory.mktemp("depth"), depths, seeds=1, denoise=True)


@pytest.fixture(scope="module")
def deep_seen(deep: Made) -> Page:
    return Page(study.page(*deep))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages with the text about a figure in its place, for tests of something else.

    Drawing takes the most time.
    """
    for room, name in ((figures, "forest"), (figures, "curves"), (study_costs, "scatter"), (score_points, "points")):
        monkeypatch.setattr(room, name, lambda *_: None)
    monkeypatch.setattr(embed, "svg", lambda _, alt, prefix: f"<p>{prefix}: {alt}</p>")


def every(made: Made) -> list[Case]:
    return study._cases(made.record)


def test_the_page_is_whole_and_speaks_of_no_accuracy(made: Made, seen: Page, text: str) -> None:
    check_self_contained(seen, text)
    assert study.page(*made) == text
    assert len(seen.find("svg")) == 5
    assert "accurac" not in text.partition("</style>")[2]
    anchors = [one["href"][1:] for one in seen.find("a")]
    assert anchors == [
        "top",
        "cases",
        "reconstructions",
        "verdicts",
        "curves",
        "cost",
        "size",
        "images",
        "asked",
        "repeat",
        "machine",
        "runs",
        "environment",
    ]
    assert seen.one("p.answer").text == plain(made.record.result["answer"]["sentence"])
    says(seen.one("[data-about=choice]").text, MSE.name, "representation=32")
    says(seen.one("#cost h2").text, "MSE")
    tag = seen.all("ol.verdicts li .tag")[-1]
    assert "told" in tag["class"]
    says(tag.text, "representation=32")


def test_the_table_holds_scikit_learns_pca_and_scipys_intervals(made: Made, seen: Page) -> None:
    known = fake_autoencoders.splits()
    rows = [row for row in seen.rows if len(row) == 9 and row[1].strip() in ("validation", "test")]
    rows = [[re.sub(r"^[A-Z] ", "", row[0].strip()), *row[1:]] for row in rows]
    assert [(row[0].split()[0], row[1]) for row in rows] == [
        ("representation=2", "validation"),
        ("representation=2", "test"),
        ("representation=8", "validation"),
        ("representation=32", "validation"),
        ("representation=32", "test"),
    ]
    for row in rows:
        name, split = row[0].split()[0], row[1]
        errors = made.answers[split].values[name]
        means = errors.mean(1)
        low, high = stats.t.interval(0.95, 1, means.mean(), stats.sem(means))
        assert row[2].strip() == f"{means.mean():.5f} ± {means.std(ddof=1):.5f}{max(low, 0):.5f} to {high:.5f}"
        size = int(name.partition("=")[2])
        pca = ((known[split].pca(size) - known[split].images) ** 2).mean()
        assert row[3].strip().replace("\u202f", " ") == f"{pca:.5f}{100 * (means.mean() / pca - 1):.1f} % above PCA"
        psnr = np.mean([-10 * log10(error) for error in errors.ravel()])
        assert float(row[4]) == pytest.approx(psnr, abs=0.006)
        assert float(row[5]) == pytest.approx(1 - 3 * means.mean(), abs=6e-5)
        costs = (
            [f"{4 * size / 1000:.3g}", f"{1000 * size:,}{900 * size:,}".replace(",", " "), "2.176.5 s"]
            if "=" in row[0]
            else []
        )
        assert [" ".join(cell.replace("\u202f", " ").split()) for cell in row[6:]] in (costs, ["", "", ""])


def test_far_from_pca_is_said_in_times(made: Made) -> None:
    rows = {(row.case.name, row.split): row for row in study_scores.rows(every(made))}
    row = rows["representation=32", "test"]
    for value, pca, text in (
        (0.0095, 0.01, "5.0 % below PCA"),
        (0.01, 0.01, "as PCA"),
        (0.0199, 0.01, "99.0 % above PCA"),
        (0.118, 0.01, "11.8 times PCA’s"),
    ):
        told = dataclasses.replace(row, score=MeanScore(value, None, None, 1, MSE), pca=pca)
        assert told.against.replace("\u202f", " ") == text
    assert dataclasses.replace(row, pca=None).against == ""


def test_one_seed_has_students_interval_over_images(deep: Made, deep_seen: Page) -> None:
    errors = deep.answers["validation"].values["depth 5"][0]
    low, high = stats.t.interval(0.95, len(errors) - 1, errors.mean(), stats.sem(errors))
    assert cells(deep_seen, "depth 5", "case,images")[2] == f"{errors.mean():.5f}{low:.5f} to {high:.5f}*"
    says(deep_seen.one("#cases [data-about=intervals]").text, "Student’s")
    denies(deep_seen.text, "Wilson")
    assert mean_score([0.01], MSE).interval is None
    assert mean_score([0.001, 0.1], MSE).interval == pytest.approx((0, 0.0505 + stats.t.isf(0.025, 1) * 0.0495))
    assert mean_score([1.5, 1.6], MSE).interval[1] > 1.6


def facts_of(text: str) -> list[str]:
    """The words of a text that hold a digit."""
    return [word.strip(",;:") for word in text.split() if any(letter.isdigit() for letter in word)]


def test_originals_stand_above_every_cases_reconstructions(made: Made, seen: Page) -> None:
    found = [one for one in seen.find("img") if " image: " not in one["alt"]]
    expected, alts = [], []
    labels = {split: [str(label) for label in answers.labels[:10]] for split, answers in made.answers.items()}
    for split, names in (("test", (2, 32)), ("validation", SIZES)):
        for size in (None, *names):
            folder = made.record.folder / f"representation={size or 2}-s0"
            file = next(one for one in sorted(folder.glob("evidence*.npz")) if str(np.load(one)["split"]) == split)
            arrays = np.load(file)
            expected += list(arrays["first_reconstructions" if size else "first_pixels"][:10])
            errors = [f"{error:.5f}" for error in arrays["mse"][:10]]
            alts += (
                [f"{label} representation={size} {error}" for label, error in zip(labels[split], errors, strict=True)]
                if size
                else labels[split]
            )
    assert [facts_of(one["alt"]) for one in found] == [facts_of(alt) for alt in alts]
    for one, pixels in zip(found, expected, strict=True):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(one["src"].partition(",")[2]))))
        np.testing.assert_array_equal(shown, pixels[0])
    sheets = seen.all("#reconstructions h3[data-sheet]")
    assert [one["data-sheet"] for one in sheets] == ["test", "validation"]
    assert [numbers(one.text) for one in sheets] == [["10"], ["10"]]


def test_what_a_denoising_network_was_given_is_shown_once(deep: Made, deep_seen: Page) -> None:
    (sheet, beside) = study_images.sheets(every(deep))
    assert (sheet.split, [strip.name for strip in sheet.strips]) == ("test", ["depth 1", "depth 10"])
    assert (beside.split, len(beside.strips)) == ("validation", 4)
    arrays = np.load(deep.record.folder / "depth-3-s0" / "evidence.npz")
    np.testing.assert_array_equal(beside.noisy, arrays["first_noisy"][:10])
    text = deep_seen.one("#cases").text
    assert len(deep_seen.all("#reconstructions [data-about=noisy]")) == 2
    assert (
        f"{json.loads((deep.record.folder / 'depth-3-s0' / 'result.json').read_text())['validation']['noisy_mse']:.5f}"
        in text
    )


@pytest.mark.usefixtures("undrawn")
def test_all_met_the_test_split_so_it_is_shown_alone(tmp_path: Path) -> None:
    both = fake_autoencoders.make(tmp_path, {"small": {"representation": 2}, "large": {"representation": 8}}, seeds=1)
    assert [sheet.split for sheet in study_images.sheets(every(both))] == ["test"]
    assert "size" in Page(study.page(*both)).sections
    assert study_trends.returns(study_trends.lines(every(both), "representation")[0]) == ""


def test_a_lower_error_is_the_better_side(made: Made) -> None:
    entry = {"names": ["a", "b"], "images": [100, 100], "measure": dataclasses.asdict(MSE)}
    (told,) = verdicts.listed([{**entry, "verdict": "A is better", "difference": -0.002, "interval": [-0.003, -0.001]}])
    assert [told[key] for key in ("badge", "minus", "points", "between", "unit")] == [
        "a is better",
        "a minus b",
        "−0.00200",
        "−0.00300 to −0.00100",
        "",
    ]
    (turned,) = verdicts.listed(
        [{**entry, "verdict": "B is better", "difference": 0.000002, "interval": [0.000001, 0.000003]}]
    )
    assert [turned[key] for key in ("badge", "minus", "points", "between")] == [
        "b is better",
        "b minus a",
        "−0.000002",
        "−0.000003 to −0.000001",
    ]
    figure = figures.forest([Difference("a − b", -0.002, -0.003, -0.001, True, False)], MSE)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["← the first is better", "the second is better →"]
    assert axes.get_xlabel() == "difference in MSE of pixels in [0, 1], the first minus the second"
    figure.draw_without_rendering()
    shown = [text.get_text() for text in axes.get_xticklabels()]
    assert all("e" not in text for text in shown)
    assert float(shown[0].replace("−", "-")) < -0.002
    assert "[−0.00300, −0.00100]" in figure.axes[0].child_axes[0].get_yticklabels()[0].get_text()


def test_galleries_count_whose_error_is_lower(made: Made, seen: Page) -> None:
    values = {name: rows.mean(0) for name, rows in made.answers["test"].values.items()}
    a, b = "representation=32", "representation=2"
    better = {a: int((values[a] < values[b]).sum()), b: int((values[b] < values[a]).sum())}
    titles = [one.text for one in seen.all("#images h3[data-about=disagreement]")]
    for title, (name, count) in zip(titles, better.items(), strict=True):
        says(title, name, str(count), "120")
    shown = verdicts.gallery(made.answers["test"], (a, b), made.pictures)
    assert shown is not None
    assert shown.metric == MSE
    row = int((values[b] - values[a]).argmax())
    first = shown.kinds[0].images[0]
    np.testing.assert_array_equal(first.pixels, made.pictures[tuple(made.answers["test"].ids[row].tolist())])
    assert [(one.side, one.text, one.better) for one in first.said] == [
        ("A", f"{values[a][row]:.5f}", True),
        ("B", f"{values[b][row]:.5f}", False),
    ]
    says(
        seen.all("#images img")[0]["alt"],
        "test",
        str(made.answers["test"].labels[row]),
        f"C {values[a][row]:.5f}",  # the letters of the whole page
        f"A {values[b][row]:.5f}",
    )
    assert verdicts.gallery(made.answers["test"], (a, "representation=8"), made.pictures) is None


def test_curves_show_the_measure_and_a_loss_that_is_another(made: Made, text: str) -> None:
    trained = [(case.name, case.curves) for case in every(made)]
    figure = figures.curves(trained, "loss", MSE, losses=False)
    assert [axes.get_title() for axes in figure.axes] == ["training MSE", "validation MSE"]
    means = [np.mean([run[-1]["validation"]["mse"] for run in runs]) for _, runs in trained]
    assert [line.get_ydata()[-1] for line in figure.axes[1].lines] == pytest.approx(means)
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log"]
    figure.draw_without_rendering()
    assert len([one for one in figure.axes[0].get_yticklabels() if one.get_text()]) >= 2
    titles = [axes.get_title() for axes in figures.curves(trained, "loss", MSE).axes]
    assert titles == ["training loss", "validation loss", "validation MSE"]
    says(Page(text).one("#curves svg")["aria-label"], "MSE", "3")


@pytest.mark.usefixtures("undrawn")
def test_a_variational_network_has_a_loss_of_its_own(tmp_path: Path) -> None:
    variational = fake_autoencoders.make(
        tmp_path, {"a": {"representation": 2}, "b": {"representation": 8}}, seeds=1, variational=True
    )
    plain_ = fake_autoencoders.make(
        tmp_path / "plain", {"a": {"representation": 2}, "b": {"representation": 8}}, seeds=1
    )
    panels = [Page(study.page(*one)).one("#curves figure p").text.count("loss") for one in (variational, plain_)]
    assert panels == [2, 0]


def test_the_error_is_drawn_against_every_cost() -> None:
    costs = {"parameters": 5000.0, "multiply_adds": 7000.0, "seconds": 60.0, "seconds_per_epoch": 6.0, "bytes": 2.5e6}
    points = [
        Point(name, 0.02 * factor, 0.018 * factor, 0.023 * factor, {key: factor * cost for key, cost in costs.items()})
        for name, factor in (("small", 1), ("large", 2))
    ]
    figure = study_costs.scatter(points, MSE, TASKS["reconstruct"].costs)
    labels = [
        "size of the weights",
        "parameters",
        "multiply-adds",
        "training time of an epoch (s)",
        "training time, mean over seeds (s)",
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == labels
    for axes, key in zip(
        figure.axes, ("bytes", "parameters", "multiply_adds", "seconds_per_epoch", "seconds"), strict=True
    ):
        found = [
            (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if line.get_marker() in "os"
        ]
        assert found == [(costs[key], 0.02), (2 * costs[key], 0.04)]
        assert axes.get_ylabel() == "MSE of pixels in [0, 1]"
        assert [text.get_text() for text in axes.texts] == ["small", "large"]


def test_the_error_against_the_size_of_the_representation(made: Made, deep: Made, deep_seen: Page) -> None:
    (line,) = study_trends.lines(every(made), "representation")
    assert (line.name, line.values) == ("", SIZES)
    means = [made.answers["validation"].values[f"representation={size}"].mean() for size in SIZES]
    assert [one.value for one in line.scores] == pytest.approx(means, rel=1e-6)
    validation = fake_autoencoders.splits()["validation"]
    pca = study_scores.pca_errors(every(made)[0].runs[0], "validation")
    figure = study_figures.against_representation([line], pca)
    (axes,) = figure.axes
    drawn = {one.get_label(): one for one in axes.lines}
    label = "PCA, as many components"
    np.testing.assert_array_equal(drawn[label].get_xdata(), [2, 5, 8, 16, 32])
    np.testing.assert_allclose(
        drawn[label].get_ydata(), [((validation.pca(k) - validation.images) ** 2).mean() for k in (2, 5, 8, 16, 32)]
    )
    assert axes.get_ylim()[0] == 0
    assert study_trends.lines(every(made), "depth") == []
    assert study_trends.lines(every(deep), "representation") == []
    assert "size" not in deep_seen.sections
    assert "depth" in deep_seen.sections


def scored(*values: float) -> tuple[MeanScore, ...]:
    return tuple(MeanScore(value, None, None, 1, MSE) for value in values)


def line(values: tuple[int, ...], validation: tuple[float, ...], train: tuple[float, ...] = (), **changes: Any) -> Line:
    made = Line(
        "",
        values,
        scored(*validation),
        tuple((value,) for value in validation),
        scored(*(train or validation)),
        (None,) * len(values),
    )
    return dataclasses.replace(made, **changes)


def test_the_knee_is_ringed_and_said() -> None:
    bent = line((10, 32, 100, 1000), (0.02, 0.011, 0.006, 0.004))
    assert bent.knee == 2
    figure = study_figures.against_representation([bent])
    (ring,) = [one for one in figure.axes[0].lines if one.get_label() == "knee"]
    assert [(float(x), float(y)) for x, y in zip(ring.get_xdata(), ring.get_ydata(), strict=True)] == [(100, 0.006)]
    assert len([text for text in figure.legends[0].get_texts() if numbers(text.get_text()) == ["100"]]) == 1
    said = study_trends.returns(bent)
    assert numbers(said) == [
        "100",
        "70",
        "10",
        "100",
        "33",
        "100",
        "1000",
    ]  # % less from 10 to 100, and from there to 1000
    straight = line((2, 8, 32), (0.06, 0.04, 0.02), name="conv")
    assert numbers(study_trends.returns(straight)) == ["2", "32"]
    says(study_trends.returns(straight), "conv")
    assert "knee" not in [one.get_label() for one in study_figures.against_representation([straight]).axes[0].lines]


OVERFIT = line((1, 3, 10), (0.02, 0.01, 0.015), (0.02, 0.009, 0.005))


def overfits(found: Line) -> bool:
    """Whether a line is said to overfit."""
    return study_trends.SEEN.lower() in study_trends.overfitting(found).lower()


def test_depth_overfits_only_where_training_error_falls_while_the_other_rises() -> None:
    said = study_trends.overfitting(OVERFIT)
    assert numbers(said)[:6] == ["3", "10", "0.01000", "0.01500", "0.00900", "0.00500"]
    says(said, "+200.0 %")
    several = dataclasses.replace(OVERFIT, runs=tuple(one * 2 for one in OVERFIT.runs))
    assert said.startswith(study_trends.overfitting(several))  # and of one seed each, more is said
    assert len(said) > len(study_trends.overfitting(several))
    assert overfits(OVERFIT)
    assert overfits(line((2, 4, 8), (0.02, 0.01, 0.015), (0.02, 0.009, 0.005)))
    harder = line((1, 3, 10), (0.02, 0.01, 0.015), (0.02, 0.009, 0.014))
    assert numbers(study_trends.overfitting(harder))[:6] == ["3", "10", "0.01000", "0.01500", "0.00900", "0.01400"]
    better = line((1, 3), (0.02, 0.01))
    assert numbers(study_trends.overfitting(better))[0] == "3"
    within = line((1, 3), (0.0101, 0.0105), (0.01, 0.009), runs=((0.0100, 0.0102), (0.0101, 0.0109)))
    assert numbers(study_trends.overfitting(within))[0] == "1"
    assert not any(overfits(one) for one in (harder, better, within))
    assert len({wording(study_trends.overfitting(one)) for one in (OVERFIT, harder, better, within)}) == 4


def test_a_rise_within_chance_over_the_images_is_none() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.01, 0.001, 200)
    for shift, told in ((0.0, False), (0.001, True)):
        b = a + rng.normal(shift, 0.002, 200) + (1e-5 if shift == 0 else 0)
        b += max(0.0, a.mean() - b.mean() + 1e-9)  # its mean is above in any case
        assert (stats.ttest_rel(b, a).pvalue < 0.05) == told
        deeper = line((1, 3), (a.mean(), b.mean()), (0.01, 0.005), each=(a[None], b[None]))
        assert overfits(deeper) == told


def test_the_error_against_depth(deep: Made, deep_seen: Page) -> None:
    (found,) = study_trends.lines(every(deep), "depth")
    assert found.values == (1, 3, 5, 10)
    train = [
        json.loads((deep.record.folder / f"depth-{depth}-s0" / "result.json").read_text())["train"]["mse"]
        for depth in found.values
    ]
    figure = study_figures.against_depth([found])
    drawn = [one for one in figure.axes[0].lines if len(one.get_xdata()) == 4 and one.get_marker() == "o"]
    assert [one.get_xdata().tolist() for one in drawn] == [[1, 3, 5, 10]] * 2
    np.testing.assert_allclose(drawn[1].get_ydata(), train)
    assert [to_hex(one.get_markerfacecolor()) == "#ffffff" for one in drawn] == [False, True]
    assert drawn[0].get_linestyle() != drawn[1].get_linestyle()
    said = study_trends.overfitting(found)
    assert plain(said) in deep_seen.one("#depth").text
    assert overfits(found)
    assert numbers(said)[:2] == ["5", "10"]


def test_a_grid_has_a_line_for_each_kind_of_network(tmp_path: Path) -> None:
    grid = {
        f"{kind} {size}": {"kind": f"{kind}-autoencoder", "representation": size}
        for kind in ("mlp", "conv")
        for size in (8, 2)
    }
    made = fake_autoencoders.make(tmp_path, grid, seeds=1)
    found = study_trends.lines(every(made), "representation")
    assert [(one.name, one.values) for one in found] == [("mlp-autoencoder", (2, 8)), ("conv-autoencoder", (2, 8))]
    values = made.answers["validation"].values
    assert values is not None
    assert [one.scores[0].value for one in found] == pytest.approx(
        [values["mlp 2"].mean(), values["conv 2"].mean()], rel=1e-6
    )


@pytest.mark.usefixtures("undrawn")
def test_runs_that_are_gone_leave_their_figures(tmp_path: Path) -> None:
    made = fake_autoencoders.make(tmp_path, seeds=1)
    for path in made.record.folder.glob("representation=8*"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    seen = Page(study.page(read_study(made.record.path), made.answers, made.pictures))
    error = made.answers["validation"].values["representation=8"].mean()
    assert cells(seen, "representation=8", "case,images")[2:6] == [f"{error:.5f}", "–", "–", "–"]
    status = {row.one("td.path").text: row.all("td")[2].text for row in seen.all("table.runs tbody tr")}
    assert [path for path, text in status.items() if text != "finished"] == ["representation=8-s0"]


@pytest.mark.usefixtures("undrawn")
def test_the_page_of_a_comparison(made: Made, tmp_path: Path) -> None:
    found = made.answers["validation"]
    assert found.values is not None
    names = ("representation=2", "representation=8")
    sides = tuple(Side(name, tuple(made.record.runs(name)), found.scores(name)) for name in names)
    judged = judge([compare_values(found.values[names[1]], found.values[names[0]], MSE, names[::-1])])
    compared = RunComparison("validation", 120, sides, found, (("model.representation: 8 against 2",),), ("",), judged)
    text = page.page(compared, found, made.pictures)
    seen = Page(text)
    check_self_contained(seen, text)
    assert "accurac" not in text.partition("</style>")[2].lower()
    assert seen.one("p.answer").text == plain(judged[0].sentence)
    assert [one["data-sheet"] for one in seen.all("#reconstructions h3[data-sheet]")] == ["validation"]
    row = cells(seen, names[1], "case,images")
    means = found.values[names[1]].mean(1)
    assert row[2].startswith(f"{means.mean():.5f} ± {means.std(ddof=1):.5f}")
    assert [one.text for one in seen.all("table.cases .letter")] == ["A", "B"]
