"""The report of a verifier, and its run directory read back.

The tests cover its numbers, its sentences, its pictures and what is refused.
"""

import base64
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import fake_run
import fake_verifier
import numpy as np
import pytest
import torch
from page_reading import Page, check_self_contained, denies, missing, numbers, plain, says, wording
from PIL import Image
from sklearn.metrics import auc, confusion_matrix, roc_auc_score
from test_report_page import HOSTILE

import smallvision as sv
from smallvision.console.run import Console, result_table
from smallvision.experiment import load
from smallvision.experiment.task import VerifySpec
from smallvision.rendering import format, style
from smallvision.report.run import curves, series
from smallvision.report.run.page import page, page_of_many
from smallvision.runs.read import RunRecord, read_run
from smallvision.tasks import TASKS, task_of
from smallvision.tasks.verification import error_analysis, section
from smallvision.tasks.verification import wording as verification_words
from smallvision.tasks.verification.pair_galleries import apart, probability
from smallvision.tasks.verification.rates import Curve, curve, threshold_distance
from smallvision.training import run as training_run
from smallvision.training.run import RunOptions
from smallvision.training.user_objects import with_digests

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

DENSE = ("model.head=dense", "task.loss=contrastive", "task.margin=1.0")
COLLAPSED = "the representation has collapsed: nearly all images lie at one place; a lower rate helps"
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "unseen": {"unseen": ("fox", "elk")},
    "dense": {"overrides": DENSE, "unseen": ("fox", "elk")},
    "validation": {
        "split": "validation",
        "overrides": ("protocol.test=never",),
        "alarms": {1: "first", 3: "then", 4: COLLAPSED},
    },
    "faultless": {"spread": 0.05},
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunRecord]:
    folder = tmp_path_factory.mktemp("verifiers")
    return {kind: read_run(fake_verifier.make(folder / kind, **values)) for kind, values in KINDS.items()}


