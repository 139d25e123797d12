"""The page: complete, self-contained, safe, reproducible, and its figures those of other people's libraries."""

import base64
import html
import io
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest
from page_reading import Page, check_self_contained, denies, numbers, says, wording
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from smallvision.errors import BadInput, RunFailed
from smallvision.experiment import load, to_toml
from smallvision.rendering import format
from smallvision.report.run import page as pages
from smallvision.report.run.page import page, page_of_many, write
from smallvision.runs.read import RunRecord, read_run
from smallvision.storage import files
from smallvision.tasks import galleries
from smallvision.tasks.classification import section

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SMALL: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 20, "count": 300, "shape": (1, 8, 8)}


def make(path: Path, **changes: Any) -> RunRecord:
    return read_run(fake_run.make(path, **{**SMALL, **changes}))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return make(tmp_path_factory.mktemp("page") / "run", validation=True, panel=True, accuracy=0.8)


@pytest.fixture(scope="module")
def seen(record: RunRecord) -> Page:
    return Page(page(record))


def test_the_page_is_self_contained_and_well_formed(record: RunRecord, seen: Page) -> None:
    text = page(record)
    assert text.startswith("<!DOCTYPE html>")
    check_self_contained(seen, text)
    assert len(seen.find("svg")) == 5
    assert len(seen.find("img")) >= 20 * 4 + 40


def test_the_page_holds_everything(record: RunRecord, seen: Page) -> None:
    evidence = record.evidence
    assert evidence is not None
    right = int((evidence["labels"] == evidence["predictions"]).sum())
    low, high = (f"{100 * end:.2f}" for end in proportion_confint(right, 300, method="wilson"))
    says(seen.one("p.verdict").text, f"{100 * right / 300:.2f} %", "300", "test", low, high)
    assert seen.sections == [
        "training",
        "confusion",
        "mistakes",
        "scores",
        "classes",
        "images",
        "data",
        "layers",
        "filters",
        "asked",
        "notes",
        "repeat",
        "environment",
    ]
    assert [one["href"][1:] for one in seen.one("nav").all("a")] == seen.sections
    assert set(seen.facts().values()) >= {"42 638", "186 240", "62.4 s", "171 kB", "1", "fp32", "2"}
    says(seen.one("p.about").text, "R3: two convolutions")
    says(seen.one("#asked [data-about=every-key]").text, 'source = "npz"')
    assert [cell.text for cell in seen.one("#layers tbody").all("tr")[0].all("td")][:3] == [
        "blocks.0.conv",
        "Conv2d",
        "10 × 24 × 24",
    ]
    says(seen.one("#layers tfoot").text, "42 638", "186 240")
    shares = {row["data-split"]: [cell.text for cell in row.all("td")] for row in seen.all("#scores tr[data-split]")}
    assert list(shares) == ["train", "validation", "test"]
    assert shares["validation"][1] == "5 913 of 6 000"
    assert numbers(shares["validation"][0])[0] == "98.55"
    assert shares["test"][:2] == [f"{100 * right / 300:.2f} % {low} to {high} %", f"{right} of 300"]
    assert len(numbers(shares["train"][0])) == 1
    assert {numbers(one.text)[0] for one in seen.all("[data-about=looks]")} == {"3"}
    says(seen.one("#mistakes p").text, str(300 - right))
    says(seen.one("[data-about=first-mistakes]").text, "20")
    says(seen.one("[data-about=confident-mistakes]").text, "20")
    assert len(seen.all("#mistakes .gallery")) == 2
    assert [len(one.all("img")) for one in seen.all("#data .panel")] == [10] * 4
    says(seen.all("#data .panel")[3].text, "flipped and noisy")
    says(seen.one("#notes").text, "60 000")
    says(seen.one("#environment").text, "torch 2.9.0")
    assert seen.one("#repeat pre.command").text == "smallvision run mnist-cnn --seed 1"
    assert not seen.has(".banner")
    assert not seen.has("[data-about=split]")


