"""The report of an autoencoder, and its run directory read back.

The report is complete and self-contained; a run directory that contradicts itself is refused.
"""

import base64
import io
import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest
import torch
from matplotlib import colormaps
from page_reading import Page, check_self_contained, denies, says, wording
from PIL import Image

import smallvision as sv
from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.report.run import curves
from smallvision.report.run.page import page, page_of_many
from smallvision.runs.listing import list_runs
from smallvision.runs.read import RunRecord, read_run
from smallvision.tasks import TASKS
from smallvision.tasks.reconstruction import figures as reconstruction_figures
from smallvision.tasks.reconstruction import section
from smallvision.tasks.reconstruction.wording import against_pca
from smallvision.training import run as training_run
from smallvision.training.run import RunOptions

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SHORT = ["recipe.epochs=2", "data.limit=200"]
KINDS = {
    "plain": ["data.expand.noise=0.1"],
    "denoise": ["task.denoise.amount=0.2", "data.validation=0", "protocol.test=watched"],
    "variational": ["model.variational=true", "task.loss=bce"],
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunRecord]:
    before, folder, out = torch.get_num_threads(), tmp_path_factory.mktemp("runs"), {}
    for kind, overrides in KINDS.items():
        place = RunOptions(folder / kind, device="cpu", threads=1, command=("smallvision",))
        list(training_run.run(load("digits-autoencoder", [*SHORT, *overrides]), place))
        out[kind] = read_run(folder / kind)
    torch.set_num_threads(before)
    return out


@pytest.fixture
def run(records: dict[str, RunRecord], tmp_path: Path) -> Path:
    return Path(shutil.copytree(records["variational"].path, tmp_path / "run"))


def scored(record: RunRecord) -> dict[str, Any]:
    assert record.result is not None
    return dict(record.result["test"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_whole_and_says_what_was_measured(records: dict[str, RunRecord], kind: str) -> None:
    record = records[kind]
    text, test = page(record), scored(record)
    seen = Page(text)
    check_self_contained(seen, text)
    if kind == "plain":
        assert page(read_run(record.path)) == text
    low, high = (f"{end:.5f}" for end in test["mse_interval"])
    verdict = seen.one("p.verdict").text
    says(verdict, f"{test['mse']:.5f}", "360", "test", low, high, f"{test['psnr']:.2f}", f"{test['ssim']:.3f}")
    beside, pca = seen.one("p.beside"), test["pca"]
    share = test["mse"] / pca["mse"] - 1
    says(beside.text, "8", f"{pca['mse']:.5f}", f"{share + 1:.1f}" if share > 1 else f"{100 * abs(share):.1f} %")
    assert beside.has("[data-about=worse-than-pca]") == (share > 0)
    assert beside.has("[data-about=noisy]") == (kind == "denoise")
    says(
        seen.one("#latent [data-about=dimensions]").text,
        "8",
        str(test["dimensions"]["dead"]),
        str(test["dimensions"]["duplicates"]),
        f"{test['dimensions']['effective_rank']:.1f}",
    )
    assert seen.sections == [
        "training",
        "images",
        "worst",
        "pca",
        "scores",
        "classes",
        "latent",
        "samples",
        "between",
        "data",
        "layers",
        *(["filters"] if "filters" in seen.sections else []),
        "asked",
        "notes",
        "repeat",
        "environment",
    ]
    folded = seen.sections[seen.sections.index("scores") : seen.sections.index("asked")]
    assert [one["id"] for one in seen.all("section.folded")] == [*folded, "environment"]
    for gallery in ("images", "worst"):  # ten before a fold
        every = seen.one(f"#{gallery}").all(".stack")
        assert len(every) - len(seen.one(f"#{gallery}").all("details .stack")) == 10 < len(every)
    says(seen.one("#scores [data-about=looks]").text, "Student's")
    splits = [one["data-split"] for one in seen.all("#scores tr[data-split]")]
    assert splits == (["train", "test"] if kind == "denoise" else ["train", "validation", "test"])
    cells = [cell.text for cell in seen.one("tr[data-split=test]").all("td")]
    assert cells[1] == f"{low} to {high}"
    if kind == "denoise":
        says(beside.one("[data-about=noisy]").text, f"{test['noisy_mse']:.5f}")
        assert f"{test['noisy_mse']:.5f}" in cells
    if kind == "variational":
        assert f"{test['kl']:.2f}" in cells
        says(seen.one("#training").text, "β")
    assert len(seen.all("#data .panel")) == (8 if kind == "plain" else 0)
    assert "accuracy" not in " ".join(
        one.text for one in (seen.one("header"), seen.one("#scores"), seen.one("#classes"))
    )
    rows = {row[0]: row for row in seen.rows if row}
    for one in test["per_class"]:
        assert rows[one["class"]][1:3] == [f"{one['mse']:.5f}", f"{one['psnr']:.2f}"]
    assert float(rows["test"][1]) == pytest.approx(test["mse"], abs=5e-6)


def pictures(text: str, alt: str) -> list[np.ndarray]:
    """The pictures whose description matches, decoded by Pillow."""
    found = [one for one in Page(text).find("img") if re.fullmatch(alt, one["alt"])]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one["src"].partition(",")[2])))) for one in found]


