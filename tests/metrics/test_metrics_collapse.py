"""The alarm on networks that are really trained: into a collapse, and out of it by each remedy; its figures against
scipy's."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from smallvision.data.batching.pk_sampler import by_class
from smallvision.errors import BadInput
from smallvision.losses.triplet import triplet
from smallvision.metrics.collapse import IMAGES, collapsed, spread

MARGIN = 0.5


def after_an_epoch(mining, rate, normalised, seed):
    """A dense network on digits, 22 batches of ten classes with eight images, with momentum: its mean loss, and the
    spread after it."""
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    pixels = pixels.float() / 16
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

    def encode(images):
        return functional.normalize(network(images)) if normalised else network(images)

    optimizer = torch.optim.SGD(network.parameters(), rate, momentum=0.9)
    for row in by_class(labels, 10, 8, seed, 0, "0123456789"):
        loss = triplet(encode(pixels[row]), labels[row], MARGIN, mining)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        last = triplet(encode(pixels[:200]), labels[:200], MARGIN, "hard").item()
        return last, spread(encode(pixels).numpy(), MARGIN)


@pytest.mark.parametrize("seed", [0, 1])
def test_hard_mining_at_too_high_a_rate_collapses_and_is_told_so_within_an_epoch(seed):
    loss, measured = after_an_epoch("hard", 2.0, False, seed)
    assert loss == pytest.approx(MARGIN, rel=0.05)  # what makes it so hard to notice
    words = collapsed(measured, 10)
    assert "all images lie at one place" in words
    for remedy in ("semi-hard mining", "lower learning rate", "normalised representations"):
        assert remedy in words
    assert "\n" not in words


@pytest.mark.parametrize(
    ("mining", "rate", "normalised"),
    [("semi-hard", 0.01, False), ("hard", 0.05, False), ("all", 0.05, False), ("semi-hard", 0.01, True)],
)
def test_healthy_networks_are_left_alone(mining, rate, normalised):
    _, measured = after_an_epoch(mining, rate, normalised, 0)
    assert collapsed(measured, 10) is None
    assert measured.mean_distance > 0.2
    assert measured.effective_rank > 3


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_figures_are_scipy_s(metric):
    rows = np.random.default_rng(0).standard_normal((90, 5)) * [3, 1, 1, 0.1, 0]
    apart = pdist(rows, metric) / 0.7
    found = spread(rows, 0.7, metric)
    assert found.mean_distance == pytest.approx(apart.mean())
    assert found.near_zero == pytest.approx((apart < 0.1).mean())
    assert found.dimensions == 5
    assert 2 < found.effective_rank < 4
    # 1080 images are more than IMAGES, so that 1000 of them are measured, evenly spread.
    assert spread(np.repeat(rows, 12, axis=0), 0.7, metric).mean_distance == pytest.approx(apart.mean(), rel=0.05)
    assert IMAGES == 1000


def test_what_is_a_collapse_and_what_is_none():
    rng = np.random.default_rng(1)
    labels = np.arange(300) % 2
    far = rng.standard_normal((300, 8))
    outlier = np.zeros((300, 8))
    outlier[:5] = 500.0 * far[:5]
    line = far[:, :1] * np.ones(8)
    ideal = np.eye(8)[np.arange(300) % 5] + 1e-9 * far  # five classes, each at a place of its own
    assert collapsed(spread(far, 1.0), 10) is None
    assert collapsed(spread(ideal, 1.0), 5) is None
    # With two places for two classes, half of the pairs have distance 0.
    assert collapsed(spread(np.eye(8)[labels] * 2, 1.0), 2) is None
    assert "at one place" in collapsed(spread(0.01 * far, 1.0), 10)
    assert "at one place" in collapsed(spread(outlier, 1.0), 10)  # although the mean distance is large
    assert "on one line" in collapsed(spread(line, 1.0), 3)
    assert collapsed(spread(line, 1.0), 2) is None
    assert collapsed(spread(line[:, :1], 1.0), 3) is None  # one dimension was asked for
    assert "effective rank is 0.0 of 8" in collapsed(spread(np.ones((9, 8)), 1.0), 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"representations": np.ones((1, 3))}, "of 1 image; expected at least 2"),
        ({"margin": 0.0}, "margin: got 0; expected"),
        ({"margin": float("nan")}, "margin: got nan"),
        ({"metric": "l1"}, "cosine, euclidean"),
        ({"representations": np.full((3, 3), np.inf)}, "3 of 3 images"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, words):
    given = {"representations": np.ones((3, 3)), "margin": 1.0} | change
    with pytest.raises(BadInput, match=words) as caught:
        spread(**given)
    assert "\n" not in str(caught.value)
