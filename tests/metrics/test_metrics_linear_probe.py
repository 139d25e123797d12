"""Probes against scikit-learn's own pipelines and torchmetrics; the linear one also against a minimum found by
torch."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.functional import classification as reference

from smallvision.errors import BadInput
from smallvision.metrics import linear_probe
from smallvision.metrics.linear_probe import Part

CLASSES = tuple("0123456789")
PIXELS, LABELS = load_digits(return_X_y=True)
TRAIN, VALIDATION, TEST = (
    Part(PIXELS[some], LABELS[some]) for some in (slice(0, 300), slice(300, 700), slice(700, None))
)


def searched(model, grid):
    fold = np.r_[np.full(300, -1), np.zeros(400, int)]
    search = GridSearchCV(model, grid, cv=PredefinedSplit(fold), refit=False).fit(PIXELS[:700], LABELS[:700])
    return search.cv_results_["mean_test_score"], search.best_params_


def test_linear_probe_is_scikit_learn_s_on_standardised_features():
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=linear_probe.STEPS))
    scores, best = searched(model, {"logisticregression__C": list(linear_probe.CS)})
    found = linear_probe.linear(TRAIN, VALIDATION, TEST, CLASSES)
    assert (found.kind, found.setting, found.notes) == ("linear", "C", ())
    assert list(found.tried) == list(linear_probe.CS)
    assert list(found.tried.values()) == pytest.approx(list(scores), abs=1e-12)
    assert {"logisticregression__C": found.value} == best
    assert (
        found.predictions == model.set_params(**best).fit(TRAIN.features, TRAIN.labels).predict(TEST.features)
    ).all()


def test_linear_probe_is_the_minimum_of_its_penalised_loss():
    value = 0.01
    mean, std = TRAIN.features.mean(0), TRAIN.features.std(0)
    x, t = ((torch.from_numpy((part.features - mean) / np.where(std > 0, std, 1))) for part in (TRAIN, TEST))
    y = torch.from_numpy(TRAIN.labels)
    weight, bias = (
        torch.zeros(64, 10, dtype=torch.float64, requires_grad=True),
        torch.zeros(10, dtype=torch.float64, requires_grad=True),
    )
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def closure():
        optimiser.zero_grad()
        loss = (
            value * torch.nn.functional.cross_entropy(x @ weight + bias, y, reduction="sum") + weight.square().sum() / 2
        )
        loss.backward()
        return loss

    optimiser.step(closure)
    logits = t @ weight.detach() + bias.detach()
    clear = logits.topk(2).values.diff().abs()[:, 0] > 0.02
    found = linear_probe.linear(TRAIN, VALIDATION, TEST, CLASSES, [value])
    assert clear.double().mean() > 0.95
    assert (torch.from_numpy(found.predictions) == logits.argmax(1))[clear].all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_knn_is_scikit_learn_s_with_the_k_of_a_search(metric):
    scale = np.random.default_rng(0).uniform(0.9, 1.1, 64)  # so that no two distances are the same
    train, validation, test = (Part(part.features * scale, part.labels) for part in (TRAIN, VALIDATION, TEST))
    ks = [1, 2, 3, 7, 20]
    accuracies = {}
    for k in ks:
        model = KNeighborsClassifier(k, metric=metric).fit(train.features, train.labels)
        accuracies[k] = model.score(validation.features, validation.labels)
    found = linear_probe.knn(train, validation, test, CLASSES, metric, ks)
    assert found.tried == pytest.approx(accuracies, abs=1e-12)
    assert found.value == max(ks, key=lambda k: (accuracies[k], -k))
    best = KNeighborsClassifier(found.value, metric=metric).fit(train.features, train.labels)
    assert (found.predictions == best.predict(test.features)).all()
    assert found.kind == f"knn-{metric}"


def test_figures_of_a_probe_are_torchmetrics_and_statsmodels():
    found = linear_probe.knn(TRAIN, VALIDATION, TEST, CLASSES)
    t, p = torch.from_numpy(TEST.labels), torch.from_numpy(found.predictions)
    right = int((t == p).sum())
    assert found.count == len(t) == found.confusion.sum()
    assert found.accuracy == pytest.approx(float(reference.multiclass_accuracy(p, t, 10, average="micro")), abs=1e-6)
    assert found.interval == pytest.approx(proportion_confint(right, len(t), method="wilson"), abs=1e-9)
    assert found.macro_f1 == pytest.approx(float(reference.multiclass_f1_score(p, t, 10, average="macro")), abs=1e-6)
    assert (found.confusion == reference.multiclass_confusion_matrix(p, t, 10).numpy()).all()
    recalls = reference.multiclass_recall(p, t, 10, average="none").tolist()
    assert [row["recall"] for row in found.per_class] == pytest.approx(recalls, abs=1e-6)
    assert sorted(found.tried) == list(linear_probe.neighbours.KS)


def test_of_several_c_as_good_the_smallest_is_chosen():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    apart = Part(rng.standard_normal((60, 2)) + 20 * labels[:, None], labels)
    found = linear_probe.linear(apart, apart, apart, ("a", "b"), (1.0, 0.1))
    assert (found.value, found.tried) == (0.1, {0.1: 1.0, 1.0: 1.0})
    assert (found.macro_f1, found.confusion.tolist()) == (1.0, [[30, 0], [0, 30]])


def test_a_small_gallery_leaves_out_the_large_k():
    few = Part(TRAIN.features[:8], TRAIN.labels[:8])
    assert list(linear_probe.knn(few, VALIDATION, TEST, CLASSES).tried) == [1, 3, 5, 7]


def test_a_probe_that_was_stopped_says_so(monkeypatch):
    monkeypatch.setattr(linear_probe, "STEPS", 2)
    assert linear_probe.linear(TRAIN, VALIDATION, TEST, CLASSES, [1.0]).notes == (
        "the fit with C = 1 was stopped after 2 steps, before it had converged",
    )


def test_a_subset_has_equally_many_of_every_class():
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 1000, p=[0.1, 0.2, 0.3, 0.4])
    rows = linear_probe.subset(labels, 50, tuple("abcd"), seed=0)
    assert np.bincount(labels[rows]).tolist() == [50] * 4
    assert (np.diff(rows) > 0).all()
    assert (rows == linear_probe.subset(labels, 50, tuple("abcd"), seed=0)).all()
    other = linear_probe.subset(labels, 50, tuple("abcd"), seed=1)
    assert 0 < np.isin(rows, other).sum() < 150  # drawn anew: about a half and less in common
    assert len(linear_probe.subset(labels, int((labels == 0).sum()), tuple("abcd"), seed=0)) == 4 * (labels == 0).sum()


def test_each_divides_what_can_be_divided():
    assert linear_probe.each(10_000, CLASSES) == 1000
    for count, would in ((1001, "1,000"), (7, "10"), (0, "10"), (-5, "10")):
        with pytest.raises(BadInput, match=f"10 classes; use {would}"):
            linear_probe.each(count, CLASSES)


@pytest.mark.parametrize(
    ("labels", "per_class", "words"),
    [
        ([0, 1, 0, 1], 3, "6 images were asked for, but there are only 4; use at most 4"),
        ([0, 0, 0, 0, 1], 2, 'were asked for, but "b" has only 1; use at most 2'),
        ([0, 0, 0], 1, 'were asked for, but "b" has only 0'),
        ([0, 1], 0, "at least 1"),
        ([0, 1, 2], 1, "got label 2"),
        ([], 1, "0 or more"),
    ],
)
def test_subsets_that_cannot_be_are_refused_in_one_line(labels, per_class, words):
    with pytest.raises(BadInput, match=words) as caught:
        linear_probe.subset(np.array(labels, np.int64), per_class, ("a", "b"), 0, "the probe's test images")
    assert str(caught.value).startswith("the probe's test images: ")
    assert "\n" not in str(caught.value)


def test_parts_that_do_not_fit_are_refused():
    other = Part(np.ones((5, 3)), np.zeros(5, int))
    for probe in (linear_probe.knn, linear_probe.linear):
        with pytest.raises(BadInput, match="test features: got 3 for each image, but the training images have 64"):
            probe(TRAIN, VALIDATION, other, CLASSES)
        with pytest.raises(BadInput, match="train labels: got 9; expected 0 to 4"):
            probe(TRAIN, VALIDATION, TEST, CLASSES[:5])
    with pytest.raises(BadInput, match="one class only"):
        linear_probe.linear(other, other, other, CLASSES)
    for cs in ([], [0.0], [1.0, float("inf")]):
        with pytest.raises(BadInput, match="numbers above 0"):
            linear_probe.linear(TRAIN, VALIDATION, TEST, CLASSES, cs)