def test_each_picture_is_the_image_it_is_said_to_be(records: dict[str, RunRecord]) -> None:
    record = records["denoise"]
    evidence, text = record.evidence, page(record)
    assert evidence is not None
    for which, n in (("image", "pixels"), ("with noise", "noisy"), ("reconstruction", "reconstructions")):
        found = pictures(text, rf"test image \d+, \d: {which}")
        np.testing.assert_array_equal(found, np.concatenate([evidence[f"first_{n}"], evidence[f"worst_{n}"]])[:, 0])
    off = np.abs(evidence["worst_pixels"] / 255 - evidence["worst_reconstructions"] / 255)[:, 0]
    np.testing.assert_array_equal(
        pictures(text, r"test image \d+, \d: error"), colormaps["magma"](off / off.max(), bytes=True)[..., :3]
    )
    says(Page(text).one("#worst figure.key svg")["aria-label"], "0", f"{off.max():.2f}")
    np.testing.assert_array_equal(pictures(text, "traversal, .*"), evidence["traversals"].reshape(-1, 8, 8))


@pytest.mark.parametrize("kind", KINDS)
def test_random_codes_are_said_to_be_taught_or_not(records: dict[str, RunRecord], kind: str) -> None:
    evidence, text = records[kind].evidence, page(records[kind])
    assert evidence is not None
    np.testing.assert_array_equal(pictures(text, r"sample \d+"), evidence["samples"][:, 0])
    np.testing.assert_array_equal(pictures(text, r"sample of PCA \d+"), evidence["pca_samples"][:, 0])
    np.testing.assert_array_equal(pictures(text, "interpolation, .*"), evidence["interpolations"].reshape(-1, 8, 8))
    said = [
        one["data-codes"] for one in Page(text).all("#samples [data-codes]") + Page(text).all("#between [data-codes]")
    ]
    assert said == ["taught" if kind == "variational" else "guessed"] * 2


def test_the_network_stands_among_pcas_errors() -> None:
    counts, errors = [1, 2, 4, 8, 16, 64], [0.06, 0.05, 0.04, 0.03, 0.02, 0.0]
    figure = reconstruction_figures.beside(counts, errors, 4, 0.025)
    for axes, some in zip(figure.axes, (slice(0, 5), slice(0, 5)), strict=True):  # 16 = 4 * 4; on a log axis no 0
        curve, mark = axes.lines
        np.testing.assert_array_equal(curve.get_xydata(), list(zip(counts[some], errors[some], strict=True)))
        np.testing.assert_array_equal(mark.get_xydata(), [[4, 0.025]])
        assert axes.get_xlim()[0] <= 1
        assert axes.get_ylim()[0] < 0.02
        assert axes.get_ylim()[1] > 0.06