@pytest.fixture(scope="module")
def texts(records: dict[str, RunRecord]) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {kind: page(record) for kind, record in records.items()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fake_verifier.make(tmp_path / "run", unseen=("fox", "elk"))


def arrays_of(record: RunRecord) -> dict[str, np.ndarray]:
    assert record.evidence is not None
    return record.evidence


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_whole_and_says_what_was_measured(
    records: dict[str, RunRecord], texts: dict[str, str], kind: str
) -> None:
    record, arrays, text = records[kind], arrays_of(records[kind]), texts[kind]
    seen = Page(text)
    check_self_contained(seen, text)
    if kind == "unseen":
        assert page(read_run(record.path)) == text
    said = arrays["probabilities"] >= fake_verifier.THRESHOLD
    (reject, falsely), (missed, accept) = confusion_matrix(arrays["same"], said)
    split, right = "validation" if kind == "validation" else "test", reject + accept
    says(
        seen.one("p.verdict").text,
        percent(right / 300),
        "300",
        split,
        "70.00 to 95.00 %",
        "12.50 %",
        f"{roc_auc_score(arrays['same'], arrays['probabilities']):.4f}",
    )
    headline = [one.text for one in (seen.one("header [data-about=guessing]"), *seen.all("header details dl.why dd"))]
    guess, threshold, *_ = (
        next(one for one in headline if not missing(one, *facts)) for facts in (("50 %", "0.5"), ("60.0 %", "500"))
    )
    denies(guess, "60.0 %")
    says(threshold, "8.12 %", percent(accept / 150), percent(falsely / 150))
    at = f"{(fake_verifier.INTERCEPT - np.log(0.6 / 0.4)) / fake_verifier.SLOPE:#.3g}"
    assert bool(missing(threshold, at)) == (kind == "dense")
    function = seen.one("[data-about=function]").text
    says(function, "1 / (1 + exp(−(3 s + 7)))", "60.0 %")
    assert bool(missing(function, at)) == bool(missing(function, "distance")) == (kind == "dense")
    says(
        seen.one("#ask pre.command").text,
        f"smallvision same {record.path.parent.name}/{record.path.name} ONE.png OTHER.png",
    )
    assert "run.same(" in seen.all("#ask pre")[1].text
    figure = seen.one("#roc figure[data-judge]")
    assert (figure["data-judge"], figure["data-side"]) == (
        ("head", "right") if kind == "dense" else ("distance", "left")
    )
    says(seen.one("[data-about=dimensions]").text, "2", "0", "1", "2.0")
    unseen = ["unseen"] if KINDS[kind].get("unseen") else []
    assert [one for one in seen.sections if one in MIDDLE] == [
        "roc",
        "classes",
        *unseen,
        "wrong",
        "right",
        "belief",
        "latent",
        "ask",
    ]
    folded = [one["id"] for one in seen.all("section.folded")]
    assert folded[1:5] == ["right", "belief", "latent", "ask"]
    account = " ".join(one.text for one in seen.all("#wrong dl.why dd"))
    if falsely or missed:
        says(account, f"{falsely + missed} of 300", f"{falsely} of 150", f"{missed} of 150")
    else:
        assert numbers(account) == ["300"]
        assert seen.has("#classes [data-about=no-pairs]")
    empty = [not (falsely, missed, accept, reject)[place] for place in range(4)]
    assert len(seen.all("#right [data-about=no-pair]")) == sum(empty[2:])
    assert len(seen.all("#wrong [data-about=no-pair]")) == sum(empty[:2])
    loss = seen.one("#training").text
    says(loss, "contrastive" if kind == "dense" else "triplet")
    denies(loss, "triplet" if kind == "dense" else "contrastive")
    assert seen.has("[data-about=fitted-here]") == (kind == "validation")
    assert seen.has("[data-about=split]") == (kind == "validation")
    if unseen:
        assert record.result is not None
        found, test = record.result["unseen"], record.result["test"]
        said = seen.one("[data-about=unseen]").text
        says(
            said,
            "300",
            "fox",
            "elk",
            percent(found["pair_accuracy"]),
            percent(found["true_accept"]),
            percent(found["false_accept"]),
            percent(test["pair_accuracy"]),
            f"{found['auc']:.4f}",
            f"{100 * abs(found['pair_accuracy'] - test['pair_accuracy']):.2f}",
        )


MIDDLE = ("ask", "roc", "belief", "classes", "unseen", "wrong", "right", "latent")


def row(seen: Page, selector: str) -> list[str]:
    return [cell.text for cell in seen.one(f"tr[{selector}]").all("td")]


def test_the_tables_hold_the_figures_and_their_intervals(records: dict[str, RunRecord], texts: dict[str, str]) -> None:
    record = records["unseen"]
    assert record.result is not None
    seen, test, new = Page(texts["unseen"]), record.result["test"], record.result["unseen"]
    ends = "70.00 to 95.00 %"
    assert row(seen, "data-figure=pair_accuracy") == [
        "50 %",
        percent(test["pair_accuracy"]),
        ends,
        percent(new["pair_accuracy"]),
        ends,
    ]
    assert row(seen, "data-figure=auc")[:3] == ["0.5", f"{test['auc']:.4f}", "0.8000 to 0.9900"]
    assert row(seen, "data-figure=precision_at_1") == ["–", "90.00 %", "–", "90.00 %", "–"]
    assert row(seen, "data-split=unseen")[0] == percent(new["pair_accuracy"])
    assert row(seen, "data-split=test")[2:5] == [f"{test['auc']:.4f}", "12.50 %", percent(test["calibration_error"])]
    assert [one["data-split"] for one in seen.all("tr[data-split]")] == ["train", "validation", "test", "unseen"]
    assert not seen.has("tr[data-figure=true_accept_1]")
    rates = section.figures_table(
        {"true_accept_1": 0.5, "true_accept_01": 0.25, "intervals": {"true_accept_1": [0.4, 0.6]}}, {}
    )
    assert [(one["key"], one["guess"], one["cells"]) for one in rates] == [
        ("true_accept_1", "1\u202f%", [("50.00\u202f%", "40.00 to 60.00\u202f%")]),
        ("true_accept_01", "0.1\u202f%", [("25.00\u202f%", "–")]),
    ]


def test_the_most_confused_classes_come_first(records: dict[str, RunRecord], texts: dict[str, str]) -> None:
    arrays, seen = arrays_of(records["plain"]), Page(texts["plain"])
    listed = [cells for cells in seen.rows if len(cells) == 6 and cells[0] in fake_verifier.NAMES]
    assert len(seen.all("#classes table")[0].all("tbody tr")) == 5  # before a fold
    assert [row[:2] for row in listed[5:10]] == [row[:2] for row in listed[:5]]
    listed = listed[5:11]
    both = np.array(fake_verifier.NAMES)[arrays["labels"][arrays["pairs"]]]
    wrong = (arrays["probabilities"] >= fake_verifier.THRESHOLD) != (arrays["same"] == 1)
    shares = []
    for one, other, count, missed, share, distance in listed:
        some = np.array([sorted(pair) == sorted((one, one if other == "itself" else other)) for pair in both])
        assert (int(count), int(missed)) == (some.sum(), wrong[some].sum())
        assert float(distance) == pytest.approx(arrays["distances"][some].mean(), rel=5e-3)
        shares.append(float(share.split(format.SPACE)[0]))
        assert shares[-1] == pytest.approx(100 - 100 * wrong[some].mean(), abs=0.05)
    assert shares == sorted(shares)


def pictures(text: str, alt: str) -> list[np.ndarray]:
    """The pictures whose description matches, decoded by Pillow, (C, H, W)."""
    found = [one for one in Page(text).find("img") if re.fullmatch(alt, one["alt"])]
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one["src"].partition(",")[2])))).transpose(2, 0, 1)
        for one in found
    ]


