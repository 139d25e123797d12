"""Losses on pairs and triplets against pytorch-metric-learning, against loops over listed pairs and triplets, and
finite differences."""

from itertools import combinations, product
from math import log1p

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances
from torch.autograd import gradcheck

from smallvision.errors import BadInput
from smallvision.experiment.task import VerifySpec
from smallvision.losses import registry as losses
from smallvision.losses.contrastive import contrastive
from smallvision.losses.pair_bce import balanced_entropy, pair_entropy
from smallvision.losses.pair_distances import METRICS, distances, every_pair
from smallvision.losses.triplet import MINING, triplet
from smallvision.tasks.verification.learn import VerificationLearner

EUCLIDEAN = LpDistance(normalize_embeddings=False)
BATCHES = {
    "4 classes of 3": torch.arange(12) % 4,
    "two alone": torch.tensor([0, 0, 0, 1, 1, 2, 3, 0]),
    "one class": torch.zeros(5, dtype=torch.long),
    "all different": torch.arange(6),
    "one image": torch.tensor([3]),
}


def batch(labels, width=5, seed=0, kind=torch.float64):
    made = torch.randn(len(labels), width, generator=torch.Generator().manual_seed(seed), dtype=kind)
    return made.requires_grad_()


def value_and_gradient(loss, representations):
    (gradient,) = torch.autograd.grad(loss, representations, allow_unused=True)
    return loss.detach(), torch.zeros_like(representations) if gradient is None else gradient


def same_loss(ours, theirs, representations, tolerance=1e-6):
    mine, other = value_and_gradient(ours, representations), value_and_gradient(theirs, representations)
    torch.testing.assert_close(mine, other, rtol=0, atol=tolerance)
    return mine


def miner(mining, distance, margin):
    return {
        "all": lambda *_: None,
        "semi-hard": TripletMarginMiner(margin=margin, type_of_triplets="semihard", distance=distance),
        "hard": BatchHardMiner(distance=distance),
    }[mining]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("labels", BATCHES.values(), ids=BATCHES)
def test_triplets_are_pytorch_metric_learning_s(labels, mining, metric):
    for seed, margin in enumerate((0.2, 1.0, 30.0)):
        same_as_theirs(batch(labels, seed=seed), labels, margin, mining, metric)


def same_as_theirs(representations, labels, margin, mining, metric):
    distance = EUCLIDEAN if metric == "euclidean" else CosineSimilarity()
    mined = miner(mining, distance, margin)(representations, labels)
    theirs = TripletMarginLoss(margin=margin, distance=distance)(representations, labels, mined)
    same_loss(triplet(representations, labels, margin, mining, metric), theirs, representations)


def listed_triplets(apart, labels, margin, mining):
    """What every mined triplet that does not keep the margin misses, from the words of the papers."""
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if mining == "hard" and positives and negatives:
            positives = [max(positives, key=lambda p: apart[a, p])]
            negatives = [min(negatives, key=lambda n: apart[a, n])]
        for p, n in product(positives, negatives):
            missing = apart[a, p] - apart[a, n] + margin
            if missing > 0 and (mining != "semi-hard" or apart[a, n] > apart[a, p]):
                yield float(missing)