@pytest.mark.parametrize(
    ("mse", "worth"), [(0.07, "1"), (0.05, "2"), (0.049, "3 to 4"), (0.021, "9 to 16"), (0.001, "more than 16")]
)
def test_how_many_components_an_error_is_worth(mse: float, worth: str) -> None:
    evidence = {
        "pca_components": np.array([1, 2, 4, 8, 16]),
        "pca_mse": np.array([0.06, 0.05, 0.04, 0.03, 0.02]),
        "representation": np.zeros((3, 4), np.float32),
        "mse": np.zeros(3),
    }
    assert section._beside(evidence, {"mse": mse}, "")["same_as_pca"] == worth


SIDES = {  # of the error: errors of a network and of PCA, and what says how far apart they are
    "below": [(0.0135, 0.02, "32.5 %"), (0.01, 0.0125, "20.0 %")],
    "above": [(0.021, 0.02, "5.0 %"), (0.03, 0.02, "50.0 %")],
    "far above": [(0.05, 0.02, "2.5"), (0.11, 0.01, "11.0")],
    "equal": [(0.020001, 0.02, ""), (0.0, 0.0, "")],
    "above nothing": [(0.01, 0.0, ""), (0.2, 0.0, "")],
}


def test_pca_in_words() -> None:
    said = {
        side: [against_pca({"mse": mse, "pca": {"components": 8, "mse": pca}}) for mse, pca, _ in some]
        for side, some in SIDES.items()
    }
    for side, some in SIDES.items():
        assert len({wording(text) for text in said[side]}) == 1, side
        for text, (_, pca, far) in zip(said[side], some, strict=True):
            says(text, "8", f"{pca:.5f}", *([far] if far else []))
    assert len({wording(texts[0]) for texts in said.values()}) == len(SIDES)
    assert against_pca({"mse": 0.01}) == ""
    denies(against_pca({"mse": 0.01, "pca": {"components": 1, "mse": 0.02}}), "components")


def test_curves_have_one_panel_where_loss_and_score_are_the_same(records: dict[str, RunRecord]) -> None:
    score = TASKS["reconstruct"].metric
    same, both = (
        curves.curves(records[kind].metrics, "loss", score, (0.5, "PCA")) for kind in ("plain", "variational")
    )
    assert [axes.get_ylabel() for axes in same.axes] == [score.name]
    assert [axes.get_ylabel() for axes in both.axes] == ["loss", score.name]
    for line, split in zip(both.axes[1].lines[:2], ("train", "validation"), strict=True):
        assert line.get_ydata().tolist() == [record[split]["mse"] for record in records["variational"].metrics]
    assert both.axes[1].lines[2].get_ydata() == [0.5, 0.5]
    assert both.axes[1].get_ylim()[1] > 0.5


def test_many_classes_show_those_of_highest_error() -> None:
    rows = [{"class": f"c{i}", "mse": i / 100} for i in range(30)]
    figure = reconstruction_figures.per_class([*rows, {"class": "none", "mse": None}], 0.15)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [f"c{i}" for i in range(29, 9, -1)]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [i / 100 for i in range(29, 9, -1)]


def test_an_unfinished_run_and_runs_of_two_tasks_side_by_side(
    records: dict[str, RunRecord], run: Path, tmp_path: Path
) -> None:
    for name in ("result.json", "evidence.npz", "model.safetensors"):
        (run / name).unlink()
    change(run / "state.json", status="interrupted")
    unfinished = read_run(run)
    text = page(unfinished)
    check_self_contained(Page(text), text)
    last = unfinished.metrics[-1]["validation"]["mse"]
    says(Page(text).one("[data-about=progress]").text, "validation", f"{last:.5f}", TASKS["reconstruct"].metric.name)
    other = read_run(fake_run.make(tmp_path / "other", epochs=2, steps_per_epoch=20, count=100, shape=(1, 8, 8)))
    both = page_of_many([unfinished, other])
    seen = Page(both)
    check_self_contained(seen, both)
    assert seen.rows[0][5] not in (TASKS["reconstruct"].metric.name, TASKS["classify"].metric.name)
    assert seen.rows[1][5] == ""
    assert seen.rows[2][5].startswith(f"{100 * scored(other)['accuracy']:.2f}")
    alike = Page(page_of_many([records["plain"], unfinished]))
    assert alike.rows[0][5] == TASKS["reconstruct"].metric.name
    assert alike.rows[1][5] == f"{scored(records['plain'])['mse']:.5f}"