def test_each_picture_is_the_image_it_is_said_to_be(records: dict[str, RunRecord], texts: dict[str, str]) -> None:
    arrays, text = arrays_of(records["plain"]), texts["plain"]
    order = ("wrong_same", "wrong_other", "right_same", "right_other")
    for part, alt in (("pixels", r"test image \d+: \w+"), ("near", r"training image near it: \w+, at .*")):
        kept = np.concatenate([arrays[f"gallery_{kind}_{part}"].reshape(-1, *fake_verifier.SHAPE) for kind in order])
        np.testing.assert_array_equal(pictures(text, alt), kept)
    named = [one["alt"] for one in Page(text).find("img") if one["alt"].startswith("test image")]
    index = np.concatenate([arrays["pairs"][arrays[f"gallery_{kind}"]].reshape(-1) for kind in order])
    assert named == [f"test image {i}: {fake_verifier.NAMES[arrays['labels'][i]]}" for i in index]
    near = [
        one["alt"].split(": ")[1].split(",")[0]
        for one in Page(text).find("img")
        if one["alt"].startswith("training image near")
    ]
    assert near == [fake_verifier.NAMES[i] for kind in order for i in arrays[f"gallery_{kind}_near_labels"].reshape(-1)]
    others = sum(
        (
            arrays[f"gallery_{kind}_near_labels"]
            != arrays["labels"][arrays["pairs"][arrays[f"gallery_{kind}"]]][..., None]
        ).sum()
        for kind in order
    )
    assert [one.get("class") for one in Page(text).find("li")].count("other") == others > 0


BELIEFS = {  # by what is said of the probabilities: calibration errors and probabilities of a pair of each kind
    "good": [(0.004, [0.9, 0.1]), (0.02, [0.98, 0.02])],
    "rough, underconfident": [(0.03, [0.98, 0.02]), (0.05, [0.9, 0.2])],
    "rough, as sure as right": [(0.03, [0.999, 0.001]), (0.05, [0.998, 0.004])],
    "bad, too sure": [(0.2, [0.3, 0.01]), (0.051, [0.4, 0.1])],
    "bad, underconfident": [(0.2, [0.7, 0.3]), (0.3, [0.6, 0.3])],
    "no use": [(0.0, [0.5, 0.5]), (0.3, [0.204, 0.2])],
}


