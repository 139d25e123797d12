"""Verification: its step, fit and score against pytorch-metric-learning, scikit-learn and brute force.

Each image is encoded once.
"""

import re
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from scipy.optimize import brentq
from scipy.spatial.distance import cdist
from sklearn.calibration import _SigmoidCalibration, calibration_curve
from sklearn.metrics import log_loss, roc_auc_score, roc_curve
from torch import nn
from torch.nn import functional as F

from smallvision import nn as networks
from smallvision.data.batching.batch import Batch
from smallvision.data.imageset import ImageSet
from smallvision.errors import BadInput
from smallvision.experiment import build
from smallvision.tasks import TASKS, Scores
from smallvision.tasks.verification.pairs import encoded, judged

CLASSES = ("a", "b", "c", "d", "e")
DENSE = {"head": "dense", "dense": [8]}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepared(model=None, **task):
    """A network and its task."""
    encoder = {"experiment": "any", "model": {"kind": "mlp", "widths": [12]}}
    experiment = build(
        {
            "name": "try",
            "data": {"source": "digits", "validation": 0.2},
            "task": {"kind": "verify", **task},
            "model": {"kind": "siamese", "encoder": encoder, "weights": "fresh", **(model or {})},
            "recipe": {"order": "classes", "classes_per_batch": 5, "images_per_class": 4},
        },
        "try",
    )
    network = networks.build(experiment.model, networks.InputSpec((1, 6, 6), 5, (0.4,), (0.3,)), seed=5)
    return network, TASKS["verify"].learner(experiment.task)


def batch(seed=1, count=20):
    draw = torch.Generator().manual_seed(seed)
    return Batch(torch.rand(count, 1, 6, 6, generator=draw), torch.arange(count) % 5)