def test_the_notebook_draws_reconstructions_and_curves(records: dict[str, RunRecord]) -> None:
    done = sv.open_run(records["denoise"].path)
    drawn = done.reconstructions(5)
    assert len([axes for axes in drawn.axes if axes.images]) == 15
    evidence = done.record.evidence
    assert evidence is not None
    np.testing.assert_array_equal(drawn.axes[12].images[0].get_array(), evidence["first_reconstructions"][2, 0])
    assert len(done.reconstructions(worst=True).axes) == 30
    assert done.curves().axes[0].get_ylabel() == "MSE of pixels in [0, 1]"
    says(repr(done), "test", f"{scored(done.record)['mse']:.5f}")


def test_runs_are_listed_by_their_own_score(records: dict[str, RunRecord]) -> None:
    rows = list_runs(records["plain"].path.parent)
    assert [row["test_accuracy"] for row in rows] == [None] * 3
    for row, kind in zip(rows, sorted(KINDS), strict=True):
        assert row["test_score"] == f"mse {scored(records[kind])['mse']:.5f}"


def change(path: Path, **values: object) -> None:
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, **values}))


def refused(path: Path, *words: str) -> None:
    with pytest.raises(BadInput) as caught:
        _ = read_run(path).evidence
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_evidence_that_contradicts_itself_is_refused(run: Path) -> None:
    file = run / "evidence.npz"
    good = file.read_bytes()
    with np.load(file) as old:
        arrays = dict(old)
    mse, worst, count = arrays["mse"], arrays["worst_index"], len(arrays["mse"])
    cases: list[tuple[dict[str, np.ndarray | None], str]] = [
        ({"mse": None}, "mse"),
        ({"representation": None}, "representation"),
        ({"mse": -mse}, "mse has values below 0"),
        ({"mse": mse.astype(int)}, "mse"),
        ({"mse": mse[:-1]}, "expected N ="),
        ({"psnr": arrays["psnr"] * np.nan}, "psnr"),
        ({"labels": arrays["labels"] + 9}, "labels"),
        ({"labels": arrays["labels"][:-1]}, "labels"),
        ({"ids": arrays["ids"][:5]}, "ids"),
        ({"worst_index": worst[::-1]}, "worst_index"),
        ({"worst_index": worst + count}, "worst_index"),
        ({"worst_index": np.argsort(mse)[:20]}, "worst_index"),
        ({"worst_index": worst[:1].repeat(20)}, "worst_index"),
        ({"worst_pixels": None}, "worst_pixels"),
        ({"first_reconstructions": None}, "first_reconstructions"),
        ({"first_reconstructions": arrays["first_reconstructions"][:, :, :4]}, "expected H = 4"),
        ({"first_noisy": arrays["first_pixels"]}, "worst_noisy"),
        ({"first_index": arrays["first_index"] - 1}, "first_index"),
        ({"pca_mse": arrays["pca_mse"][::-1].copy()}, "pca_mse"),
        ({"pca_mse": arrays["pca_mse"] - 1}, "pca_mse"),
        ({"pca_components": arrays["pca_components"] - 1}, "pca_components"),
        ({"pca_components": None}, "pca_components"),
        ({"spectrum": np.full(8, np.inf)}, "spectrum"),
        ({"spectrum": np.zeros(9)}, "spectrum"),
        ({"split": np.array("tset")}, "split"),
        ({"traversals": arrays["traversals"].astype(np.float32)}, "traversals"),
        ({"traversals": None}, "traversals"),
        ({"traversal_dimensions": arrays["traversal_dimensions"] + 1}, "traversal_dimensions"),
        ({"interpolation_index": arrays["interpolation_index"] + count}, "interpolation_index"),
        ({"samples": mse}, "samples"),
        ({"interpolations": arrays["interpolations"][:2]}, "interpolation"),
        ({"representation": mse}, "representation"),
        ({"first_pca": None}, "first_pca"),
        ({"first_pca_mse": None}, "first_pca_mse"),
        ({"first_pca": arrays["first_pca"] / 255}, "first_pca"),
        ({"pca_samples": arrays["pca_samples"][:3]}, "expected drawn ="),
        ({"first_index": None, "first_pixels": None}, "first_index"),
        ({"interpolations": None, "interpolation_index": None}, "interpolations"),
        ({"pca_interpolations": arrays["pca_interpolations"][:, :4]}, "expected between ="),
    ]
    for changed, word in cases:
        new = {name: array for name, array in {**arrays, **changed}.items() if array is not None}
        np.savez_compressed(file, **new)
        refused(run, "evidence.npz", word)
    file.write_bytes(good)
    assert read_run(run).evidence is not None