@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("seed", range(5))
def test_triplets_are_those_of_a_loop_even_where_distances_are_equal(mining, seed):
    """Few whole coordinates: many distances are equal, many are zero, and some are apart by exactly the margin."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 14)
    rows = rng.integers(-1, 2, (14, 2)).astype(float)
    apart = cdist(rows, rows)
    missing = list(listed_triplets(apart, labels, 1.0, mining))
    found = triplet(torch.from_numpy(rows), torch.from_numpy(labels), 1.0, mining)
    assert float(found) == pytest.approx(np.mean(missing) if missing else 0, abs=1e-9)


def test_triplets_of_a_large_batch_in_float32():
    """Sums of a million triplets cancel by no more than single precision allows."""
    labels = torch.arange(120) % 10
    representations = batch(labels, 64, kind=torch.float32)
    for mining in MINING:
        mined = miner(mining, EUCLIDEAN, 0.5)(representations, labels)
        theirs = TripletMarginLoss(margin=0.5, distance=EUCLIDEAN)(representations, labels, mined)
        same_loss(triplet(representations, labels, 0.5, mining), theirs, representations, 1e-5)


@pytest.mark.parametrize("margin", [0.5, 3.0])
@pytest.mark.parametrize("labels", BATCHES.values(), ids=BATCHES)
def test_contrastive_with_power_1_is_pytorch_metric_learning_s(labels, margin):
    representations = batch(labels)
    theirs = ContrastiveLoss(pos_margin=0, neg_margin=margin, distance=EUCLIDEAN)(representations, labels)
    same_loss(contrastive(representations, labels, margin, power=1), theirs, representations)


@pytest.mark.parametrize("margin", [0.5, 1.5])
@pytest.mark.parametrize("labels", BATCHES.values(), ids=BATCHES)
def test_contrastive_by_cosine_is_pytorch_metric_learning_s(labels, margin):
    """Its similarities are 1 less our distances, and so are its margins."""
    representations = batch(labels)
    theirs = ContrastiveLoss(pos_margin=1, neg_margin=1 - margin, distance=CosineSimilarity())(representations, labels)
    same_loss(contrastive(representations, labels, margin, power=1, metric="cosine"), theirs, representations)


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("labels", BATCHES.values(), ids=BATCHES)
def test_contrastive_is_a_loop_over_pairs(labels, metric, power):
    """Hadsell, Chopra & LeCun's formula with power 2, each kind of pair a mean of its own over what is not zero."""
    rows = batch(labels).detach()
    rows[-1] = rows[0]  # a pair at no distance
    apart = distances(rows, metric).numpy()
    kinds = {True: [], False: []}
    for i, j in combinations(range(len(labels)), 2):
        same = bool(labels[i] == labels[j])
        kinds[same].append(1 / power * (apart[i, j] if same else max(0.0, 1.5 - apart[i, j])) ** power)
    expected = sum(np.mean([loss for loss in losses if loss > 0] or [0]) for losses in kinds.values())
    assert float(contrastive(rows, labels, 1.5, power, metric)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_gradients_are_finite_differences(metric):
    labels = BATCHES["4 classes of 3"]
    for mining in MINING:
        assert gradcheck(lambda rows, mining=mining: triplet(rows, labels, 1.0, mining, metric), batch(labels))
    assert gradcheck(lambda rows: contrastive(rows, labels, 1.0, metric=metric), batch(labels))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "rows", [torch.zeros(6, 3), torch.ones(6, 3), torch.eye(3).repeat(2, 1)], ids=["zeros", "ones", "in pairs"]
)
def test_gradients_are_finite_at_no_distance(rows, metric):
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    rows = rows.clone().requires_grad_()
    for mining in MINING:
        loss, gradient = value_and_gradient(triplet(rows, labels, 0.5, mining, metric), rows)
        assert gradient.isfinite().all(), mining
        if len(rows.unique(dim=0)) == 1:  # collapsed: what is lost is the margin, or nothing is mined
            assert float(loss) == (0 if mining == "semi-hard" else 0.5)
    assert value_and_gradient(contrastive(rows, labels, 0.5, metric=metric), rows)[1].isfinite().all()


@pytest.mark.parametrize(
    "labels", [BATCHES["one class"], BATCHES["all different"], BATCHES["one image"]], ids=["one", "all", "image"]
)
@pytest.mark.parametrize("mining", MINING)
def test_without_a_triplet_there_is_nothing_to_learn(labels, mining):
    rows = batch(labels)
    loss, gradient = value_and_gradient(triplet(rows, labels, 1.0, mining), rows)
    assert loss == 0
    assert (gradient == 0).all()


def test_pairs_that_keep_the_margin_teach_nothing():
    rows = torch.tensor([[0.0, 0], [0, 0], [9, 0], [9, 0]], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    for loss in (contrastive(rows, labels, 2.0), *(triplet(rows, labels, 2.0, mining) for mining in MINING)):
        assert [part.abs().sum().item() for part in value_and_gradient(loss, rows)] == [0, 0]


@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
def test_distances_are_scikit_learn_s(kind):
    rows = batch(torch.arange(40), 7, kind=kind).detach() * 3 + 2
    rows[4] = rows[5]
    rows[6] = 0
    exact = rows.double().numpy()
    for metric, reference in (("euclidean", euclidean_distances), ("cosine", cosine_distances)):
        expected = reference(exact)
        found = distances(rows, metric)
        assert found.dtype == kind
        assert found.min() >= 0
        off = ~np.eye(40, dtype=bool)
        off[6] = off[:, 6] = metric == "euclidean"  # scikit-learn has a zero vector at 0 from itself
        np.testing.assert_allclose(found.numpy()[off], expected[off], atol=1e-6 if kind == torch.float64 else 1e-5)
    assert distances(rows)[4, 5] == 0
    assert (distances(rows, "cosine")[6] == 1).all()


def test_half_precision_is_left_for_distances():
    rows = batch(torch.arange(6), 40, kind=torch.float32).detach()
    for metric in METRICS:
        with torch.autocast("cpu", torch.bfloat16):
            found = distances(rows.bfloat16(), metric)
        assert torch.equal(found, distances(rows.bfloat16().float(), metric))


def test_every_pair_comes_once():
    labels = torch.tensor([2, 0, 2, 1, 0])
    one, other, same = every_pair(labels)
    assert list(zip(one.tolist(), other.tolist(), strict=True)) == list(combinations(range(5), 2))
    assert same.tolist() == [labels[i] == labels[j] for i, j in combinations(range(5), 2)]
    assert [len(part) for part in every_pair(labels[:1])] == [0, 0, 0]


def test_cross_entropy_of_pairs_that_are_balanced_is_torch_s():
    logits = batch(torch.arange(20))[:, 0]
    same = torch.arange(20) % 2 == 0
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), same.float())
    torch.testing.assert_close(balanced_entropy(logits, same), theirs)
    (mine,) = torch.autograd.grad(balanced_entropy(logits, same), logits)
    torch.testing.assert_close(mine, (logits.detach().sigmoid() - same.double()) / 20, atol=1e-7, rtol=0)