def images(seed=2, count=200, name="made up validation"):
    """Five classes that overlap: a pattern each, and noise."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 5
    patterns = np.random.default_rng(0).random((5, 1, 6, 6))
    pixels = (255 * (0.3 * patterns[labels] + 0.7 * draw.random((count, 1, 6, 6)))).astype(np.uint8)
    ids = np.stack([np.arange(count), np.zeros(count, int)], 1)
    return ImageSet((torch.from_numpy(pixels),), torch.from_numpy(labels), torch.from_numpy(ids), CLASSES, name)


def stepped(network, task, given):
    return task.step(network, given, torch.Generator())


def euclidean(squared=False):
    return LpDistance(normalize_embeddings=False, power=2 if squared else 1)


def semi_hard(made, labels):
    mined = miners.TripletMarginMiner(0.7, "semihard", distance=euclidean())(made, labels)
    return losses.TripletMarginLoss(0.7, distance=euclidean())(made, labels, mined)


def hardest(made, labels):
    mined = miners.BatchHardMiner(distance=CosineSimilarity())(made, labels)
    return losses.TripletMarginLoss(1.0, distance=CosineSimilarity())(made, labels, mined)


def hadsell(made, labels):
    apart = torch.cdist(made, made)
    each = {True: [], False: []}
    for i, j in combinations(range(len(labels)), 2):
        same = bool(labels[i] == labels[j])
        each[same].append(apart[i, j] ** 2 / 2 if same else (1 - apart[i, j]).relu() ** 2 / 2)
    return sum(torch.stack([one for one in some if one > 0]).mean() for some in each.values())


LOSSES = {
    "semi-hard unless told": ({}, {"margin": 0.7}, semi_hard),
    "hard, cosine": ({"distance": "cosine"}, {"mining": "hard"}, hardest),
    "all": ({}, {"mining": "all"}, losses.TripletMarginLoss(1.0, distance=euclidean())),
    "contrastive": ({}, {"loss": "contrastive"}, hadsell),
    "the library's": ({"normalized": True}, {"loss": "metric.NTXentLoss"}, losses.NTXentLoss()),
    "the library's, mined": (
        {},
        {"loss": "metric.MultiSimilarityLoss", "mining": "metric.MultiSimilarityMiner"},
        lambda *batch: losses.MultiSimilarityLoss()(*batch, miners.MultiSimilarityMiner()(*batch)),
    ),
    "the library's, with options": (
        {},
        {
            "loss": "metric.TripletMarginLoss",
            "loss_options": {"margin": 0.3},
            "mining": "metric.TripletMarginMiner",
            "mining_options": {"margin": 0.4},
        },
        lambda *batch: losses.TripletMarginLoss(0.3)(*batch, miners.TripletMarginMiner(0.4)(*batch)),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_steps_loss_is_that_of_pytorch_metric_learning(name):
    model, asked, theirs = LOSSES[name]
    network, task = prepared(model, **asked)
    given = batch()
    step = stepped(network, task, given)
    torch.testing.assert_close(step.loss, theirs(network.encode(given.pixels), given.labels), rtol=1e-5, atol=1e-6)
    assert step.loss > 0
    assert step.count == 20
    assert task.averages({key: float(value) for key, value in step.totals.items()}, 20) == {
        "loss": pytest.approx(step.loss.item())
    }
    step.loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def entropy_by_hand(network, made, labels):
    """Every pair of the batch, those of one class half of the whole weight."""
    pairs = list(combinations(range(len(labels)), 2))
    logits = torch.stack([network.logits(made[i, None], made[j, None])[0] for i, j in pairs])
    same = torch.tensor([bool(labels[i] == labels[j]) for i, j in pairs])
    of = F.binary_cross_entropy_with_logits(logits, same.float(), reduction="none")
    return (of[same].mean() + of[~same].mean()) / 2


def test_regularised_cross_entropy_by_hand():
    network, task = prepared(DENSE, loss="cross-entropy", representation_penalty=0.3, weight_penalty=0.01)
    given = batch()
    made = network.encode(given.pixels)
    weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
    assert len(weights) == 3  # the encoder's and the head's two; no biases
    expected = (
        entropy_by_hand(network, made, given.labels)
        + 0.3 * (made**2).sum(1).mean()
        + 0.01 * sum((w**2).sum() for w in weights)
    )
    torch.testing.assert_close(stepped(network, task, given).loss, expected)


def test_a_frozen_encoder_costs_no_weights():
    network, task = prepared({**DENSE, "rate": 0.0}, loss="cross-entropy", weight_penalty=1.0)
    given = batch()
    expected = entropy_by_hand(network, network.encode(given.pixels), given.labels)
    expected = expected + sum(
        (p**2).sum() for name, p in network.pair_head.named_parameters() if name.endswith("weight")
    )
    torch.testing.assert_close(stepped(network, task, given).loss, expected)


def test_a_dense_head_beside_another_loss_learns_by_its_own():
    """So that it is never untrained, its cross-entropy times the head's weight is added to the loss, and reported."""
    network, task = prepared(DENSE, loss="triplet", mining="all", head_weight=0.25)
    given = batch()
    made = network.encode(given.pixels)
    own, triplets = (
        entropy_by_hand(network, made, given.labels),
        losses.TripletMarginLoss(1.0, distance=euclidean())(made, given.labels),
    )
    step = stepped(network, task, given)
    torch.testing.assert_close(step.loss, triplets + 0.25 * own)
    figures = task.averages({key: float(value) for key, value in step.totals.items()}, step.count)
    assert figures == {"loss": pytest.approx(step.loss.item()), "head": pytest.approx(own.item())}
    step.loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in network.pair_head.parameters())
    assert prepared(DENSE)[1].head_weight == 1


class Counted(nn.Module):
    """An encoder that counts the images it is given."""

    def __init__(self, encoder):
        super().__init__()
        self.inside, self.calls = encoder, []

    def encode(self, pixels):
        self.calls.append(len(pixels))
        return self.inside.encode(pixels)


@pytest.mark.parametrize(
    "task", [{}, {"loss": "contrastive"}, {"loss": "cross-entropy"}, {"loss": "metric.NTXentLoss"}], ids=str
)
def test_an_image_is_encoded_once_however_many_pairs_it_is_in(task):
    network, task = prepared(DENSE, **task)
    network.encoder = counted = Counted(network.encoder)
    stepped(network, task, batch())
    assert counted.calls == [20]
    counted.calls.clear()
    validation, test = images(), images(3, 120)
    fitted = task.calibrate(network, validation, validation)
    scores = task.score(network, validation, fitted)
    assert sum(counted.calls) == 200, "what fitting encoded is not encoded again to be scored"
    assert len(scores.evidence["pairs"]) > 200
    task.score(network, test, fitted)
    assert sum(counted.calls) == 320