def test_what_a_reader_needs_first_is_open_and_tables_are_folded(record: RunRecord, seen: Page) -> None:
    folded = [one["id"] for one in seen.all("section.folded")]
    assert folded == ["scores", "classes", "images", "data", "layers", "filters", "environment"]
    for anchor in folded:
        assert not any("open" in one.attributes for one in seen.one(f"#{anchor}").all("details"))
    for anchor in ("training", "confusion", "mistakes", "asked"):
        assert "folded" not in seen.one(f"#{anchor}").attributes.get("class", "")
    assert len(seen.all("#confusion table")) == 2  # five pairs, and all of them folded
    assert len(seen.all("#confusion table")[0].all("tbody tr")) == section.OPEN == 5
    found = len(section.confused(record.evidence["confusion"], fake_run.NAMES))
    assert len(seen.one("#confusion details").all("tbody tr")) == min(section.PAIRS, found) > section.OPEN
    assert seen.one("#asked details").has("[data-about=every-key]")
    assert seen.one("#training details").has("svg")
    drawn = seen.all(".drawing svg")
    assert len(drawn) == len(seen.find("svg"))
    for one in drawn:  # text of a figure stays legible on a narrow screen, where its box scrolls
        width, least = (float(number) for number in numbers(one["style"]))
        assert least == pytest.approx(0.75 * width, abs=1)


def test_a_run_with_changed_keys_says_so_and_makes_no_claim_of_the_catalog(tmp_path: Path) -> None:
    record = make(tmp_path / "run", count=30)
    for keys, changed in (([], []), (["recipe.epochs=3"], ["recipe.epochs = 3 instead of 10"])):
        asked = load("mnist-cnn", keys)
        assert load("mnist-cnn").recipe.epochs == 10
        (record.path / "experiment.toml").write_text(to_toml(asked))
        seen = Page(page(read_run(record.path)))
        assert seen.has("header p.about") == (not changed)
        assert seen.has("[data-about=unchanged]") == (not changed)
        assert [one.text for one in seen.all("[data-about=differences] li")] == changed
        for text in changed:
            says(seen.one("header [data-about=keys]").text, text)
    own = asked.model_copy(update={"about": "my own words"})
    (record.path / "experiment.toml").write_text(to_toml(own))
    assert Page(page(read_run(record.path))).one("header p.about").text == "my own words"
    (record.path / "experiment.toml").write_text(to_toml(own.model_copy(update={"name": "mine"})))
    seen = Page(page(read_run(record.path)))
    assert not seen.has("header [data-about=keys]")
    says(seen.one("#asked [data-about=stated]").text, "epochs = 3")
    denies(seen.one("#asked [data-about=stated]").text, "drop_last")
    says(seen.one("#asked [data-about=every-key]").text, "drop_last")


def test_whoever_compares_two_runs_is_sent_to_compare(record: RunRecord, seen: Page) -> None:
    many = Page(page_of_many([record, record]))
    for one in (seen.one("[data-about=one-seed]"), many.one(".muted[data-about=compare]")):
        says(one.text, "smallvision compare")


def test_per_class_and_pairs_are_scikit_learns(record: RunRecord, seen: Page) -> None:
    evidence, result = record.evidence, record.result
    assert evidence is not None
    assert result is not None
    labels, predictions = evidence["labels"], evidence["predictions"]
    columns = precision_recall_fscore_support(labels, predictions, zero_division=0)
    for i, name in enumerate(result["classes"]):
        row = next(row for row in seen.rows if row and row[0] == name and len(row) == 5)
        assert [float(cell.split(format.SPACE)[0]) for cell in row[1:4]] == [
            round(100 * column[i], 1) for column in columns[:3]
        ]
        assert int(row[4]) == columns[3][i]
    matrix = confusion_matrix(labels, predictions)
    pairs = section.confused(evidence["confusion"], result["classes"])
    assert sum(pair["count"] for pair in pairs) == (labels != predictions).sum()
    position = {name: i for i, name in enumerate(result["classes"])}
    for pair in pairs:
        true, predicted = position[pair["true"]], position[pair["predicted"]]
        assert pair["count"] == matrix[true, predicted]
        assert pair["share"] == pytest.approx(matrix[true, predicted] / matrix[true].sum())
    assert [pair["count"] for pair in pairs] == sorted((pair["count"] for pair in pairs), reverse=True)


