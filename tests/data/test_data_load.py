"""From a spec to splits: which images, which labels, which numbers, how much memory."""

import hashlib
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from allocations import peak_bytes
from data_files import idx_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from smallvision.data import memory, split, statistics
from smallvision.data.ids import occurrences
from smallvision.data.load import load
from smallvision.data.readers import idx
from smallvision.data.seeds import mix, permutation
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec


def mnist(root, **options):
    return load(DataSpec(source="mnist", **options), root)


@pytest.fixture(scope="module")
def truth(small_mnist):
    return np.load(small_mnist / "truth.npz")


def test_everything_is_loaded_as_it_is(small_mnist, truth):
    splits = mnist(small_mnist)
    assert splits.train.shape == (1, 28, 28)
    assert splits.train.pixels.dtype == torch.uint8
    assert np.array_equal(splits.train.pixels[:, 0], truth["images"])
    assert np.array_equal(splits.train.labels, truth["labels"])
    assert np.array_equal(splits.test.pixels[:, 0], truth["test"])
    assert splits.validation is None
    assert splits.train.name == "mnist train"
    assert splits.train.classes == splits.test.classes == tuple("0123456789")


def test_mean_and_std_are_those_of_the_training_pixels(small_mnist, truth):
    splits = mnist(small_mnist)
    pixels = truth["images"].astype(np.float64) / 255
    assert splits.mean == pytest.approx((pixels.mean(),), rel=1e-14)
    assert splits.std == pytest.approx((pixels.std(),), rel=1e-13)
    part = mnist(small_mnist, classes=[2, 5], validation=10, limit=20)
    pixels = part.train.pixels.numpy() / 255
    assert part.mean == pytest.approx((pixels.mean(),), rel=1e-13)
    assert part.std == pytest.approx((pixels.std(),), rel=1e-13)
    plain = mnist(small_mnist, normalize="none")
    assert (plain.mean, plain.std) == ((0.0,), (1.0,))


def test_moments_against_numpy_per_channel_and_over_n_minus_1():
    pixels = torch.randint(0, 256, (50, 3, 4, 5), dtype=torch.uint8)
    pixels[:, 1] //= 7
    counts = statistics.histogram([pixels[:20], pixels[20:, :, :, :3], pixels[20:, :, :, 3:]])
    flat = pixels.permute(1, 0, 2, 3).reshape(3, -1).double().numpy() / 255
    for ddof in (0, 1):
        mean, std = statistics.moments(counts, ddof)
        np.testing.assert_allclose(mean, flat.mean(1), rtol=1e-13)
        np.testing.assert_allclose(std, flat.std(1, ddof=ddof), rtol=1e-13)


def numbers(mean, std):
    return {"mean": mean, "std": std}


def test_the_copied_std_of_cifar10_is_noticed_and_used():
    groups = (torch.zeros(2, 3, 4, 4, dtype=torch.uint8),)
    wrong = DataSpec(source="cifar10", normalize=numbers((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))).normalize
    mean, std, notes = statistics.statistics(wrong, groups)
    assert (mean, std) == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert "0.2023" in notes[0]
    assert "0.247, 0.2435, 0.2616" in notes[0]
    assert "(0.4914, 0.4822, 0.4465) beside it is right" in notes[0]
    right = DataSpec(source="cifar10", normalize=numbers((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))).normalize
    assert statistics.statistics(right, groups)[2] == ()


def test_numbers_for_other_channels_and_constant_channels(small_mnist):
    with pytest.raises(BadInput, match=r"data\.normalize: 3 numbers are given, but the images have 1 channel;"):
        mnist(small_mnist, normalize=numbers((0.5,) * 3, (0.5,) * 3))
    groups = (torch.full((2, 1, 4, 4), 51, dtype=torch.uint8),)
    mean, std, notes = statistics.statistics("standardize", groups)
    assert mean == pytest.approx((0.2,))
    assert std == (1.0,)
    assert "std 0 is taken as 1" in notes[0]


def test_identities_are_blake2b_of_shape_and_pixels_and_the_count_among_equals(small_mnist, truth):
    splits = mnist(small_mnist)
    seen = Counter()
    for image, (digest, occurrence) in zip(truth["images"], splits.train.ids.tolist(), strict=True):
        expected = hashlib.blake2b(b"1,28,28," + image.tobytes(), digest_size=8).digest()
        assert digest == int.from_bytes(expected, "little", signed=True)
        assert occurrence == seen[digest]
        seen[digest] += 1
    assert splits.train.ids[[3, 7, 9], 1].tolist() == [0, 1, 2]
    assert splits.test.ids[5, 0] == splits.train.ids[3, 0]


