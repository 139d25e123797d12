"""Metrics against torchmetrics, and the evidence against brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import classification as reference

from smallvision.data.imageset import ImageSet
from smallvision.metrics import classification
from smallvision.tasks import sample_images

answers = st.integers(2, 6).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)
    )
)


@settings(max_examples=60, deadline=None)
@given(answers)
def test_confusion_and_per_class_equal_torchmetrics(given_answers):
    classes, pairs = given_answers
    labels, predictions = np.array(pairs).T
    t, p = torch.from_numpy(labels.copy()), torch.from_numpy(predictions.copy())
    matrix = classification.confusion(labels, predictions, classes)
    assert (matrix == reference.multiclass_confusion_matrix(p, t, classes).numpy()).all()
    rows = classification.per_class(labels, predictions, tuple("abcdef"[:classes]))
    for name, of in (
        ("precision", reference.multiclass_precision),
        ("recall", reference.multiclass_recall),
        ("f1", reference.multiclass_f1_score),
    ):
        expected = of(p, t, num_classes=classes, average="none").numpy()
        assert [row[name] for row in rows] == pytest.approx(list(expected), abs=1e-6)
    assert [row["support"] for row in rows] == [int((labels == k).sum()) for k in range(classes)]


@pytest.mark.parametrize("wrong", [0, 3, 50])
def test_chosen_mistakes_are_mistakes_in_order(wrong):
    rng = np.random.default_rng(wrong)
    labels = rng.integers(0, 4, 80)
    probabilities = rng.dirichlet(np.ones(4), 80).astype(np.float32)
    predictions = labels.copy()
    which = rng.choice(80, wrong, replace=False)
    predictions[which] = (labels[which] + 1) % 4
    pixels = torch.from_numpy(rng.integers(0, 256, (80, 1, 5, 6), dtype=np.uint8))
    images = ImageSet(
        (pixels,), torch.from_numpy(labels), torch.zeros(80, 2, dtype=torch.long), tuple("abcd"), "x test"
    )
    found = sample_images.chosen(images, predictions, probabilities)
    mistakes = [i for i in range(80) if labels[i] != predictions[i]]
    assert found["first_index"].tolist() == list(range(20))
    assert found["mistake_index"].tolist() == mistakes[:20]
    confident = sorted(mistakes, key=lambda i: (-probabilities[i, predictions[i]], i))[:20]
    assert found["confident_index"].tolist() == confident
    for name in ("first", "mistake", "confident"):
        assert (found[f"{name}_pixels"] == pixels.numpy()[found[f"{name}_index"]]).all()