@pytest.mark.parametrize(
    ("model", "metric"), [({}, "euclidean"), ({"distance": "cosine"}, "cosine"), (DENSE, "euclidean")], ids=str
)
def test_a_hundred_thousand_pairs_need_no_second_encoding(model, metric):
    network, _ = prepared(model)
    network.encoder = counted = Counted(network.encoder)
    made = encoded(network, images(count=400))
    counted.calls.clear()
    draw = np.random.default_rng(0)
    first = draw.integers(0, 400, 100_000)
    which = np.stack([first, (first + draw.integers(1, 400, 100_000)) % 400], 1)
    scores, distances = judged(network, made, which)
    assert counted.calls == []
    apart = cdist(made.double(), made.double(), metric)
    np.testing.assert_allclose(distances, apart[which[:, 0], which[:, 1]], atol=1e-9)
    expected = -distances
    if model == DENSE:
        one, other = made[which[:, 0]], made[which[:, 1]]
        expected = network.eval().pair_head(torch.cat([(one - other).abs(), one * other], 1))[:, 0].detach().numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert scores.dtype == distances.dtype == np.float64
    np.testing.assert_array_equal(judged(network, made, which[:, ::-1])[0], scores, "either image may come first")


def test_scoring_leaves_the_network_as_it_was():
    network, task = prepared(DENSE)
    for mode in (True, False):
        network.train(mode)
        fitted = task.calibrate(network, images(), images())
        task.score(network, images(3), fitted)
        assert all(part.training == mode for part in network.modules())


@pytest.mark.parametrize("model", [{}, DENSE], ids=["distance", "dense"])
def test_threshold_and_calibration_are_those_of_scikit_learn_on_validation_pairs(model):
    network, task = prepared(model)
    validation = images()
    fitted = task.calibrate(network, images(7), validation)
    which, same = task.pairs(validation)
    assert fitted.pairs == len(which)
    scores, _ = judged(network, encoded(network, validation), which)
    platt = _SigmoidCalibration().fit(scores, same)
    likely = platt.predict(scores)
    np.testing.assert_allclose(fitted.meaning.probability(scores), likely, atol=1e-5)
    assert (fitted.meaning.slope, fitted.meaning.intercept) == pytest.approx((-platt.a_, -platt.b_), rel=1e-3, abs=1e-4)
    accepted, right, _ = roc_curve(same, likely, drop_intermediate=False)
    equal = brentq(lambda rate: 1 - rate - np.interp(rate, accepted, right), 0, 1)
    found = fitted.meaning.probability(scores) >= fitted.threshold
    assert found[~same].mean() == pytest.approx(equal, abs=2 / len(which))
    assert (~found)[same].mean() == pytest.approx(equal, abs=2 / len(which))
    assert fitted.false_accept == found[~same].mean()
    assert fitted.figures() == {
        "slope": fitted.meaning.slope,
        "intercept": fitted.meaning.intercept,
        "threshold": fitted.threshold,
        "false_accept": fitted.false_accept,
        "pairs": len(which),
    }


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_a_stated_false_accept_rate_is_kept_and_used_up(rate):
    network, task = prepared(false_accept=rate)
    validation = images()
    fitted = task.calibrate(network, validation, validation)
    which, same = task.pairs(validation)
    likely = fitted.meaning.probability(judged(network, encoded(network, validation), which)[0])
    shares = {threshold: (likely[~same] >= threshold).mean() for threshold in [*likely, 1.0]}
    assert shares[fitted.threshold] == fitted.false_accept <= rate
    assert fitted.threshold == min(threshold for threshold, share in shares.items() if share <= rate)