def test_whether_probabilities_can_be_believed() -> None:
    """What is said is the same for errors of one kind, and another thing for each kind."""
    said = {
        kind: [verification_words.belief(error, None, np.array(likely), np.array([1, 0])) for error, likely in some]
        for kind, some in BELIEFS.items()
    }
    for kind, some in BELIEFS.items():
        assert len({wording(text) for text in said[kind]}) == 1, kind
        for text, (error, likely) in zip(said[kind], some, strict=True):
            right = np.mean((np.array(likely) >= 0.5) == np.array([True, False]))
            sure = np.mean([max(one, 1 - one) for one in likely])
            if kind not in ("good", "no use"):
                assert verification_words.SURE[int(np.sign(round(sure - right, 2)))] in text
            says(
                text,
                f"{100 * error:.2f} %",
                *([] if kind in ("good", "no use") else [f"{100 * sure:.1f} %", f"{100 * right:.1f} %"]),
            )
    assert len({wording(some[0]) for some in said.values()}) == len(BELIEFS)


def test_guessing_is_named_where_a_verifier_is_not_shown_to_do_better() -> None:
    worse, better, unknown = (verification_words.guessing(0.5, ends) for ends in ([0.49, 0.62], [0.51, 0.62], None))
    assert better == unknown
    assert worse.startswith(better)
    assert len(worse) > len(better)
    says(verification_words.guessing(0.25, None), "75 %")


def test_how_the_threshold_was_chosen() -> None:
    verifier = {"threshold": 0.5, "false_accept": 0.0093, "pairs": 20000}
    asked, equal = (verification_words.threshold(verifier, *rest) for rest in ((0.01, None), (0.0, 1.25)))
    says(asked, "50.0 %", "20 000", "1.00 %", "0.93 %")
    denies(asked, "distance")
    says(equal, "50.0 %", "20 000", "0.93 %", "1.25", "distance")
    denies(equal, "0.00 %")


def told(
    labels: list[int], pairs: list[tuple[int, int]], likely: list[float], near: dict[str, list[Any]] | None = None
) -> list[str]:
    """The account of made-up answers, a text for each thing that it is about.

    The classes are a, b and c, and the threshold is at 0.5, a distance of 1.
    """
    found, which = np.array(labels), np.array(pairs)
    probabilities = np.array(likely)
    evidence = {
        "labels": found,
        "pairs": which,
        "same": (found[which[:, 0]] == found[which[:, 1]]).astype(np.int64),
        "probabilities": probabilities,
        "distances": 2 * (1 - probabilities),
    }
    for kind, rows in (near or {}).items():
        which, labels_ = zip(*rows, strict=True)
        evidence |= {f"gallery_{kind}": np.array(which), f"gallery_{kind}_near_labels": np.array(labels_)}
    out = error_analysis.account(evidence, ["a", "b", "c"], 0.5, 1.0)
    return [plain(" ".join(sentences)) for _, sentences in out]


def test_why_wrong_answers_are_wrong() -> None:
    labels = [0, 0, 1, 1, 2, 2]
    pairs = [(0, 2), (1, 3), (0, 4), (2, 4), (0, 1), (2, 3), (4, 5), (1, 5)]
    likely = [0.9, 0.8, 0.7, 0.54, 0.1, 0.46, 0.9, 0.2]  # the first four are of two classes and taken for one
    near = {
        "wrong_same": [
            (0, [[1, 1, 0], [1, 1, 1]]),
            (1, [[0, 0, 0], [1, 1, 0]]),
            (2, [[1, 1, 1], [2, 2, 2]]),
            (3, [[0, 1, 2], [2, 2, 2]]),
        ],
        "wrong_other": [(4, [[0, 0, 0], [2, 2, 1]]), (5, [[1, 1, 2], [1, 1, 1]])],
    }
    found = told(labels, pairs, likely, near)
    every, falsely, missed = found
    # Of 8 pairs 6 are wrong: 4 of the 5 of two classes, and 2 of the 3 of one class.
    # Of these 6, 2 lie within 10 % of the threshold's distance.
    assert numbers(every)[:9] == ["6", "8", "4", "5", "2", "3", "2", "6", "10"]
    assert numbers(falsely)[:6] == ["2", "2", "1", "2", "1", "1"]  # of a and b, of a and c, of b and c
    assert falsely.index("a and b") < falsely.index("a and c") < falsely.index("b and c")
    assert numbers(falsely)[6:9] == ["0.500", "50", "1.00"]
    assert numbers(falsely)[9:] == ["4", "2", "1", "1"]  # of the 4 shown: why in 2, in 1 and in 1
    assert numbers(missed) == ["1", "1", "1", "1", "1.44", "144", "1.00", "2", "1", "1"]
    reasons = [wording(one) for text in (falsely, missed) for one in text.rpartition(". ")[2].split(";")]
    assert len(set(reasons)) == 5