def test_a_run_from_before_pca_was_pictured_is_shown_without_it(run: Path) -> None:
    with np.load(run / "evidence.npz") as old:
        arrays = {
            name: array for name, array in old.items() if "pca" not in name or name in ("pca_components", "pca_mse")
        }
    np.savez_compressed(run / "evidence.npz", **arrays)
    text = page(read_run(run))
    assert len(pictures(text, r"sample \d+")) == 20
    assert not pictures(text, "sample of PCA.*")


WRONG = [
    ({"mse": "0.1"}, "test.mse"),
    ({"mse": -0.1}, "test.mse"),
    ({"mse_interval": [0.1]}, "test.mse_interval has 1 value"),
    ({"pca": {"mse": 0.1}}, "test.pca"),
    ({"pca": {"components": 8, "mse": float("nan")}}, "test.pca.mse"),
    ({"per_class": [{"class": "0", "support": 1}]}, "test.per_class[0]"),
    ({"psnr": None}, "test.psnr"),
    ({"dimensions": {"dead": 0}}, "test.dimensions"),
]


@pytest.mark.parametrize(("values", "place"), WRONG)
def test_wrong_scores_are_named(run: Path, values: dict[str, object], place: str) -> None:
    test = json.loads((run / "result.json").read_text())["test"]
    change(run / "result.json", test={**test, **values})
    refused(run, "result.json", place)


def test_scores_of_another_task_are_refused(run: Path, tmp_path: Path) -> None:
    scores = {"loss": 0.1, "accuracy": 0.9, "count": 360}
    change(run / "result.json", test=scores)
    refused(run, 'test has no "mse"')
    other = fake_run.make(tmp_path / "other", epochs=1, count=40, shape=(1, 6, 6), classes=("a", "b"))
    change(other / "result.json", test={"loss": 0.1, "mse": 0.1, "count": 40})
    refused(other, 'test has no "accuracy"')


def test_bytes_changed_at_random_are_refused_or_make_a_page(run: Path) -> None:
    chance, pages, messages = random.Random(0), 0, []
    for trial in range(75):
        file = run / ("result.json", "metrics.jsonl", "evidence.npz")[trial % 3]
        good = file.read_bytes()
        bad = bytearray(good)
        for _ in range(chance.choice([1, 1, 4, 30])):
            bad[chance.randrange(len(bad))] = chance.choice(
                [chance.randrange(256), ord(chance.choice('0129"{}[],.-eE'))]
            )
        file.write_bytes(bad)
        try:
            record = read_run(run)
            _ = record.evidence
            if pages < 1:
                pages += 1
                page(record)
        except BadInput as error:
            messages.append(str(error))
        file.write_bytes(good)
    assert pages == 1
    assert len(messages) > 25
    assert not [text for text in messages if "\n" in text]