@given(st.lists(st.integers(-3, 3)))
def test_occurrences_count_earlier_equals(values):
    expected = [values[:place].count(value) for place, value in enumerate(values)]
    assert occurrences(np.array(values, dtype=np.int64)).tolist() == expected


def test_a_subset_is_remapped_in_the_order_given_and_remembered(small_mnist, truth):
    splits = mnist(small_mnist, classes=[7, "3"])
    assert splits.train.classes == ("7", "3")
    keep = np.isin(truth["labels"], [7, 3])
    assert np.array_equal(splits.train.pixels[:, 0], truth["images"][keep])
    assert np.array_equal(splits.train.labels, (truth["labels"][keep] == 3).astype(int))
    assert len(splits.test) == 10
    assert splits.notes == ("2 of 10 classes; label 0 is 7 (7), 1 is 3 (3)",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["three", 1]}, 'data.classes: mnist has no class "three"; known: 0, 1'),
        ({"classes": [3, 10]}, "no class 10; expected 0 to 9"),
        ({"classes": [3, -1]}, "no class -1"),
        ({"classes": [3, "3"]}, '"3" is given twice'),
        ({"validation": 300}, "data.validation: 300 takes 300 of 300"),
        ({"validation": 0.001}, "takes 0 of 300"),
        ({"validation": 299}, "leaves no training images of class"),
        ({"limit": 5}, "data.limit: 5 keeps no training images of class"),
    ],
)
def test_what_cannot_be_selected_is_refused(small_mnist, options, message):
    with pytest.raises(BadInput) as caught:
        mnist(small_mnist, **options)
    assert message in str(caught.value)


def test_the_nearest_class_is_named():
    with pytest.raises(BadInput, match='did you mean "Sneaker"'):
        split.class_indices(("Sneaker", "Bag"), ["sneaker"], "fashion-mnist")


def keys(images):
    return Counter(map(tuple, images.ids[:, :1].tolist()))


@pytest.mark.parametrize("share", [60, 0.2])
def test_validation_is_stratified_disjoint_and_seeded(small_mnist, truth, share):
    whole, one = mnist(small_mnist), mnist(small_mnist, validation=share)
    assert len(one.validation) == 60
    assert keys(one.train) + keys(one.validation) == keys(whole.train)
    counts = np.bincount(truth["labels"])
    assert (np.abs(np.bincount(one.validation.labels) - counts * 0.2) < 1).all()
    again, other = mnist(small_mnist, validation=share), mnist(small_mnist, validation=share, seed=1)
    assert torch.equal(one.validation.pixels, again.validation.pixels)
    assert not torch.equal(one.validation.ids, other.validation.ids)
    assert np.array_equal(one.test.pixels[:, 0], truth["test"])


def test_limits_keep_proportions_and_leave_validation_alone(small_mnist):
    free, limited = mnist(small_mnist, validation=50), mnist(small_mnist, validation=50, limit=0.5)
    assert torch.equal(free.validation.ids, limited.validation.ids)
    assert len(limited.train) == 125
    share = np.bincount(free.train.labels) / 2
    assert (np.abs(np.bincount(limited.train.labels) - share) < 1).all()
    assert not keys(limited.train) - keys(free.train)
    each = mnist(small_mnist, limit_per_class=3)
    assert np.bincount(each.train.labels).tolist() == [3] * 10
    assert len(each.test) == 50


def test_a_limit_beyond_the_data_keeps_all_and_says_so(small_mnist):
    splits = mnist(small_mnist, limit=1000)
    assert len(splits.train) == 300
    assert splits.notes == ("limit 1,000 is more than the 300 training images",)
    assert "limit_per_class 40" in mnist(small_mnist, limit_per_class=40).notes[0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any), st.data())
def test_quotas_are_the_largest_remainder(counts, data):
    total = data.draw(st.integers(0, sum(counts)))
    found = split.quotas(np.array(counts), total).tolist()
    exact = [Fraction(count * total, sum(counts)) for count in counts]
    assert sum(found) == total
    assert all(abs(number - share) < 1 for number, share in zip(found, exact, strict=True))
    assert all(number <= count for number, count in zip(found, counts, strict=True))


