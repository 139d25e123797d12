"""A verifier's run from end to end.

What it wrote is recomputed by scikit-learn and brute force. Other tests cover resuming, later evaluation on the test
split, collapse and refusals.
"""

import shutil

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

import smallvision as sv
from smallvision.data import load as images
from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec, load
from smallvision.probing import run as probing
from smallvision.runs import evidence as checks
from smallvision.runs import probes
from smallvision.runs.read import read_run
from smallvision.tasks import TASKS
from smallvision.training import run as training_run
from smallvision.training.evaluate_on_test import evaluate_on_test
from smallvision.training.run import EpochRecord, RunOptions
from smallvision.training.user_objects import with_digests

pytestmark = pytest.mark.slow

SHORT = ["recipe.epochs=2", "data.limit=600"]
UNSEEN = ["data.unseen_classes=[7, 8, 9]", "recipe.classes_per_batch=7"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def without_report(monkeypatch):
    """Reports, which have tests of their own, take longer than these runs."""
    monkeypatch.setattr(sv.Run, "report", lambda _: None)


def asked(*overrides):
    return with_digests(load("digits-siamese", [*SHORT, *overrides]), None, None, None)


def run(path, *overrides):
    events = list(training_run.run(asked(*overrides), RunOptions(path, seed=3, device="cpu", threads=1)))
    return sv.open_run(path), events


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run with classes that it never saw."""
    return run(tmp_path_factory.mktemp("runs") / "unseen", *UNSEEN)[0]


@pytest.fixture(scope="module")
def never(tmp_path_factory):
    """A finished run that has not met the test split; a dense head."""
    return run(tmp_path_factory.mktemp("runs") / "never", "protocol.test=never", "model.head=dense", *UNSEEN)[0]


def test_its_files_say_what_was_fitted_and_scored(done):
    result, evidence = done.result, done.record.evidence
    assert {
        "environment.json",
        "evidence.npz",
        "experiment.toml",
        "layers.json",
        "metrics.jsonl",
        "model.safetensors",
        "result.json",
        "state.json",
        "steps.jsonl",
    } <= {path.name for path in done.path.iterdir()}
    assert set(result["verifier"]) == {"slope", "intercept", "threshold", "false_accept", "pairs"}
    assert result["counts"] == {"train": 600, "validation": 202, "test": 253, "unseen": 107}
    assert result["looks"] == 1
    scores = {"loss", "pair_accuracy", "auc", "equal_error", "calibration_error", "effective_rank", "distance", "count"}
    full = {
        "pairs",
        "threshold",
        "false_accept",
        "true_accept",
        "intervals",
        "precision_at_1",
        "r_precision",
        "knn_accuracy",
        "class_pairs",
        "dimensions",
    }
    for split in ("train", "validation", "test", "unseen"):
        assert scores <= result[split].keys()
        assert (full <= result[split].keys()) == (split in ("test", "unseen"))
    assert all({"train", "validation"} <= line.keys() and "alarm" not in line for line in done.metrics)
    assert done.metrics[-1]["validation"] == {
        key: value for key, value in result["validation"].items() if key not in ("count", "copies")
    }
    assert str(evidence["split"]) == "test"
    assert list(evidence["unseen_classes"]) == ["7", "8", "9"]
    assert "pair_accuracy" not in done.metrics[-1]["train"]


def test_the_result_sums_up_the_evidence(done):
    row, found = done.result["test"], done.record.evidence
    made, labels, pairs, same = (found[name] for name in ("representation", "labels", "pairs", "same"))
    test = images.load(done.experiment.data).test
    np.testing.assert_allclose(made, done.encode(test.pixels), atol=1e-5)
    apart = cdist(made.astype(np.float64), made.astype(np.float64))
    np.testing.assert_allclose(found["distances"], apart[pairs[:, 0], pairs[:, 1]], atol=1e-9)
    said = found["probabilities"] >= done.result["verifier"]["threshold"]
    assert row["pair_accuracy"] == pytest.approx((said == same).mean(), abs=1e-12)
    assert row["false_accept"] == said[same == 0].mean()
    assert row["true_accept"] == said[same == 1].mean()
    assert row["pairs"] == len(pairs) == 2 * same.sum()
    np.fill_diagonal(apart, np.inf)
    assert row["precision_at_1"] == (labels[apart.argmin(1)] == labels).mean()
    found_of = [
        (labels[np.argsort(apart[i])[: (labels == label).sum() - 1]] == label).mean() for i, label in enumerate(labels)
    ]
    assert row["r_precision"] == pytest.approx(np.mean(found_of), abs=1e-9)
    others = [
        KNeighborsClassifier(5).fit(np.delete(made, i, 0), np.delete(labels, i)).predict(made[i : i + 1])[0]
        for i in range(60)
    ]
    own = [np.bincount(labels[np.argsort(apart[i])[:5]]).argmax() for i in range(60)]
    assert others == own
    assert row["knn_accuracy"] == pytest.approx(
        np.mean([np.bincount(labels[np.argsort(apart[i])[:5]]).argmax() == labels[i] for i in range(len(labels))]),
        abs=0.02,
    )
    low, high = row["intervals"]["pair_accuracy"]
    assert low < row["pair_accuracy"] < high
    for one in row["class_pairs"]:
        a, b = (done.result["classes"].index(name) for name in one["classes"])
        there = [sorted(labels[list(pair)]) == [a, b] for pair in pairs.tolist()]
        assert one["pairs"] == sum(there)
        assert one["accuracy"] == pytest.approx((said == same)[there].mean())
        assert one["distance"] == pytest.approx(found["distances"][there].mean())
    assert sum(one["pairs"] for one in row["class_pairs"]) == len(pairs)


def test_galleries_are_the_surest_answers_and_show_their_nearest_training_images(done):
    found, train = done.record.evidence, images.load(done.experiment.data)
    said = found["probabilities"] >= done.result["verifier"]["threshold"]
    sure = np.abs(found["probabilities"] - 0.5)
    known = done.encode(train.train.pixels)
    for kind, answer, truth in (
        ("right_same", 1, 1),
        ("right_other", 0, 0),
        ("wrong_same", 1, 0),
        ("wrong_other", 0, 1),
    ):
        rows = found[f"gallery_{kind}"]
        every = np.flatnonzero((said == answer) & (found["same"] == truth))
        assert len(rows) == min(12, len(every))
        assert set(rows) <= set(every)
        best = found["probabilities"][every] if answer else -found["probabilities"][every]
        np.testing.assert_array_equal(
            (1 if answer else -1) * found["probabilities"][rows], np.sort(best)[::-1][: len(rows)]
        )
        for place, row in enumerate(rows[:3]):
            for side, image in enumerate(found["pairs"][row]):
                np.testing.assert_array_equal(
                    found[f"gallery_{kind}_pixels"][place, side], train.test.pixels[image].numpy()
                )
                apart = np.linalg.norm(known - found["representation"][image], axis=1)
                np.testing.assert_allclose(
                    found[f"gallery_{kind}_near_distances"][place, side], np.sort(apart)[:3], atol=1e-5
                )
                near = np.argsort(apart)[:3]
                np.testing.assert_array_equal(
                    found[f"gallery_{kind}_near_labels"][place, side], train.train.labels.numpy()[near]
                )
    assert sure[found["gallery_right_same"]].min() >= np.median(sure)


def test_pairs_that_networks_are_compared_by_share_no_image(done):
    found, verifier = done.record.evidence, done.result["verifier"]
    pairs, same = found["alone_pairs"], found["alone_same"]
    assert len(np.unique(pairs)) == pairs.size
    assert len(pairs) == 2 * same.sum() > 100
    np.testing.assert_array_equal(same, found["labels"][pairs[:, 0]] == found["labels"][pairs[:, 1]])
    apart = np.linalg.norm(
        found["representation"].astype(np.float64)[pairs[:, 0]] - found["representation"][pairs[:, 1]], axis=1
    )
    likely = 1 / (1 + np.exp(verifier["slope"] * apart - verifier["intercept"]))
    np.testing.assert_allclose(found["alone_probabilities"], likely, atol=1e-9)
    np.testing.assert_array_equal(found["alone_right"], (likely >= verifier["threshold"]) == same)


def test_classes_never_seen_are_scored_on_pairs_of_their_own(done):
    found, row = done.record.evidence, done.result["unseen"]
    split = images.load(done.experiment.data).unseen
    np.testing.assert_array_equal(found["unseen_labels"], split.labels.numpy())
    pairs, same = found["unseen_pairs"], found["unseen_same"]
    np.testing.assert_array_equal(same, found["unseen_labels"][pairs[:, 0]] == found["unseen_labels"][pairs[:, 1]])
    made = done.encode(split.pixels).astype(np.float64)
    np.testing.assert_allclose(
        found["unseen_distances"], np.linalg.norm(made[pairs[:, 0]] - made[pairs[:, 1]], axis=1), atol=1e-4
    )
    said = found["unseen_probabilities"] >= done.result["verifier"]["threshold"]
    assert row["pair_accuracy"] == pytest.approx((said == same).mean(), abs=1e-12)
    assert {name for one in row["class_pairs"] for name in one["classes"]} == {"7", "8", "9"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"alone_right": lambda a: 1 - a}, "alone_right does not match alone_probabilities"),
        ({"alone_right": lambda a: a + 1}, "alone_right does not match alone_probabilities"),
        ({"alone_pairs": lambda a: a[:, [0, 0]]}, "alone_pairs has a pair of an image with itself"),
        (
            {
                "alone_pairs": lambda a: np.concatenate([a[:1], a[:-1]]),
                "alone_same": lambda a: np.concatenate([a[:1], a[:-1]]),
            },
            "alone_pairs has the same image in two pairs",
        ),
        ({"alone_same": lambda a: 1 - a}, "alone_same does not say which alone_pairs are of one class"),
        ({"alone_same": lambda a: a[1:]}, "alone_same has shape"),
        ({"alone_pairs": lambda a: a + 10_000}, "alone_pairs has values outside 0 to"),
        ({"alone_probabilities": lambda a: a * np.nan}, ("alone_probabilities has values that are not finite numbers")),
        ({"alone_probabilities": lambda a: a * 3}, "alone_probabilities has values outside 0 to 1"),
        ({"alone_probabilities": None}, "the array alone_probabilities is missing"),
        ({"pairs": lambda a: a[:, [0, 0]]}, "pairs has a pair of an image with itself"),
        ({"gallery_wrong_same": lambda a: a * 0}, "gallery_wrong_same refers to pairs of another kind"),
    ],
)
def test_damaged_evidence_is_refused_in_one_line(done, tmp_path, changes, said):
    arrays = dict(done.record.evidence)
    for name, change in changes.items():
        if change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays[name])
    if "gallery_wrong_same" in changes:
        arrays["gallery_wrong_same"][:] = np.flatnonzero(arrays["same"] == 1)[0]
    np.savez(tmp_path / "evidence.npz", **arrays)
    with pytest.raises(BadInput) as caught:
        checks.read(tmp_path / "evidence.npz", 7, TASKS["verify"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_resumed_after_an_interruption_it_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "SAVE_SECONDS", 0.0)
    whole, _ = run(tmp_path / "whole", "model.head=dense")
    events = training_run.run(asked("model.head=dense"), RunOptions(tmp_path / "cut", seed=3, device="cpu", threads=1))
    for event in events:
        if isinstance(event, EpochRecord):
            break
    events.close()
    list(
        training_run.run(
            asked("model.head=dense"), RunOptions(tmp_path / "cut", seed=3, device="cpu", threads=1), resume=True
        )
    )
    for name in ("model.safetensors", "evidence.npz", "experiment.toml", "layers.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    again = read_run(tmp_path / "cut").result
    timed = ("seconds", "seconds_per_epoch", "images_per_second")
    assert {key: value for key, value in again.items() if key not in timed} == {
        key: value for key, value in whole.result.items() if key not in timed
    }
    assert {"loss", "head"} == whole.metrics[0]["train"].keys(), "the dense head's part stands beside the loss"


def test_a_look_scores_the_test_split_and_the_unseen_classes_of_a_run_that_never_met_them(never, tmp_path):
    path = tmp_path / "looked"
    shutil.copytree(never.path, path)
    before = never.result
    assert "test" not in before
    assert "unseen" not in before
    assert before["looks"] == 0
    assert str(never.record.evidence["split"]) == "validation"
    result = evaluate_on_test(path, device_name="cpu")
    straight, _ = run(tmp_path / "straight", "model.head=dense", *UNSEEN)
    assert result["looks"] == 1
    for split in ("test", "unseen", "validation"):
        for key in ("pair_accuracy", "auc", "loss", "equal_error"):
            assert result[split][key] == pytest.approx(straight.result[split][key], abs=1e-12), (
                "as if it had met it at once"
            )
    assert result["test"]["class_pairs"]
    assert result["counts"] == straight.result["counts"]
    found, other = read_run(path).evidence, straight.record.evidence
    assert str(found["split"]) == "test"
    assert found.keys() == other.keys()
    np.testing.assert_allclose(found["alone_probabilities"], other["alone_probabilities"], atol=1e-9)
    kept = checks.read(path / "evidence-validation.npz", 7, TASKS["verify"])
    assert str(kept["split"]) == "validation"
    assert (path / "model.safetensors").read_bytes() == (never.path / "model.safetensors").read_bytes()


CHEAP = ProbeSpec(train=70, test=70, kinds=("knn",), maps=())


def probed(path, **options):
    return probes.read(list(probing.probe(read_run(path), CHEAP, **options))[-1].path).result


def test_a_run_with_classes_kept_out_that_never_met_the_test_split_is_probed_on_validation_images(never, tmp_path):
    path = shutil.copytree(never.path, tmp_path / "run")
    found = probed(path)
    assert (found["split"], found["looks"], found["classes"]) == ("validation", 0, [str(number) for number in range(7)])
    assert found["counts"]["shown"] == 70
    evaluate_on_test(path, device_name="cpu")
    shutil.rmtree(path / "probes")
    assert {**probed(path), "sources": []} == {**found, "sources": []}, "the run still must not meet it in a probe"


def test_a_run_with_classes_kept_out_that_met_the_test_split_is_probed_on_it(done, tmp_path):
    assert probed(shutil.copytree(done.path, tmp_path / "run"))["split"] == "test"


@pytest.mark.parametrize("change", ["data.seed=9", "data.unseen_classes=[6, 7, 8]", "data.unseen_classes=[]"])
def test_images_with_other_classes_kept_out_are_refused_by_probe_and_look(never, change, tmp_path):
    path = shutil.copytree(never.path, tmp_path / "run")
    other = images.load(asked(*UNSEEN, "recipe.classes_per_batch=5", change).data)
    with pytest.raises(BadInput, match="not those that this run was trained on, so nothing can be said about it"):
        probed(path, splits=other)
    with pytest.raises(BadInput, match="not those that this run was trained on, so its test score"):
        evaluate_on_test(path, device_name="cpu", splits=other)
    assert read_run(path).result == never.result


COLLAPSE = ["task.mining=hard", "task.margin=1.0", "recipe.learning_rate=0.05"]


def test_a_collapse_is_told_within_an_epoch_and_recorded(tmp_path, capsys, monkeypatch):
    """The hardest triplets at a rate far too high: all images at one place, and the loss at the margin."""
    monkeypatch.setenv("COLUMNS", "400")
    done = sv.run(
        "digits-siamese", *COLLAPSE, "recipe.epochs=1", "data.limit=600", device="cpu", threads=1, out=tmp_path / "run"
    )
    printed = capsys.readouterr().out
    said = done.metrics[0]["alarm"]
    assert done.metrics[0]["train"]["loss"] > 0.9, "near the margin"
    assert "the representation has collapsed: nearly all images lie" in said
    assert "semi-hard mining or a lower learning rate help" in said, "its representations are normalised already"
    assert " ".join(said.split()) in " ".join(printed.split())
    healthy = sv.run("digits-siamese", *SHORT, device="cpu", threads=1, out=tmp_path / "healthy")
    assert not [line for line in healthy.metrics if "alarm" in line]


def write(folder, **splits):
    """Arrays of four classes as an .npz."""
    draw = np.random.default_rng(0)
    arrays = {}
    for name, labels in splits.items():
        arrays |= {f"x_{name}": draw.integers(0, 256, (len(labels), 8, 8), np.uint8), f"y_{name}": np.array(labels)}
    np.savez(folder / "made.npz", **arrays)
    return [
        "data.source=npz",
        f'data.path="{folder / "made.npz"}"',
        "data.validation=0",
        "recipe.classes_per_batch=4",
        "recipe.images_per_class=4",
    ]


EVEN = [k % 4 for k in range(60)]


@pytest.mark.parametrize(
    ("splits", "more", "said"),
    [
        (
            {"train": [*EVEN, 4], "val": EVEN},
            [],
            r'^recipe.images_per_class: class "4" has 1 image, so that there is no pair of this class; leave',
        ),
        (
            {"train": [*EVEN, 4, 4], "val": EVEN},
            [],
            '^recipe.images_per_class: class "4" has 2 images, fewer than 4; set at most 2',
        ),
        (
            {"train": EVEN, "val": EVEN},
            ["recipe.classes_per_batch=5"],
            "^recipe.classes_per_batch: 5 is more than the 4 classes that have images",
        ),
        (
            {"train": EVEN},
            [],
            r"^a verifier's threshold and calibration are fitted on validation pairs, but this data has no validation",
        ),
        (
            {"train": EVEN, "val": [0, 1, 2, 3]},
            [],
            r'val.*: pairs: class "." has 1 image, so that there is no pair of this class',
        ),
        (
            {"train": EVEN, "val": EVEN, "test": [0, 0, 1]},
            [],
            r'test: pairs: class "1" has 1 image, so that there is no pair of this class',
        ),
        ({"train": EVEN, "val": EVEN}, ["data.unseen_classes=[0, 1]"], r"^data.unseen_classes: .* has no test split"),
        (
            {"train": EVEN, "val": EVEN},
            ["task={kind='verify', loss='metric.No'}"],
            r'^task.loss: pytorch-metric-learning has no "No" among',
        ),
    ],
)
def test_what_cannot_be_verified_is_one_line_with_nothing_written(tmp_path, splits, more, said):
    overrides = [*write(tmp_path, **splits), *more]
    with pytest.raises(BadInput, match=said) as caught:
        list(training_run.run(asked(*overrides), RunOptions(tmp_path / "run", device="cpu", threads=1)))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_an_encoder_for_images_of_another_shape_is_refused_before_anything_is_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    with pytest.raises(
        BadInput,
        match=(r"^model\.encoder: mnist-cnn was trained on images of 1x28x28, but these are of 1x8x8; use an encoder"),
    ):
        sv.run("digits-siamese", "model.encoder.experiment=mnist-cnn", "model.weights=taken-over", device="cpu")
    assert not (tmp_path / "runs").exists()
