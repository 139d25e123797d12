"""What a finished run says of its own score: on small runs in which something is wrong, and not on healthy ones."""

import json
import warnings as warnings_of_python
from dataclasses import replace

import numpy as np
import pytest
from page_reading import Page
from rich.console import Console
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import smallvision as sv
from smallvision.comparison.runs import compare
from smallvision.console import run as display
from smallvision.data.load import from_arrays
from smallvision.experiment import load
from smallvision.metrics.classification import balanced_accuracy, per_class, uneven
from smallvision.report.comparison import page as comparison_page
from smallvision.report.run.page import page, page_of_many
from smallvision.runs.listing import list_runs
from smallvision.tasks import task_of, warnings
from smallvision.training import run as training
from smallvision.training.evaluate_on_test import evaluate_on_test
from smallvision.training.user_objects import with_digests

MLP = ["data={source='arrays'}", "model={kind='mlp', widths=[8]}"]


def images(rng, counts, side=6):
    """Noise in which the rows of class k are bright, so that it is quickly learned, and labels."""
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = rng.integers(0, 100, (len(labels), side, side), dtype=np.uint8)
    for place, label in enumerate(labels):
        pixels[place, label] = 250
    return pixels, labels.astype(np.int64)


def run(path, arrays, *overrides, name="digits", seed=0):
    asked = with_digests(load(name, [*MLP, "recipe={epochs=2, batch_size=16}", *overrides]), None, None, None)
    options = training.RunOptions(path, seed=seed, device="cpu", threads=1)
    splits = from_arrays(asked.data, arrays)
    list(training.run(asked, options, passed=training.UserObjects(splits)))
    return sv.open_run(path)


def arrays_of(rng, train, test=None, validation=None):
    out = dict(zip(("x_train", "y_train"), images(rng, train), strict=True))
    for suffix, counts in (("test", test), ("val", validation)):
        if counts is not None:
            out |= dict(zip((f"x_{suffix}", f"y_{suffix}"), images(rng, counts), strict=True))
    return out


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    arrays = arrays_of(np.random.default_rng(0), [40, 40, 40], [30, 30, 30], [20, 20, 20])
    return run(tmp_path_factory.mktemp("healthy") / "run", arrays, "recipe.epochs=8", "recipe.learning_rate=0.2")