def test_draws_never_change_with_a_version():
    """These numbers are in people's results; a change here changes every split."""
    assert [mix(0), mix(1), mix(0, 1), mix(1, 0), mix(0, 0), mix(2**63, -1)] == [
        0,
        3119036373970289394,
        5225608189600411232,
        6915206964022700985,
        8147104208329303767,
        1567634950661074079,
    ]
    assert permutation(8, mix(7)).tolist() == [0, 4, 6, 2, 7, 3, 5, 1]
    assert all(0 <= mix(seed, 3) < 2**63 for seed in range(200))
    assert len({mix(seed, epoch, batch) for seed in range(10) for epoch in range(10) for batch in range(10)}) == 1000


def test_expansion_touches_training_only(small_mnist, truth):
    splits = mnist(small_mnist, expand={"noise": 0.2}, validation=30)
    clean = mnist(small_mnist, validation=30)
    assert len(splits.train) == 4 * 270
    assert torch.equal(splits.validation.pixels, clean.validation.pixels)
    assert torch.equal(splits.test.pixels, clean.test.pixels)
    assert splits.mean == pytest.approx((splits.train.pixels.double().mean().item() / 255,), rel=1e-12)


def test_take_and_len(small_mnist):
    train = mnist(small_mnist).train
    rows = torch.tensor([5, 2, 299])
    taken = train.take(rows)
    assert len(taken) == 3
    assert torch.equal(taken.pixels, train.pixels[rows])
    assert torch.equal(taken.labels, train.labels[rows])
    assert torch.equal(taken.ids, train.ids[rows])
    assert len(train.take(torch.tensor([], dtype=torch.int64))) == 0


def test_labels_that_do_not_fit_are_refused(tmp_path, small_mnist):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for path in (small_mnist / "MNIST" / "raw").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(299, np.uint8)))
    with pytest.raises(BadInput, match="299 labels for 300 images"):
        mnist(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(300, 10, np.uint8)))
    with pytest.raises(BadInput, match="label 10 is out of range"):
        mnist(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(300, np.uint8)))
    with pytest.raises(BadInput, match='mnist: has no training images of class "1"'):
        mnist(tmp_path)


def test_more_than_memory_is_refused_before_it_is_read(small_mnist, monkeypatch):
    def never(*arguments):
        raise AssertionError("pixels were read")

    monkeypatch.setattr(memory, "available_bytes", lambda: 270_000)
    with monkeypatch.context() as patch:
        patch.setattr(idx, "blocks", never)
        with pytest.raises(
            BadInput, match=r"mnist: this needs 274\.4 kB of memory, but only 270\.0 kB are available; .*data\.limit"
        ):
            mnist(small_mnist)
        with pytest.raises(BadInput, match="memory"):
            mnist(small_mnist, expand={}, limit=100)
    assert len(mnist(small_mnist, limit=250).train) == 250


def test_available_memory_is_a_sensible_number(monkeypatch):
    assert 0 < memory.available_bytes() < 1 << 62
    monkeypatch.setattr(memory, "_system", lambda: 1000)
    assert memory.available_bytes() <= 1000


def test_digits_need_no_file(tmp_path):
    from sklearn.datasets import load_digits

    splits = load(DataSpec(source="digits"), tmp_path)
    assert (len(splits.train), len(splits.test), splits.train.shape) == (1437, 360, (1, 8, 8))
    original = {tuple(image.astype(int).ravel()) for image in load_digits().images}
    for part in (splits.train, splits.test):
        back = np.rint(part.pixels.double().numpy().reshape(len(part), -1) * 16 / 255).astype(int)
        assert {tuple(row) for row in back} <= original
    assert splits.train.pixels.max() == 255
    assert not keys(splits.train) & keys(splits.test)


def test_arrays_are_no_source_to_load():
    with pytest.raises(BadInput, match="arrays"):
        load(DataSpec(source="arrays"))


@pytest.mark.slow
def test_loading_takes_less_than_one_and_a_half_times_the_pixels(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        pixels = np.random.default_rng(0).integers(0, 256, (count, 36, 36), dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes((np.arange(count) % 10).astype(np.uint8)))
    splits, most = peak_bytes(lambda: load(DataSpec(source="mnist", validation=0.3, limit=0.9), tmp_path))
    count = sum(part.pixels.numel() for part in (splits.train, splits.validation, splits.test))
    assert 1 <= most / count < 1.5
