"""The images behind a difference, by brute force over every image; what confounds two runs; pictures kept by id."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallvision.comparison.disagreements import disagreements
from smallvision.comparison.predictions import AlignedPredictions
from smallvision.errors import BadInput
from smallvision.study import pictures as image_store
from smallvision.tasks import TASKS

CLASSES = ("a", "b", "c")


def made(seed, runs_a, runs_b, count=60):
    """Answers of two sides, mostly right."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    guess = {
        name: np.where(draw.random((runs, count)) < 0.6, labels, draw.integers(0, 3, (runs, count)))
        for name, runs in (("x", runs_a), ("y", runs_b))
    }
    return AlignedPredictions("test", np.stack([np.arange(count), np.zeros(count, int)], 1), labels, CLASSES, guess)


def counted(answers):
    """Every kind, image by image: title -> {image: how clear it is}."""
    found = {"x right, y wrong": {}, "y right, x wrong": {}, "changes with the seed": {}, "wrong in every run": {}}
    for image, label in enumerate(answers.labels):
        right = {side: sum(row[image] == label for row in rows) for side, rows in answers.predictions.items()}
        runs = {side: len(rows) for side, rows in answers.predictions.items()}
        share = {side: right[side] / runs[side] for side in right}
        for one, other in (("x", "y"), ("y", "x")):
            if 2 * right[one] > runs[one] and 2 * right[other] < runs[other]:
                found[f"{one} right, {other} wrong"][image] = share[one] - share[other]
        if any(0 < right[side] < runs[side] for side in right):
            found["changes with the seed"][image] = max(min(value, 1 - value) for value in share.values())
        if not any(right.values()):
            found["wrong in every run"][image] = 0
    return found


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5), st.integers(0, 12))
def test_kinds_and_their_order_by_brute_force(seed, runs_a, runs_b, most):
    answers = made(seed, runs_a, runs_b)
    expected = counted(answers)
    found = disagreements(answers, "x", "y", most)
    assert len(found) == (4 if max(runs_a, runs_b) > 1 else 3)
    for kind in found:
        clear = expected[kind.title]
        assert kind.total == len(clear)
        assert len(kind.rows) == min(most, len(clear))
        first = sorted(clear, key=lambda image: (-round(clear[image], 9), image))[:most]
        assert kind.rows.tolist() == first


def test_with_one_run_a_side_they_are_the_discordant_images():
    answers = made(1, 1, 1, 500)
    x, y = (answers.correct(side)[0] for side in ("x", "y"))
    totals = [kind.total for kind in disagreements(answers, "x", "y")]
    assert totals == [(x & ~y).sum(), (y & ~x).sum(), (~x & ~y).sum()]


@given(
    st.integers(0, 10_000), st.sampled_from((1, 2, 4)), st.sampled_from((1, 2, 4)), st.integers(0, 12), st.booleans()
)
def test_of_numbers_the_furthest_apart_by_brute_force(seed, runs_a, runs_b, most, higher):
    draw = np.random.default_rng(seed)
    count = 40
    # The values are exact, and some are equal.
    values = {name: draw.integers(0, 6, (runs, count)) / 8 for name, runs in (("x", runs_a), ("y", runs_b))}
    judged = dataclasses.replace(TASKS["reconstruct"].metric, higher=higher)
    ids = np.stack([np.arange(count), np.zeros(count, int)], 1)
    answers = AlignedPredictions("test", ids, draw.integers(0, 3, count), CLASSES, {}, judged, values)
    found = disagreements(answers, "x", "y", most)
    assert [kind.title for kind in found] == ["x better", "y better"]
    means = {
        name: [sum(row[image] for row in rows) / len(rows) for image in range(count)] for name, rows in values.items()
    }
    for kind, one, other in zip(found, "xy", "yx", strict=True):
        ahead = {image: (means[one][image] - means[other][image]) * (1 if higher else -1) for image in range(count)}
        better = sorted(
            (image for image in ahead if ahead[image] > 1e-12), key=lambda image: (-round(ahead[image], 9), image)
        )
        assert kind.total == len(better)
        assert kind.rows.tolist() == better[:most]


def test_pictures_come_back_by_id_in_their_own_size(tmp_path):
    draw = np.random.default_rng(0)
    images = {
        (-5, 0): draw.integers(0, 256, (3, 4, 7), np.uint8),
        (2**62, 3): draw.integers(0, 256, (3, 9, 2), np.uint8),
    }
    image_store.write(tmp_path / "pictures.npz", images)
    found = image_store.read(tmp_path / "pictures.npz")
    assert list(found) == list(images)
    for one, image in images.items():
        np.testing.assert_array_equal(found[one], image)
    image_store.write(tmp_path / "none.npz", {})
    assert image_store.read(tmp_path / "none.npz") == image_store.read(tmp_path / "missing.npz") == {}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sizes": np.array([[9, 9]])}, "sizes has a side outside 1 to 2 x 2"),
        ({"sizes": np.array([[0, 1]])}, "sizes has a side outside 1 to 2 x 2"),
        ({"ids": np.array([[1, 2], [3, 4]])}, "expected N = 2"),
        ({"pixels": np.zeros((1, 1, 2, 2))}, "pixels is float64 with 4 axes"),
        ({"ids": np.array([["a", "b"]])}, "ids is <U1 with 2 axes"),
        ({"sizes": np.array([[{}, {}]], object)}, "is not a plain array"),
    ],
)
def test_damaged_pictures_are_refused_in_one_line(tmp_path, changes, text):
    arrays = {"ids": np.array([[1, 2]]), "pixels": np.zeros((1, 1, 2, 2), np.uint8), "sizes": np.array([[2, 2]])}
    np.savez(tmp_path / "pictures.npz", **{**arrays, **changes})
    with pytest.raises(BadInput, match=text) as raised:
        image_store.read(tmp_path / "pictures.npz")
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_archive_are_refused(tmp_path):
    (tmp_path / "pictures.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BadInput, match="not a readable"):
        image_store.read(tmp_path / "pictures.npz")