def test_galleries_show_the_right_images(record: RunRecord, seen: Page) -> None:
    evidence = record.evidence
    assert evidence is not None
    wrong = np.flatnonzero(evidence["labels"] != evidence["predictions"])
    assert [tile.index for tile in galleries.tiles(evidence, fake_run.NAMES, "mistake")] == wrong[:20].tolist()
    tiles = galleries.tiles(evidence, fake_run.NAMES, "confident")
    chance = evidence["probabilities"][wrong, evidence["predictions"][wrong]]
    assert [tile.index for tile in tiles] == wrong[np.argsort(-chance, kind="stable")][:20].tolist()
    tile = tiles[0]
    assert (tile.label, tile.prediction) == tuple(
        fake_run.NAMES[evidence[key][tile.index]] for key in ("labels", "predictions")
    )
    assert tile.score == format.probability(float(chance.max()))
    assert not tile.correct
    alt = f"test image {tile.index}: {tile.label}, predicted {tile.prediction}"
    shown = next(image for image in seen.find("img") if image["alt"] == alt)
    picture = Image.open(io.BytesIO(base64.b64decode(shown["src"].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(picture), tile.pixels[0])


def test_the_same_record_gives_the_same_bytes(record: RunRecord) -> None:
    assert page(read_run(record.path)) == page(record)


HOSTILE = [
    "<script>alert(1)</script>",
    "$\\frac{",
    "a\" onerror='x' b",
    "日本語",
    "y" * 300,
    "]]>",
    "-->",
    "{{ 7 * 7 }}",
    "\x00\x1b\ud800",
    "</style></title>",
]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    record = make(tmp_path / "run", classes=HOSTILE, about=hostile, accuracy=0.5)
    record.state.update(command=f"smallvision run {hostile}", message=hostile)
    assert record.result is not None
    record.result["notes"].append(hostile)
    record.environment["device_name"] = hostile
    text = page(record)
    seen = Page(text)
    check_self_contained(seen, text)
    assert "<img src=x" not in text
    assert seen.text.count(hostile) >= 5
    assert "{{ 7 * 7 }}" in seen.text
    assert "\x00" not in text
    assert html.escape(HOSTILE[0]) in text
    text.encode()


def test_no_mistakes_says_so(tmp_path: Path) -> None:
    seen = Page(page(make(tmp_path / "run", accuracy=1.0, count=50)))
    assert seen.has("#mistakes [data-about=no-mistakes]")
    assert seen.has("#confusion [data-about=no-pairs]")
    assert not seen.has("#mistakes img")
    assert not seen.has("#confusion table")
    assert numbers(seen.one("p.verdict strong").text) == ["100.00"]


def test_without_a_test_split_validation_is_shown_and_said(tmp_path: Path) -> None:
    seen = Page(page(make(tmp_path / "run", test=False, watched=False)))
    says(seen.one("p.verdict").text, "300", "validation")
    says(seen.one("[data-about=split]").text, "test", "validation")
    denies(seen.one("[data-about=split]").text, '"never"')
    says(seen.one("#images h2").text, "validation")
    assert {one.split()[0] for one in (image["alt"] for image in seen.find("img")) if " predicted " in one} == {
        "validation"
    }
    assert not seen.has("tr[data-split=test]")
    assert len(seen.all("[data-about=looks]")) == 2


def test_a_test_split_that_was_not_looked_at_is_not_denied(tmp_path: Path) -> None:
    record = make(tmp_path / "run", test=False, watched=False, protocol="never")
    seen = Page(page(record))
    absent = Page(page(make(tmp_path / "absent", test=False, watched=False)))
    assert len(seen.all("[data-about=looks]")) == 2
    for one in (seen.one("[data-about=split]"), *seen.all("[data-about=looks]")):
        says(one.text, '"never"')
        assert one.text not in [
            other.text for other in (absent.one("[data-about=split]"), *absent.all("[data-about=looks]"))
        ]
    says(seen.one("[data-about=split]").text, "validation")
    begun = Page(page(make(tmp_path / "begun", test=False, watched=False, protocol="never", status="running")))
    says(begun.one("#notes [data-about=looks]").text, '"never"')
    trained = Page(page(of_training_images(record.path)))
    alone = Page(page(of_training_images(absent_run(tmp_path))))
    says(trained.one("[data-about=split]").text, '"never"', "validation")
    denies(alone.one("[data-about=split]").text, '"never"')


def absent_run(folder: Path) -> Path:
    """A run whose data have no test split."""
    return make(folder / "no test", test=False, watched=False).path


def of_training_images(run: Path) -> RunRecord:
    """The run as if it had no validation images: what is shown are training images."""
    (run / "result.json").write_text((run / "result.json").read_text().replace('"validation": {', '"train": {'))
    with np.load(run / "evidence.npz") as arrays:
        changed = {**arrays, "split": np.array("train")}
    np.savez_compressed(run / "evidence.npz", **changed)
    return read_run(run)


def test_a_run_that_no_command_repeats_says_why(record: RunRecord, tmp_path: Path) -> None:
    assert not Page(page(record)).has("[data-about=no-command]")
    run = make(tmp_path / "run")
    run.state["command"] = ""
    seen = Page(page(run))
    assert not seen.has("pre.command")
    denies(seen.one("[data-about=no-command]").text, "data", "loss", "network")
    own = {
        "data": run.experiment.data.model_copy(update={"source": "arrays", "path": None}),
        "task": run.experiment.task.model_copy(update={"loss": "custom:mine"}),
    }
    (run.path / "experiment.toml").write_text(to_toml(run.experiment.model_copy(update=own)))
    run = read_run(run.path)
    run.state["command"] = ""
    why = Page(page(run)).one("[data-about=no-command]").text
    says(why, "data", "loss")
    denies(why, "network")


def test_with_training_images_alone_the_figures_are_not_praised(tmp_path: Path) -> None:
    seen = Page(page(of_training_images(absent_run(tmp_path))))
    assert seen.has("[data-about=split]")
    says(seen.one("p.verdict").text, "300", "training")
    assert not seen.has("p.verdict .interval")


def test_logits_are_not_called_probabilities(record: RunRecord, tmp_path: Path) -> None:
    run = make(tmp_path / "run", accuracy=0.8)
    file = run.path / "evidence.npz"
    with np.load(file) as arrays:
        changed = {**arrays, "probabilities": np.log(arrays["probabilities"]) + 3}
    np.savez_compressed(file, **changed)
    logits, likely = (
        Page(page(read_run(run.path))).one("[data-about=mistakes]"),
        Page(page(record)).one("[data-about=mistakes]"),
    )
    assert (logits["data-scores"], likely["data-scores"]) == ("score", "probability")
    assert wording(logits.text) != wording(likely.text)
    assert "%" not in Page(page(read_run(run.path))).one("#mistakes").all("figcaption")[0].text


@pytest.mark.parametrize(("status", "epochs"), [("running", 2), ("interrupted", 1), ("failed", 0)])
def test_an_unfinished_run_has_a_banner_and_what_there_is(tmp_path: Path, status: str, epochs: int) -> None:
    record = make(tmp_path / "run", status=status, epochs=epochs, planned=9)
    record.state["message"] = "the loss is nan at step 7"
    text = page(record)
    seen = Page(text)
    check_self_contained(seen, text)
    banner = seen.one(".banner[data-about=unfinished]").text
    says(banner, "the loss is nan at step 7")
    assert numbers(banner)[:2] == [str(epochs), "9"]
    assert len(seen.find("svg")) == (2 if epochs else 0)
    assert seen.sections == ["training", "layers", "asked", "notes", "repeat", "environment"]
    says(seen.one("#layers tbody").text, "Conv2d")


def test_an_experiment_changed_afterwards_is_noticed(tmp_path: Path) -> None:
    record = make(tmp_path / "run")
    (record.path / "experiment.toml").write_text(record.experiment_toml.replace("0.01", "0.02"))
    assert not Page(page(record)).has(".banner")
    says(
        Page(page(read_run(record.path))).one(".banner[data-about=changed]").text,
        "experiment.toml",
        record.state["experiment"],
    )


def test_a_long_colour_run_stays_small(tmp_path: Path) -> None:
    record = make(
        tmp_path / "run",
        epochs=50,
        steps_per_epoch=391,
        shape=(3, 32, 32),
        panel=True,
        validation=True,
        accuracy=0.7,
        filters=(64, 3, 5, 5),
    )
    assert len(page(record).encode()) < 1_500_000


def test_large_and_odd_images_are_made_to_fit(tmp_path: Path) -> None:
    record = make(tmp_path / "run", shape=(2, 300, 200), count=30, accuracy=0.5)
    seen = Page(page(record))
    for image in seen.find("img"):
        assert max(Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))).size) <= 112