def test_a_few_images_in_most_wrong_pairs_are_named() -> None:
    labels = [0, *[1] * 12]
    some = told(labels, [(0, i) for i in range(1, 9)] + [(1, 2), (11, 12)], [0.9] * 8 + [0.1, 0.8])[0]
    assert numbers(some)[-3:] == ["8", "9", "0"]
    all_ = told(labels, [(0, i) for i in range(1, 9)] + [(1, 2)], [0.9] * 9)[0]
    assert numbers(all_)[-2:] == ["8", "0"]
    spread = [(2 * i, 2 * i + 1) for i in range(6)]
    without = told([0, 1] * 6, [*spread, (0, 2)], [0.9] * 7)[0]
    assert wording(all_).startswith(wording(without)[:-1])
    assert len(wording(all_)) > len(wording(without))


def test_many_pairs_of_classes_are_told_by_the_most_frequent() -> None:
    labels = [i % 5 for i in range(40)]
    pairs = [(0, 1), (5, 6), (10, 11), (0, 2), (5, 7), (1, 3), (2, 4), (3, 4), (8, 9), (13, 14)]
    likely = [0.9] * 8 + [0.1, 0.1]
    found = told(labels, pairs, likely)[1]
    # classes 0 and 1 three times, 0 and 2 twice, then 1 and 3 before 2 and 4 and 3 and 4: 6 of 8 wrong, 6 of 10 in all
    assert numbers(found)[:9] == ["75", "3", "3", "2", "2", "3", "1", "1", "60"]
    assert found.index("a and b") < found.index("a and c") < found.index("b and 3")


CERTAIN = [(0.0, "0.0 %"), (0.0004, "< 0.1 %"), (0.0006, "0.1 %"), (0.9999, "> 99.9 %"), (1.0, "100.0 %")]


@pytest.mark.parametrize(("value", "text"), CERTAIN)
def test_nothing_that_only_rounds_to_certainty_is_called_certain(value: float, text: str) -> None:
    assert probability(value).replace(format.SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.00"), (0.0123456, "0.0123"), (35.26, "35.3"), (0.0, "0.00"), (12345.6, "12 346")]
)
def test_distances_have_three_digits(value: float, text: str) -> None:
    assert apart(value).replace(format.SPACE, " ") == text


def test_loss_and_scores_never_share_an_axis(records: dict[str, RunRecord]) -> None:
    metrics, score = records["plain"].metrics, TASKS["verify"].metric
    figure = curves.curves(metrics, "loss (triplet)", score, beside=(section.AUC,))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss (triplet)", "accuracy on pairs (%)", "AUC"]
    shown = (("train", "loss", 1), ("validation", "pair_accuracy", 100), ("validation", "auc", 1))
    for axes, (split, key, scale) in zip(figure.axes, shown, strict=True):
        assert [line.get_label() for line in axes.lines] == [style.SPLITS[split][3]]
        np.testing.assert_allclose(axes.lines[0].get_ydata(), [scale * one[split][key] for one in metrics])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "train (average while training)",
        "validation",
    ]
    assert [list(one) for one in series.minimised(metrics, score)] == [
        [key for key in one if key != "validation"] for one in metrics
    ]
    assert [axes.get_ylabel() for axes in sv.open_run(records["plain"].path).curves().axes] == [
        "loss (triplet)",
        "accuracy on pairs (%)",
    ]
    classified = [{"train": {"loss": 1.0, "accuracy": 0.5}, "test": {"loss": 2.0, "accuracy": 0.5}}]
    assert series.minimised(classified, TASKS["classify"].metric) == classified
    drawn = {
        line.get_label()
        for line in curves.loss_curve(records["plain"].steps, series.minimised(metrics, score)).axes[0].lines
    }
    assert "validation" not in drawn


