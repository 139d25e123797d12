"""The page: complete, self-contained, safe, reproducible, and its figures those of other people's libraries."""

import base64
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from smallvision.errors import BadInput, RunFailed
from smallvision.rendering import format
from smallvision.report.run import page as pages
from smallvision.report.run.page import page, page_of_many, write
from smallvision.runs.read import RunRecord, read_run
from smallvision.storage import files
from smallvision.tasks import galleries
from smallvision.tasks.classification import section

SMALL: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 20, "count": 300, "shape": (1, 8, 8)}
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text, and whether the tags close as they should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes nothing"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
        if self.rows and self.rows[-1] and ("td" in self.open or "th" in self.open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace(format.SPACE, " ").split())

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def make(path: Path, **changes: Any) -> RunRecord:
    return read_run(fake_run.make(path, **{**SMALL, **changes}))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return make(tmp_path_factory.mktemp("page") / "run", validation=True, panel=True, accuracy=0.8)


@pytest.fixture(scope="module")
def seen(record: RunRecord) -> Page:
    return Page(page(record))


def check_self_contained(seen: Page, text: str) -> None:
    """Nothing to fetch, nothing to run, every picture described, every id once and every anchor there."""
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in seen.elements:
        assert tag not in ("script", "iframe", "object", "link", "base", "form")
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "action", "srcset", "poster", "data"):
                assert value.startswith(("data:image/png;base64,", "#")), value[:60]
                assert not value.startswith("#") or value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value):
                assert target.strip("'\"")[1:] in ids
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")
    images, drawings = seen.find("img"), seen.find("svg")
    assert all(image.get("alt", "").strip() for image in images)
    assert all(drawing.get("aria-label", "").strip() and drawing.get("role") == "img" for drawing in drawings)


def test_the_page_is_self_contained_and_well_formed(record: RunRecord, seen: Page) -> None:
    text = page(record)
    assert text.startswith("<!DOCTYPE html>")
    check_self_contained(seen, text)
    assert len(seen.find("svg")) == 5
    assert len(seen.find("img")) >= 20 * 4 + 40


def test_the_page_holds_everything(record: RunRecord, seen: Page) -> None:
    result = record.result
    assert result is not None
    low, high = result["test"]["accuracy_interval"]
    test, text = result["test"], seen.text
    expected = [
        f"{100 * test['accuracy']:.2f} % of 300 test images are classified correctly",
        f"{100 * low:.2f} to {100 * high:.2f} %",
        "parameters 42 638",
        "training time 62.4 s",
        "seed 1",
        "R3: two convolutions",
        'source = "npz"',
        "test (watched)",
        "validation",
        "training images seen",
        "epoch",
        "accuracy (%)",
        "Conv2d",
        "10 × 24 × 24",
        "total",
        "186 240",
        "The first 20 test images",
        "flipped and noisy",
        "The 20 most confident",
        "The first 20, in the split's order",
        "scored 3 times",
        "mean and standard deviation are measured",
        "torch 2.9.0",
        "smallvision run mnist-cnn --seed 1",
    ]
    for words_ in expected:
        assert words_ in text, words_
    assert [re.sub(r"[^\d.a-z]", "", c) for c in _row(seen, "validation")[:4]] == [
        "validation",
        "98.55",
        "5913",
        "6000",
    ]
    assert "not finished" not in text
    assert "changed" not in text


def _row(seen: Page, first: str) -> list[str]:
    return next(row for row in seen.rows if row and row[0] == first)


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
    assert not tile.right
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
    text = Page(page(make(tmp_path / "run", accuracy=1.0, count=50))).text
    assert "No mistakes at all" in text
    assert "No class was taken for another" in text
    assert "most confident" not in text


def test_without_a_test_split_validation_is_shown_and_said(tmp_path: Path) -> None:
    text = Page(page(make(tmp_path / "run", test=False, watched=False))).text
    assert "This run has no test split" in text
    assert "of 300 validation images" in text
    assert "First validation images" in text
    assert "test images" not in text
    assert "There is no test split" in text