def test_cross_entropy_weighs_either_kind_by_half():
    logits, same = [2.0, -1.0, 0.5, 3.0], [True, False, False, False]
    expected = (log1p(np.exp(-2.0)) + np.mean([log1p(np.exp(x)) for x in logits[1:]])) / 2
    assert float(balanced_entropy(torch.tensor(logits), torch.tensor(same))) == pytest.approx(expected, rel=1e-6)
    assert float(balanced_entropy(torch.tensor([800.0, -900.0]), torch.tensor([False, True]))) == 850  # and no overflow
    assert float(balanced_entropy(torch.zeros(3), torch.ones(3, dtype=torch.bool))) == pytest.approx(np.log(2) / 2)


def test_penalties_are_added():
    logits, same = torch.tensor([0.3, -0.2]), torch.tensor([True, False])
    rows, weights = (
        batch(torch.arange(4), 3, kind=torch.float32),
        [batch(torch.arange(2), 3, 1), batch(torch.arange(4), 1, 2)],
    )
    expected = (
        float(balanced_entropy(logits, same))
        + 0.1 * (rows**2).sum().item() / 4
        + 0.01 * sum((w**2).sum().item() for w in weights)
    )
    loss = pair_entropy(logits, same, rows, weights, 0.1, 0.01)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    of_rows, of_weight = torch.autograd.grad(loss, (rows, weights[0]))
    torch.testing.assert_close(of_rows, 0.2 * rows.detach() / 4)
    torch.testing.assert_close(of_weight, 0.02 * weights[0].detach())
    assert pair_entropy(logits, same, rows, [], 0, 0).item() == float(balanced_entropy(logits, same))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rows, labels: triplet(rows, labels, 1, "hardest"), "all, semi-hard, hard"),
        (lambda rows, labels: triplet(rows, labels, 1, metric="l1"), "euclidean, cosine"),
        (lambda rows, labels: contrastive(rows, labels, 1, metric="l1"), "euclidean, cosine"),
    ],
)
def test_unknown_names_are_refused(call, words):
    with pytest.raises(BadInput, match=words) as caught:
        call(torch.ones(2, 2), torch.tensor([0, 1]))
    assert "\n" not in str(caught.value)


class Distances:
    """What the losses on distances use of a network."""

    metric = "cosine"


def test_the_table_makes_every_loss_with_what_the_experiment_says():
    labels = torch.arange(12) % 4
    rows = batch(labels)
    own = {"mining": "hard"}, {"loss": "contrastive"}, {"margin": 0.3}
    expected = (
        triplet(rows, labels, 1.0, "hard", "cosine"),
        contrastive(rows, labels, 1.0, metric="cosine"),
        triplet(rows, labels, 0.3, "semi-hard", "cosine"),
    )
    for values, value in zip(own, expected, strict=True):
        assert torch.equal(losses.build(VerifySpec(kind="verify", **values))(Distances(), rows, labels), value)
    library = losses.build(VerifySpec(kind="verify", loss="metric.TripletMarginLoss", loss_options={"margin": 0.3}))
    torch.testing.assert_close(library(Distances(), rows, labels), TripletMarginLoss(0.3)(rows.float(), labels))
    assert [losses.build(VerifySpec(kind="verify", loss=name)).of_head for name in losses.LOSSES] == [
        name == "cross-entropy" for name in losses.LOSSES
    ]


def test_a_loss_is_one_line_in_the_table(monkeypatch):
    """An experiment may name any word; the table says what is there."""

    class Shortest:
        margin, metric, normalized, of_head, no_remedies = None, None, False, False, ()

        def __call__(self, network, representations, labels):
            return representations.square().sum()

    monkeypatch.setitem(losses.LOSSES, "shortest", lambda spec: Shortest())
    asked = VerifySpec(kind="verify", loss="shortest")
    assert losses.build(asked)(Distances(), torch.ones(2, 3), torch.tensor([0, 1])) == 6
    assert VerificationLearner(asked).loss.of_head is False


def test_a_loss_that_is_not_in_the_table_is_refused_with_the_nearest():
    for make in (losses.build, VerificationLearner):
        with pytest.raises(
            BadInput, match=(r'^task\.loss: there is no loss "triplets"; did you mean "?triplet')
        ) as caught:
            make(VerifySpec(kind="verify", loss="triplets"))
        assert "\n" not in str(caught.value)