def test_the_score_is_scikit_learns_and_brute_force():
    network, task = prepared(pairs=2000, pairs_per_image=20)
    fitted = task.calibrate(network, images(), images())
    test = images(3, 200, "made up test")
    found = task.score(network, test, fitted)
    which, same, labels = (found.evidence[name] for name in ("pairs", "same", "labels"))
    with torch.inference_mode():
        made = network.eval().encode(test.pixels.float() / 255)
    np.testing.assert_allclose(found.evidence["representation"], made.numpy(), atol=1e-6)
    distances = np.array([float((made[i] - made[j]).norm()) for i, j in which])
    np.testing.assert_allclose(found.evidence["distances"], distances, atol=1e-5)
    np.testing.assert_array_equal(same, labels[which[:, 0]] == labels[which[:, 1]])
    assert len(which) == 2000
    assert same.sum() == 1000
    assert np.bincount(which.reshape(-1)).max() <= 20
    likely = 1 / (1 + np.exp(fitted.meaning.slope * distances - fitted.meaning.intercept))
    np.testing.assert_allclose(found.evidence["probabilities"], likely, atol=1e-5)
    likely = found.evidence["probabilities"]
    values = found.values
    assert values["pair_accuracy"] == pytest.approx(((likely >= fitted.threshold) == same).mean(), abs=1e-12)
    assert values["auc"] == pytest.approx(roc_auc_score(same, likely), abs=1e-12)
    assert values["loss"] == pytest.approx(log_loss(same, likely), rel=1e-6)
    accepted, right, _ = roc_curve(same, likely, drop_intermediate=False)
    assert values["equal_error"] == pytest.approx(
        brentq(lambda rate: 1 - rate - np.interp(rate, accepted, right), 0, 1), abs=1e-9
    )
    assert values["true_accept_1"] == pytest.approx(max(right[accepted <= 0.01]))
    assert "true_accept_01" not in values  # takes 100 000 pairs of two classes
    observed, predicted = calibration_curve(same, likely, n_bins=15, strategy="quantile")
    # The bins have 133 or 134 pairs.
    assert values["calibration_error"] == pytest.approx(np.abs(observed - predicted).mean(), rel=0.01)
    assert values["distance"] == pytest.approx(distances[same == 0].mean(), rel=1e-5)
    shares = np.linalg.svd(made.numpy() - made.numpy().mean(0), compute_uv=False)  # Roy & Vetterli 2007
    shares = shares[shares > 1e-9] / shares.sum()
    assert values["effective_rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)
    assert found.fitted == fitted.figures()
    assert task.selection_key(values) == (values["pair_accuracy"], -values["loss"])


def test_the_pairs_of_a_split_are_the_same_for_every_network_and_epoch():
    (one, task), (other, also) = prepared(), prepared(DENSE, loss="cross-entropy")
    pairs = [
        task.score(network, images(), task.calibrate(network, images(), images())).evidence["pairs"]
        for network, task in ((one, task), (other, also))
    ]
    np.testing.assert_array_equal(*pairs)


def test_a_collapsed_representation_is_told_and_a_loss_without_a_margin_tells_nothing():
    network, task = prepared()
    scores = task.score(network, images(), task.calibrate(network, images(), images()))
    assert task.warning(network, scores) is None
    for parameter in network.parameters():
        parameter.data *= 0.01
    scores = task.score(network, images(), task.calibrate(network, images(), images()))
    alarm = task.warning(network, scores)
    assert "collapsed" in alarm
    assert alarm.endswith("; a lower learning rate or normalised representations help"), (
        "semi-hard mining is in use already"
    )
    network.frozen = True
    assert task.warning(network, scores) is None, "nothing of it can be changed"
    network.frozen = False
    assert prepared(DENSE, loss="cross-entropy")[1].warning(network, scores) is None


def test_the_librarys_losses_raise_the_alarm_by_their_own_margin_and_distances():
    network, task = prepared(loss="metric.TripletMarginLoss")
    made = np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32)
    told = [
        task.warning(network, Scores({}, 300, {"representation": rows, "labels": np.arange(300) % 5}))
        for rows in (made, 1e-4 * made, 1e-4 * made + 1)
    ]
    assert told[:2] == [None, None], "it looks at directions, whatever their length"
    assert "collapsed" in told[2]
    assert "semi-hard mining, a lower learning rate or normalised representations help" in told[2]
    assert prepared(loss="metric.NTXentLoss")[1].warning(network, Scores({}, 300, {})) is None, "it has no margin"