def test_many_runs_share_a_page(record: RunRecord, tmp_path: Path) -> None:
    others = [make(tmp_path / "b", seed=2, test=False, watched=False), make(tmp_path / "c", status="running")]
    text = page_of_many([record, *others])
    seen = Page(text)
    check_self_contained(seen, text)
    assert len(seen.find("article")) == 3
    assert text.count("<style>") == 1
    rows = [row for row in seen.rows if len(row) == 12][1:]
    assert [row[2] for row in rows] == ["1", "2", "1"]
    assert [row[4] for row in rows] == ["test", "validation", ""]
    with pytest.raises(BadInput):
        page_of_many([])


def test_writing_is_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make(tmp_path_factory.mktemp("write") / "run", status="interrupted", epochs=0)
    out = tmp_path / "report.html"
    assert write(record, out) == out
    assert out.read_text(encoding="utf-8") == page(record)
    assert write([record], str(out)) == out
    assert Page(out.read_text(encoding="utf-8")).has("#side-by-side")
    before = out.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(RunFailed, match="no space"):
        write(record, out)
    monkeypatch.undo()
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    for bad in (tmp_path / "no" / "where.html", tmp_path, out / "where.html", tmp_path / ("x" * 300)):
        with pytest.raises(BadInput, match="--out"):
            write(record, bad)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_only_a_former_report_is_replaced(record: RunRecord, tmp_path: Path) -> None:
    for content in (b"", b"my thesis", b"<html></html>", b"\0" * 20_000 + pages.GENERATOR):
        (tmp_path / "thesis.html").write_bytes(content)
        for what in (record, [record]):
            with pytest.raises(BadInput, match=r"thesis\.html.*--out"):
                write(what, tmp_path / "thesis.html")
        assert (tmp_path / "thesis.html").read_bytes() == content
    run = make(tmp_path / "run", status="interrupted", epochs=0)
    own = run.path / "report.html"
    own.write_bytes(b"<html>a report written before reports said whose they are</html>")
    with pytest.raises(BadInput, match=r"report\.html.*--out"):
        write([run], own)
    assert write(run, own) == own
    assert pages.GENERATOR in own.read_bytes()
    assert write([run], own) == own
    (tmp_path / "pipe").symlink_to("/dev/null")
    with pytest.raises(BadInput, match=r"pipe.*--out"):
        write(run, tmp_path / "pipe")


def test_numbers_are_written_with_their_units() -> None:
    plain = {format.SPACE: " "}
    cases = [
        (format.whole(101770), "101 770"),
        (format.percent(0.9846), "98.46 %"),
        (format.probability(0.99998), "> 99.9 %"),
        (format.probability(1.0), "100.0 %"),
        (format.probability(0.314), "31.4 %"),
        (format.seconds(62.44), "62.4 s"),
        (format.seconds(252), "4 min 12 s"),
        (format.seconds(3900), "1 h 05 min"),
        (format.size(190632), "191 kB"),
        (format.size(40), "40 B"),
        (format.size(1234567), "1.23 MB"),
        (format.moment(0.0), "1970-01-01 00:00 UTC"),
        (format.moment(None), "not yet"),
        (format.interval([0.9758, 0.9972]), "97.58 to 99.72 %"),
    ]
    for found, expected in cases:
        assert found.translate(str.maketrans(plain)) == expected