@pytest.mark.parametrize(
    ("head", "task", "name"),
    [
        ("distance", {"loss": "triplet"}, "loss (triplet)"),
        ("dense", {"loss": "contrastive"}, "loss (contrastive + the head's)"),
        ("distance", {"loss": "metric.MultiSimilarityLoss"}, "loss (metric.MultiSimilarityLoss)"),
        ("dense", {"loss": "cross-entropy"}, "cross-entropy (nats)"),
        ("dense", {"loss": "cross-entropy", "weight_penalty": 0.1}, "cross-entropy with penalties (nats)"),
    ],
)
def test_the_loss_is_named(head: str, task: dict[str, Any], name: str) -> None:
    experiment = load("digits-siamese")
    model = experiment.model.model_copy(update={"head": head})
    asked = VerifySpec.model_validate({"kind": "verify", **task})
    changed = experiment.model_copy(update={"task": asked, "model": model})
    assert task_of(changed).loss_name(changed) == name


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = [name.replace("\x00", "") for name in HOSTILE]  # numpy's text ends at a null byte
    record = read_run(
        fake_verifier.make(
            tmp_path / "run", classes=names, unseen=names[::-1][:4], alarms={1: "<script>alert(2)</script>"}
        )
    )
    text = page(record)
    seen = Page(text)
    check_self_contained(seen, text)
    assert "<script" not in text
    assert "{{ 7 * 7 }}" in seen.text
    text.encode()


def test_an_alarm_is_a_banner_with_its_epochs(texts: dict[str, str]) -> None:
    seen = Page(texts["validation"])
    first, then = (one.text for one in seen.all(".banner[data-about=alarm]"))
    says(first, "1", "first")
    says(then, "3", "4", COLLAPSED)
    assert not Page(texts["plain"]).has(".banner")