@pytest.mark.parametrize("name", ["metric.NTXentLoss", "triplet", "contrastive"])
def test_in_half_precision_distances_are_not_rounded(name):
    network, task = prepared({"representation": 6}, loss=name)
    given = batch()
    with torch.autocast("cpu", torch.bfloat16):
        made = network.encode(given.pixels)
        found = stepped(network, task, given).loss
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(found, task.loss(network, made, given.labels), rtol=0, atol=0)


def test_before_training_it_says_what_pairs_there_will_be():
    def asked(count, **task):
        both = {"train": images(count=400), "validation": images(count=count)}
        return prepared(**task)[1].check_data(SimpleNamespace(named=lambda: both, validation=both.get("validation")))

    assert asked(300) == ()
    assert asked(300, false_accept=0.01) == ()
    (note,) = asked(25)
    pairs = len(prepared()[1].pairs(images(count=25))[1])
    assert f"are fitted on only {pairs} validation pairs" in note
    assert asked(25, pairs=20) == (), "that is what was asked for"
    refused = r"^task.false_accept: 0.001 of \d+ validation pairs of two classes is less than one pair; "
    refused += r"set at least (\S+), or more"
    with pytest.raises(BadInput, match=refused) as caught:
        asked(25, false_accept=0.001)
    least = float(re.match(refused, str(caught.value))[1])
    asked(25, false_accept=least)
    with pytest.raises(BadInput, match="is less than one pair"):
        asked(25, false_accept=least - 1e-5)


SELF = "of one image with itself .*use two different images in every pair"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: prepared()[1].calibrate(prepared()[0], images(), None),
            r"fitted on validation pairs, but there are no validation images",
        ),
        (lambda: judged(prepared()[0], torch.rand(5, 3), np.array([[0, 1], [2, 2]])), SELF),
        (lambda: judged(prepared(DENSE)[0], torch.rand(5, 12), np.array([[3, 3]])), SELF),
        (
            lambda: prepared()[1].pairs(images().take(torch.arange(6))),
            r'^made up validation: pairs: class "." has 1 image, so that there is no',
        ),
        (
            lambda: prepared()[1].pairs(images().take(torch.arange(0, 30, 5))),
            r"^made up validation: pairs: half of them need images of two classes",
        ),
        (
            lambda: stepped(nn.Linear(2, 2), prepared()[1], batch()),
            r'task.kind: "verify" needs a network that judges pairs',
        ),
        (lambda: TASKS["verify"].learner(prepared()[1].spec, F.mse_loss), r'"verify" has its own losses'),
        (
            lambda: prepared(loss="metric.TripletMarginLos"),
            r'^task.loss: pytorch-metric-learning has no "TripletMarginLos".*TripletMarginLoss',
        ),
        (
            lambda: prepared(loss="metric.ArcFaceLoss"),
            r'^task.loss: "metric.ArcFaceLoss" cannot be made with its defaults \(.*; set task',
        ),
        (
            lambda: prepared(loss="metric.NTXentLoss", loss_options={"temperatur": 1}),
            r"be made with task.loss_options = .'temperatur': 1",
        ),
        (
            lambda: prepared(loss="metric.NTXentLoss", mining="metric.Nothing"),
            r'^task.mining: pytorch-metric-learning has no "Nothing" among',
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call, said):
    with pytest.raises(BadInput, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_loss_with_weights_of_its_own_and_a_library_that_is_not_there_are_refused(monkeypatch):
    class Own(losses.NTXentLoss):
        def __init__(self):
            super().__init__()
            self.centre = nn.Parameter(torch.zeros(3))

    monkeypatch.setattr(losses, "Own", Own, raising=False)
    with pytest.raises(BadInput, match=r'^task.loss: "metric.Own" has its own weights, which would not be trained'):
        prepared(loss="metric.Own")
    monkeypatch.setitem(__import__("sys").modules, "pytorch_metric_learning.losses", None)
    with pytest.raises(
        BadInput,
        match=r'"metric.NTXentLoss" needs pytorch-metric-learning, which is not installed; install it with pip install',
    ):
        prepared(loss="metric.NTXentLoss")


def test_mixed_images_are_refused():
    network, task = prepared(loss="contrastive")
    given = batch()
    with pytest.raises(BadInput, match=r"^data\.augment: a transform that mixes images .*verify"):
        stepped(network, task, replace(given, targets=torch.rand(20, 5)))
    assert torch.isfinite(stepped(network, task, given).loss)