@pytest.fixture(scope="module")
def lopsided(tmp_path_factory):
    """1 000 images of one class and 10 of another, trained so little that only the first is answered."""
    arrays = arrays_of(np.random.default_rng(1), [1000, 10], [1000, 10], [100, 1])
    return run(tmp_path_factory.mktemp("lopsided") / "run", arrays, "recipe.learning_rate=0.02")


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Seven test images are training images, two of them under another label; one validation image is, too."""
    arrays = arrays_of(np.random.default_rng(2), [40, 40], [30, 30], [20, 20])
    arrays["x_test"][[0, 3, 5, 7, 9]] = arrays["x_train"][:5]
    arrays["x_test"][[10, 11]] = arrays["x_train"][60:62]
    arrays["x_val"][2] = arrays["x_train"][17]
    return run(tmp_path_factory.mktemp("copied") / "run", arrays)


def kinds(done):
    return [one.kind for one in warnings.of_run(done.record, task_of(done.experiment))]


def changed(done, result=None, metrics=None, **fields):
    """The same run, with parts of its files changed."""
    new = {**done.record.result, **(result or {})}
    return replace(done.record, result=new, metrics=metrics or done.record.metrics, **fields)


def said(record):
    return [one.text for one in warnings.of_run(record, task_of(record.experiment))]


def test_balanced_accuracy_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for counts in ([5, 1, 9], [0, 4, 3], [1, 0, 0], [7, 7, 7]):
        labels = rng.permutation(np.repeat(np.arange(3), counts))
        answers = rng.integers(0, 3, len(labels))
        with warnings_of_python.catch_warnings():
            warnings_of_python.simplefilter("ignore")  # that answers have classes which the labels have not
            expected = balanced_accuracy_score(labels, answers)
        assert balanced_accuracy(labels, answers) == pytest.approx(expected)
        taken = [row["predicted"] for row in per_class(labels, answers, ("a", "b", "c"))]
        assert taken == [(answers == k).sum() for k in range(3)]


@pytest.mark.parametrize(
    ("counts", "expected"), [([2, 3], False), ([19, 30], True), ([20, 30], False), ([1000, 10], True), ([0, 1], True)]
)
def test_classes_differ_where_the_smallest_has_less_than_two_thirds_of_the_largest(counts, expected):
    assert uneven(np.array(counts)) is expected


def test_a_healthy_run_says_nothing(healthy):
    assert healthy.warnings == ()
    assert "warning" not in repr(healthy)
    assert "balanced" not in repr(healthy)
    assert healthy.result["test"]["copies"] == {"images": 0, "other_label": 0}
    assert "balanced_accuracy" not in healthy.result["test"]


def test_copies_are_counted_and_the_score_on_the_rest_stands_beside(copied):
    evidence, found = copied.record.evidence, copied.result["test"]["copies"]
    rest = np.setdiff1d(np.arange(60), [0, 3, 5, 7, 9, 10, 11])
    expected = accuracy_score(evidence["labels"][rest], evidence["predictions"][rest])
    assert found == {"images": 7, "other_label": 2, "rest": {"count": 53, "accuracy": pytest.approx(expected)}}
    assert copied.result["validation"]["copies"]["images"] == 1
    line = (
        "7 of 60 test images are copies of training images (2 with a different label); accuracy on the 53 images "
        f"without them: {100 * expected:.2f} %"
    )
    assert line in copied.warnings
    assert any(text.startswith("1 of 40 validation images is a copy of a training image;") for text in copied.warnings)
    assert line in repr(copied)


def test_every_image_a_copy(tmp_path):
    arrays = arrays_of(np.random.default_rng(3), [20, 20], [1, 1])
    arrays |= {"x_test": arrays["x_train"][[0, 39]], "y_test": arrays["y_train"][[0, 39]]}
    done = run(tmp_path / "run", arrays)
    assert (
        "2 of 2 test images are copies of training images, so the score says nothing about new images; use other images"
    ) in (done.warnings)


def test_an_accuracy_that_the_largest_class_gives_is_not_silent(lopsided):
    evidence, row = lopsided.record.evidence, lopsided.result["test"]
    assert row["balanced_accuracy"] == balanced_accuracy_score(evidence["labels"], evidence["predictions"]) == 0.5
    assert row["majority"] == row["accuracy"] == 1000 / 1010
    assert kinds(lopsided) == ["class never predicted", "no better than guessing"]
    assert lopsided.warnings[0].startswith('class "1" is never predicted (10 of 1,010 test images); ')
    assert (
        "the test accuracy of 99.01 % (98.19 to 99.46 %) is not clearly better than always answering"
        in lopsided.warnings[1]
    )
    assert "test accuracy 99.01%, balanced accuracy 50.00%, largest class 99.01%" in repr(lopsided)
    (listed,) = list_runs(lopsided.path.parent)
    assert listed["test_score"] == "accuracy 99.01 %, balanced accuracy 50.00 %, largest class 99.01 %"


def test_a_terminal_shows_both_in_every_row_and_while_training(lopsided):
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(display.result_table(task_of(lopsided.experiment), lopsided.result, "lopsided"))
        display.say_warnings(lopsided.warnings, console)
    text = captured.get()
    (row,) = (line for line in text.splitlines() if line.strip().startswith("test"))
    assert row.split()[-4:] == ["50.00", "%", "99.01", "%"]
    assert text.count("warning: ") == 2
    assert lopsided.record.metrics[-1]["validation"]["balanced_accuracy"] == 0.5


def test_runs_of_earlier_versions_have_it_from_the_figures_of_each_class(lopsided):
    old = {key: value for key, value in lopsided.result["test"].items() if key not in ("balanced_accuracy", "majority")}
    task = task_of(lopsided.experiment)
    assert task.beside(old) == pytest.approx(task.beside(lopsided.result["test"]))
    without = {key: value for key, value in old.items() if key != "per_class"}
    assert task.beside(without) == {}


def test_a_score_is_a_guess_where_its_interval_reaches_the_largest_class(healthy):
    from scipy.stats import binomtest

    for right in range(30, 60):
        ends = binomtest(right, 90).proportion_ci(0.95, method="wilson")
        row = {**healthy.result["test"], "accuracy": right / 90, "accuracy_interval": [ends.low, ends.high]}
        record = changed(healthy, {"test": row})
        guessed = [one for one in warnings.of_run(record, task_of(record.experiment)) if "guessing" in one.kind]
        assert bool(guessed) == (ends.low <= 30 / 90)


def test_a_class_without_a_validation_image_is_named(tmp_path):
    arrays = arrays_of(np.random.default_rng(4), [40, 40, 1], [20, 20, 20])
    done = run(tmp_path / "one", arrays, "data.validation=0.1")
    assert (
        'no validation image is of class "2", which has a single image, used for training; add images of it, or '
        "leave it out (data.classes)" in done.warnings
    )
    assert done.result["class_counts"] == {"train": [36, 36, 1], "validation": [4, 4, 0], "test": [20, 20, 20]}
    arrays = arrays_of(np.random.default_rng(4), [40, 40, 3, 2], [20, 20, 20, 0])
    done = run(tmp_path / "few", arrays, "data.validation=0.1")
    assert (
        'no validation image is of 2 classes ("2", "3"), which have at most 3 training images; add images of them, or '
        "raise data.validation (0.1)" in done.warnings
    )
    assert 'no test image is of class "3", so the score says nothing about it; add test images of it' in done.warnings


@pytest.mark.slow
def test_runs_without_test_images_say_so_and_how_to_give_some(tmp_path):
    arrays = arrays_of(np.random.default_rng(5), [40, 40], None, [30, 30])
    done = run(tmp_path / "run", arrays, "recipe.epochs=8", "recipe.learning_rate=0.2")
    assert done.warnings == (
        "there are no test images, so the score is that of the validation images; pass some as x_test and y_test",
    )
    never = run(tmp_path / "never", arrays, "recipe.epochs=8", "recipe.learning_rate=0.2", "protocol.test=never")
    assert never.warnings == ()


@pytest.mark.slow
def test_a_page_says_the_same_as_the_terminal(healthy, copied, lopsided, tmp_path):
    found = Page(page(healthy.record))
    assert not found.all("p[data-about=warning]")
    assert "No validation or test image is a copy" in found.one("li[data-about=copies]").text
    found = Page(page(copied.record))
    shown = [one.text for one in found.all("p[data-about=warning]")]
    assert shown == [f"{text[0].upper()}{text[1:]}." for text in copied.warnings]
    assert not found.all("li[data-about=copies]")
    found = Page(page_of_many([lopsided.record, healthy.record]))
    shown = [one.text for one in found.all("p[data-about=warning]")]
    assert shown == [f"{text[0].upper()}{text[1:]}." for text in lopsided.warnings]
    assert "balanced accuracy 50.00 %, largest class 99.01 %" in found.one("p[data-about=beside]").text
    assert "50.00" in found.all("tr[data-split=test]")[0].text
    arrays = arrays_of(np.random.default_rng(5), [40, 40], None, [30, 30])
    found = Page(page(run(tmp_path / "run", arrays).record))
    assert "This run has no test split; pass some as x_test and y_test." in found.one("p[data-about=split]").text
    assert not any("no test images" in one.text for one in found.all("p[data-about=warning]")), "it is said once"


def losses(done, train, validation=None):
    """The epochs of a run with these losses."""
    rows = []
    for number, loss in enumerate(train):
        base = {**done.record.metrics[0], "epoch": number + 1}
        base["train"] = {**base["train"], "loss": loss}
        if validation:
            base["validation"] = {**base["validation"], "loss": validation[number]}
        rows.append(base)
    return rows


def test_a_loss_that_grew_is_told(healthy):
    record = changed(
        healthy, {"selected": {"epoch": 3, "by": "last"}}, losses(healthy, [0.7, 2.0, 0.9], [0.5, 0.5, 0.5])
    )
    assert said(record) == [
        "the training loss grew, from 0.7 in epoch 1 to 0.9 in epoch 3; lower recipe.learning_rate (it was 0.2), or "
        "set recipe.clip"
    ]
    overfitted = losses(healthy, [0.7, 0.5, 0.3], [0.5, 0.4, 0.6])
    record = changed(healthy, {"selected": {"epoch": 3, "by": "last"}}, overfitted)
    assert said(record) == [
        "the validation loss grew after epoch 2, from 0.4 to 0.6 in epoch 3, whose weights were kept; set "
        'recipe.select = "best-validation", or train for fewer epochs'
    ]
    assert said(changed(healthy, {"selected": {"epoch": 2, "by": "best-validation"}}, overfitted)) == []
    slightly = losses(healthy, [0.7, 0.5, 0.705], [0.5, 0.4, 0.49])
    assert said(changed(healthy, {"selected": {"epoch": 3, "by": "last"}}, slightly)) == []


def test_a_loss_that_grew_within_a_single_epoch_is_told(healthy):
    def one(values):
        lines = [{"epoch": 1, "step": 1, "examples": 1, "loss": values, "seconds": 1.0}]
        return changed(healthy, {"selected": {"epoch": 1, "by": "last"}}, losses(healthy, [0.7], [0.5]), steps=lines)

    assert said(one(np.linspace(0.5, 3, 40).tolist()))[0].startswith("the training loss grew, from 0.78")
    assert said(one(np.linspace(3, 0.5, 40).tolist())) == []
    assert said(one([0.5, 3.0])) == [], "two steps tell nothing"


@pytest.mark.slow
def test_a_comparison_says_it_of_the_images_once_and_of_each_side(tmp_path, copied, lopsided):
    rng = np.random.default_rng(6)
    arrays = arrays_of(rng, [200, 10], [200, 10], [40, 4])
    arrays["x_test"][:3] = arrays["x_train"][:3]
    for width in (8, 4):
        run(tmp_path / str(width), arrays, f"model.widths=[{width}]", "recipe.learning_rate=0.01")
    found = compare([tmp_path / "8", tmp_path / "4"])
    texts = found.warnings
    assert texts.count("3 of 210 test images are copies of training images") == 1
    assert sum("never predicted" in text for text in texts) == 2
    assert all("validation" not in text for text in texts)
    assert list(found.beside(found.sides[0])) == ["balanced accuracy", "largest class"]
    console = Console(width=200)
    with console.capture() as captured:
        console.print(display.comparison_table(found))
    assert captured.get().count("50.00") == 2

    # the page
    shown = Page(comparison_page.page(found, found.answers, {}))
    assert len(shown.all("p[data-about=warning]")) == len(texts)
    assert "balanced accuracy 50.00" in shown.one("table.cases").text


def test_many_runs_share_a_line(healthy):
    low = {**healthy.result["test"], "accuracy_interval": [0.3, 0.4]}
    record = changed(healthy, {"test": low})
    named = [(f"case {number}", record) for number in range(5) for _ in range(2)]
    (line,) = warnings.of_many(named, task_of(record.experiment))
    assert line.startswith(
        "no better than guessing, in 5 of 5 (case 0, case 1, case 2 and 2 more); case 0: the test accuracy"
    )
    (line,) = warnings.of_many([*named[:2], ("other", healthy.record)], task_of(record.experiment))
    assert line.startswith("case 0 (2 of 2 runs): the test accuracy")
    assert warnings.of_many(named, task_of(record.experiment), ("validation",)) == []


def test_copies_of_the_test_split_are_counted_when_it_is_scored_later(tmp_path):
    arrays = arrays_of(np.random.default_rng(7), [40, 40], [30, 30], [20, 20])
    arrays["x_test"][4] = arrays["x_train"][4]
    done = run(tmp_path / "run", arrays, "protocol.test=never")
    assert done.result["validation"]["copies"] == {"images": 0, "other_label": 0}
    evaluate_on_test(tmp_path / "run", device_name="cpu", splits=from_arrays(done.experiment.data, arrays))
    later = sv.open_run(tmp_path / "run")
    assert later.result["test"]["copies"]["images"] == 1
    assert later.result["class_counts"] == {"train": [40, 40], "validation": [20, 20], "test": [30, 30]}
    assert json.loads((tmp_path / "run" / "result.json").read_text())["test"]["copies"]["rest"]["count"] == 59


AUTOENCODER = ["model={kind='mlp-autoencoder', widths=[16], representation=4}", "task={kind='reconstruct'}"]


@pytest.mark.slow
def test_an_autoencoder_is_judged_on_the_rest_and_against_the_mean_image(tmp_path):
    arrays = arrays_of(np.random.default_rng(8), [60, 60], [30, 30], [20, 20])
    arrays["x_test"][:4] = arrays["x_train"][:4]
    done = run(tmp_path / "run", arrays, *AUTOENCODER, "recipe.learning_rate=1e-6")
    mean = arrays["x_train"].mean(0) / 255
    expected = np.square(arrays["x_test"] / 255 - mean).mean()
    assert done.result["test"]["mean_image_mse"] == pytest.approx(expected, rel=1e-9)
    rest = done.result["test"]["copies"]["rest"]
    assert rest["count"] == 56
    assert rest["mse"] == pytest.approx(done.record.evidence["mse"][4:].mean(dtype=np.float64))
    assert kinds(done) == ["copies", "no better than guessing"]
    trained = run(
        tmp_path / "good",
        arrays,
        *AUTOENCODER,
        "recipe.epochs=40",
        "recipe.learning_rate=0.01",
        "recipe.optimizer=adam",
    )
    assert kinds(trained) == ["copies"]


SIAMESE = [
    "model={kind='siamese', encoder={experiment='digits'}, weights='fresh', representation=4}",
    "task={kind='verify', pairs=100}",
    "recipe={epochs=1, batch_size=16, order='classes', classes_per_batch=2, images_per_class=8, learning_rate=1e-6}",
]


@pytest.mark.slow
def test_a_verifier_is_judged_on_pairs_without_copies_and_against_chance(tmp_path):
    rng = np.random.default_rng(9)
    arrays = {}
    for suffix, count in (("train", 40), ("test", 60), ("val", 60)):
        arrays[f"x_{suffix}"] = rng.integers(0, 256, (2 * count, 8, 8), dtype=np.uint8)  # nothing to be learned
        arrays[f"y_{suffix}"] = np.repeat([0, 1], count)
    arrays["x_test"][:6] = arrays["x_train"][:6]
    done = run(tmp_path / "run", arrays, *SIAMESE, name="digits-siamese")
    evidence, threshold = done.record.evidence, done.verifier["threshold"]
    kept = [place for place, pair in enumerate(evidence["pairs"]) if min(pair) >= 6]
    right = (evidence["probabilities"][kept] >= threshold) == (evidence["same"][kept] == 1)
    assert done.result["test"]["copies"] == {
        "images": 6,
        "other_label": 0,
        "rest": {"count": len(kept), "pair_accuracy": pytest.approx(right.mean())},
    }
    assert f"on the {len(kept)} pairs without them" in done.warnings[0]
    assert kinds(done)[1] == "no better than guessing"
    whole = (evidence["probabilities"] >= threshold) == (evidence["same"] == 1)
    assert done.result["test"]["pair_accuracy"] == pytest.approx(whole.mean()), "the same rule for all pairs"