def test_a_collapsed_verifier_is_shown_as_what_it_is(run: Path) -> None:
    with np.load(run / "evidence.npz") as old:
        arrays = dict(old)
    flat: dict[str, np.ndarray] = {
        f"{part}{name}": np.full_like(arrays[f"{part}{name}"], value)
        for part in ("", "unseen_")
        for name, value in (("distances", 0.0), ("probabilities", 0.5))
    }
    galleries: dict[str, None] = dict.fromkeys(name for name in arrays if name.startswith("gallery_"))
    fake_verifier.changed(run, **flat, **galleries, scores=np.zeros(300), reliability=np.array([[0.5, 0.5, 300.0]]))
    result = json.loads((run / "result.json").read_text())
    test = {
        **result["test"],
        "pair_accuracy": 0.5,
        "auc": 0.5,
        "equal_error": 0.5,
        "calibration_error": 0.0,
        "intervals": {"pair_accuracy": [0.5, 0.5]},
    }
    fake_verifier.change(
        run / "result.json",
        test=test,
        verifier={**result["verifier"], "slope": 0.0, "intercept": 0.0, "threshold": 0.5},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = page(read_run(run))
    check_self_contained(Page(text), text)
    seen = Page(text)
    headline = [one.text for one in (seen.one("header [data-about=guessing]"), *seen.all("header details dl.why dd"))]
    assert plain(verification_words.guessing(0.5, [0.5, 0.5])) in headline
    assert wording(verification_words.belief(0.0, np.ones((1, 3)), np.full(2, 0.5), np.array([1, 0]))) in map(
        wording, headline
    )
    assert seen.one("#roc figure[data-judge]")["data-side"] == "none"
    says(" ".join(one.text for one in seen.all("#wrong dl.why dd")), "150 of 300", "150 of 150", "0 of 150", "10")
    assert "right" not in seen.sections  # no images were kept


def test_an_unfinished_run_and_runs_of_two_tasks_side_by_side(tmp_path: Path, records: dict[str, RunRecord]) -> None:
    unfinished = read_run(fake_verifier.make(tmp_path / "unfinished", status="interrupted", epochs=2))
    text = page(unfinished)
    check_self_contained(Page(text), text)
    says(Page(text).one("[data-about=progress]").text, "2", "70.00 %", "validation")
    begun = read_run(fake_verifier.make(tmp_path / "begun", status="interrupted", epochs=1))
    begun.metrics.clear()
    begun.steps.clear()
    text = page(begun)
    check_self_contained(Page(text), text)
    other = read_run(fake_run.make(tmp_path / "other", epochs=2, steps_per_epoch=20, count=100, shape=(1, 8, 8)))
    both = page_of_many([records["plain"], other])
    seen = Page(both)
    check_self_contained(seen, both)
    assert seen.rows[0][5] not in (TASKS["verify"].metric.name, TASKS["classify"].metric.name)
    assert records["plain"].result is not None
    assert seen.rows[1][5:7] == [
        f"{100 * records['plain'].result['test']['pair_accuracy']:.2f}\u202f%",
        "70.00 to 95.00\u202f%",
    ]


def test_other_reports_have_nothing_of_it(tmp_path: Path) -> None:
    text = page(read_run(fake_run.make(tmp_path / "run", epochs=2, steps_per_epoch=20, count=100, shape=(1, 8, 8))))
    assert ".couple" not in text
    assert not set(Page(text).sections) & {"ask", "roc", "belief", "unseen", "wrong", "right", "latent"}


def test_a_table_in_the_terminal_has_every_split(records: dict[str, RunRecord]) -> None:
    record = records["unseen"]
    assert record.result is not None
    out = io.StringIO()
    Console(file=out, width=80).print(result_table(TASKS["verify"], record.result, "fake"))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[4:8]] == ["train", "validation", "test", "unseen"]
    test = record.result["test"]
    figures_ = [f"{100 * test['pair_accuracy']:.2f}", "%", "70.00", "-", "95.00", "%", f"{test['auc']:.4f}", "12.50%"]
    assert lines[6].split()[2:10] == figures_
    says(out.getvalue(), "60.0%", "500")
    assert max(map(len, lines)) <= 80


def test_a_run_that_was_trained_is_shown(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    experiment = load(
        "digits-siamese",
        ["recipe.epochs=1", "data.unseen_classes=[8,9]", "recipe.classes_per_batch=8", "data.limit=600"],
    )
    list(
        training_run.run(
            with_digests(experiment, None, None, None),
            RunOptions(tmp_path / "run", device="cpu", threads=1, command=("smallvision",)),
        )
    )
    torch.set_num_threads(before)
    record = read_run(tmp_path / "run")
    text, arrays = page(record), arrays_of(record)
    seen = Page(text)
    check_self_contained(seen, text)
    assert record.result is not None
    test, verifier = record.result["test"], record.result["verifier"]
    says(seen.one("p.verdict").text, percent(test["pair_accuracy"]), format.whole(test["pairs"]), "test")
    found = curve(arrays["probabilities"], arrays["same"])
    assert auc(found.false_accepts, found.true_accepts) == pytest.approx(test["auc"], abs=1e-9)
    assert found.equal == pytest.approx(test["equal_error"], abs=1e-9)
    at = threshold_distance(verifier)
    assert at is not None
    said = arrays["probabilities"] >= verifier["threshold"]
    assert arrays["distances"][said].max() <= at * (1 + 1e-9) < arrays["distances"][~said].min() * (1 + 2e-9)
    assert "unseen" in seen.sections
    assert isinstance(found, Curve)