def test_a_test_split_that_was_not_looked_at_is_not_denied(tmp_path: Path) -> None:
    record = make(tmp_path / "run", test=False, watched=False, protocol="never")
    text = Page(page(record)).text
    assert 'The test split was not looked at (protocol "never"). Every figure below is of the validation images' in text
    assert text.count("was not looked at") == 3
    assert "no test split" not in text
    begun = Page(page(make(tmp_path / "begun", test=False, watched=False, protocol="never", status="running"))).text
    assert "was not looked at" in begun
    changed = (record.path / "result.json").read_text().replace('"validation": {', '"train": {')
    (record.path / "result.json").write_text(changed)
    with np.load(record.path / "evidence.npz") as arrays:
        np.savez_compressed(record.path / "evidence.npz", **{**arrays, "split": np.array("train")})
    text = Page(page(read_run(record.path))).text
    assert 'was not looked at (protocol "never"). There is no validation split. Every' in text
    assert "neither a test" not in text


def test_a_run_that_no_command_repeats_says_why(record: RunRecord, tmp_path: Path) -> None:
    assert "No command repeats" not in Page(page(record)).text
    run = make(tmp_path / "run")
    run.state["command"] = ""
    text = page(run)
    assert '<pre class="command">' not in text
    assert "No command repeats this run, because something it needs was passed in from Python" in Page(text).text
    toml = (
        run.experiment_toml.replace('"npz"\npath = "images.npz"', '"arrays"')
        + '[task]\nkind = "classify"\nloss = "custom:mine"\n'
    )
    (run.path / "experiment.toml").write_text(toml)
    run = read_run(run.path)
    run.state["command"] = ""
    assert "because its data and its loss were passed in from Python" in Page(page(run)).text


def test_with_training_images_alone_the_figures_are_not_praised(tmp_path: Path) -> None:
    run = make(tmp_path / "run", test=False, watched=False).path
    (run / "result.json").write_text((run / "result.json").read_text().replace('"validation": {', '"train": {'))
    with np.load(run / "evidence.npz") as arrays:
        changed = {**arrays, "split": np.array("train")}
    np.savez_compressed(run / "evidence.npz", **changed)
    text = Page(page(read_run(run))).text
    assert "neither a test nor a validation split" in text
    assert "of 300 training images are classified correctly." in text


def test_logits_are_not_called_probabilities(record: RunRecord, tmp_path: Path) -> None:
    run = make(tmp_path / "run", accuracy=0.8)
    file = run.path / "evidence.npz"
    with np.load(file) as arrays:
        changed = {**arrays, "probabilities": np.log(arrays["probabilities"]) + 3}
    np.savez_compressed(file, **changed)
    text = Page(page(read_run(run.path))).text
    assert "probability the network" not in text
    assert "score of the prediction" in text
    assert "probability the network" in Page(page(record)).text


@pytest.mark.parametrize(("status", "epochs"), [("running", 2), ("interrupted", 1), ("failed", 0)])
def test_an_unfinished_run_has_a_banner_and_what_there_is(tmp_path: Path, status: str, epochs: int) -> None:
    record = make(tmp_path / "run", status=status, epochs=epochs, planned=9)
    record.state["message"] = "the loss is nan at step 7"
    text = page(record)
    seen = Page(text)
    check_self_contained(seen, text)
    assert "This run is not finished" in seen.text
    assert f"{epochs} of 9 epochs" in seen.text
    assert "the loss is nan at step 7" in seen.text
    assert len(seen.find("svg")) == (2 if epochs else 0)
    assert "How to repeat it" in seen.text
    assert "Conv2d" in seen.text


def test_an_experiment_changed_afterwards_is_noticed(tmp_path: Path) -> None:
    record = make(tmp_path / "run")
    (record.path / "experiment.toml").write_text(record.experiment_toml.replace("0.01", "0.02"))
    assert "changed afterwards" in Page(page(read_run(record.path))).text


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
    assert "Side by side" in out.read_text(encoding="utf-8")
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
            with pytest.raises(BadInput, match="nothing is overwritten, choose another --out"):
                write(what, tmp_path / "thesis.html")
        assert (tmp_path / "thesis.html").read_bytes() == content
    run = make(tmp_path / "run", status="interrupted", epochs=0)
    own = run.path / "report.html"
    own.write_bytes(b"<html>a report written before reports said whose they are</html>")
    with pytest.raises(BadInput, match="nothing is overwritten"):
        write([run], own)
    assert write(run, own) == own
    assert pages.GENERATOR in own.read_bytes()
    assert write([run], own) == own
    (tmp_path / "pipe").symlink_to("/dev/null")
    with pytest.raises(BadInput, match="nothing is overwritten"):
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
