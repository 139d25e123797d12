"""Which numbers of arrays are black and white: what is taken as it is, what is stated, what is asked about."""

import re
import tomllib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from smallvision.data.load import from_arrays, load
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec
from smallvision.experiment.io import build_data

RANDOM = np.random.default_rng(14)
X = RANDOM.integers(0, 256, (30, 6, 5), dtype=np.uint8)
X.flat[:2] = 0, 255
Y = np.arange(30) % 3
DIGITS = load_digits().images[:30]
NORMAL = RANDOM.normal(0, 1, (30, 6, 5))


@pytest.fixture(params=["memory", "file"])
def made(request, tmp_path):
    """Splits of named arrays, passed in or from an .npz."""

    def make(x_train, x_test=None, **options):
        arrays = {"x_train": x_train, "y_train": Y}
        arrays |= {} if x_test is None else {"x_test": x_test, "y_test": Y[: len(x_test)]}
        if request.param == "memory":
            return from_arrays(DataSpec(source="arrays", **options), arrays)
        np.savez(tmp_path / "a.npz", **arrays)
        return load(DataSpec(source="npz", path=str(tmp_path / "a.npz"), **options))

    return make


def scaled(x, low, high):
    return np.rint((np.asarray(x, np.float64) - low) / (high - low) * 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.longdouble])
@pytest.mark.parametrize(("divisor", "ends"), [(255, (0, 1)), (1, (0, 255)), (127.5, (-1, 1))])
def test_floats_whose_range_tells_their_meaning_give_back_the_pixels(made, dtype, divisor, ends):
    if dtype == np.float16 and ends == (-1, 1):
        pytest.skip("float16 does not hold them apart")
    splits = made((X / divisor + min(ends[0], 0)).astype(dtype))
    assert np.array_equal(splits.train.pixels[:, 0], X)
    assert (splits.range.black, splits.range.white, splits.range.type) == (*ends, "floats")
    assert any(f"{ends[0]} is black and {ends[1]} is white" in note for note in splits.notes)


def test_floats_from_minus_one_to_one_are_rounded(made):
    x = RANDOM.uniform(-1, 1, (30, 6, 5)).astype(np.float32)
    assert np.array_equal(made(x).train.pixels[:, 0], scaled(x, -1, 1))


def test_all_splits_have_one_range(made):
    bright, dark = X.astype(np.float32), np.minimum(X, 1).astype(np.float32)  # 0 and 1 alone would be black and white
    splits = made(bright, dark)
    assert np.array_equal(splits.test.pixels[:, 0], dark)
    assert np.array_equal(made(dark, bright).train.pixels[:, 0], dark)
    positive = np.maximum(bright / 127.5 - 1, 0)
    splits = made(bright / 127.5 - 1, positive)
    assert np.array_equal(splits.test.pixels[:, 0], scaled(positive, -1, 1))
    zero_one = np.minimum(X, 1)
    assert np.array_equal(made(X, zero_one).test.pixels[:, 0], zero_one)  # not asked about: others are brighter
    limited = made(bright, limit=3)  # the images that are left out take part in the decision
    assert limited.range.white == 255


@pytest.mark.parametrize(
    ("x", "ends"),
    [
        (DIGITS, (0, 16)),
        (DIGITS.astype(np.uint8), (0, 16)),
        (X > 99, (0, 1)),
        ((X > 99).astype(np.uint8), (0, 1)),
        (NORMAL, (-5, 5)),
        (NORMAL.astype(np.float16), (-5, 5)),
        (X.view(np.int8), (-128, 127)),
        (X.astype(np.int64) * 1000 - 77, (-77, 254_923)),
        (RANDOM.random((30, 6, 5)), (0, 1)),
        (X.astype(np.uint16) * 16, (0, 4095)),
        (X.astype("<i4") * 16, (0, 4095)),
        (X / 2, (0, 255)),
        (X, (0, 255)),
        (X.astype(np.uint8) // 255, (0, 255)),
    ],
)
def test_a_stated_range_is_taken(made, x, ends):
    splits = made(x, x[:7], range=ends)
    assert np.array_equal(splits.train.pixels[:, 0], scaled(x, *ends))
    assert np.array_equal(splits.test.pixels[:, 0], scaled(x[:7], *ends))
    if ends[0] == 0:
        assert np.array_equal(made(x, white=float(ends[1])).train.pixels[:, 0], scaled(x, *ends))


def test_sixteen_levels_are_those_of_the_digits_data_set(made):
    own = load(DataSpec(source="digits"))
    images = torch.cat([own.train.pixels, own.test.pixels])[:, 0].numpy()
    found = made(DIGITS, range=(0, 16)).train.pixels[:, 0].numpy()
    assert {image.tobytes() for image in found} <= {image.tobytes() for image in images}


@pytest.mark.parametrize(
    ("x", "says", "cure"),
    [
        (X / 256, "floats (0 to 0.996094)", "data.range = [0, 1]"),
        (DIGITS, "floats (0 to 16), whole numbers, as in the digits of scikit-learn", "data.range = [0, 16]"),
        (DIGITS * 0.97, "floats (0 to 15.52)", "data.range = [0, 16]"),
        (X / 2, "floats (0 to 127.5)", "data.range = [0, 255]"),
        (X * 257.0, "floats (0 to 65535)", "data.white = 65535"),
        (X * 16.0, "floats (0 to 4080)", "data.white = 4095"),
        (X.astype(np.uint16) * 16, "uint16, values from 0 to 4,080", "data.white = 4095"),
        (X.astype(np.int64) * 4, "int64, values from 0 to 1,020", "data.white = 1023"),
        (X.astype(np.uint32) * 70_000, "uint32, values from 0 to 17,850,000", "data.white = 17850000"),
        (X.view(np.int8), "int8 from -128 to 127", "data.range = [-128, 127]"),
        ((X > 99).astype(np.uint8), "uint8 with the values 0 and 1 only", "data.range = [0, 1]"),
        ((X > 99).astype(np.int32), "int32 with the values 0 and 1 only", "data.range = [0, 255]"),
        (X > 99, "bool", "data.range = [0, 1]"),
        (X / 255 - 0.5, "floats (-0.5 to 0.5)", "data.range = [-0.5, 0.5]"),
        (X / 255 - 0.8, "floats (-0.8 to 0.2)", "data.range = [-0.8, 0.2]"),
        (X / 200 - 0.1, "floats (-0.1 to 1.175)", "x.clip(0, 1)"),
        (X * 1e30, "floats (0 to 2.55e+32)", "x / abs(x).max()"),
    ],
)
def test_what_has_more_than_one_meaning_is_asked_about(made, x, says, cure):
    with pytest.raises(BadInput) as caught:
        made(x)
    message = str(caught.value)
    assert says in message
    assert cure in message
    assert "\n" not in message
    assert "astype(numpy.uint8)" not in message or says.startswith("floats (0 to 0.99")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_range_proposed_for_standardised_images_keeps_them_up_to_contrast(made, dtype):
    x = ((X - X.mean()) / X.std()).astype(dtype)
    with pytest.raises(BadInput, match=r"standardised \(mean -?0\.00, standard deviation 1\.00\)") as caught:
        made(x)
    low, high = map(float, re.search(r"data\.range = \[(\S+), (\S+)\]", str(caught.value)).groups())
    assert low <= x.min()
    assert x.max() <= high
    found = made(x, range=(low, high)).train.pixels[:, 0].numpy().astype(float)
    assert np.abs(found - X.astype(float)).max() <= 1  # here the contrast is the whole one, too


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{}, {"range": (0, 1)}])
def test_missing_numbers_are_counted_and_the_first_is_named(made, bad, options):
    x = (X / 255).astype(np.float32)
    x[4, 2, 3] = x[7, 0, 1] = bad
    word = "NaN" if np.isnan(bad) else "infinite"
    with pytest.raises(BadInput, match=rf"x_train: floats, 2 {word} of 900 values, the first at index \[4, 2, 3\]"):
        made(x, **options)
    with pytest.raises(BadInput, match="x_test: floats, 2"):
        made(X / 255, x, **options)


def test_numbers_outside_of_what_is_stated_are_counted(made):
    with pytest.raises(BadInput) as caught:
        made(DIGITS, DIGITS[:5] + 2, range=(0, 16))
    count = int((DIGITS[:5] + 2 > 16).sum())
    assert f"x_test: {count} of 320 values lie outside of data.range = [0, 16], from 17 to 18" in str(caught.value)
    assert "x.clip(0, 16)" in str(caught.value)
    with pytest.raises(BadInput, match=r"outside of data\.white = 4095, from 4100 to 5100;"):
        made(X.astype(np.int32) * 20, white=4095.0)
    with pytest.raises(BadInput, match=r"from -0.5 to -0.5"):
        made(np.where(X == 0, -0.5, 1), white=1.0)


def test_dark_images_are_said_to_be(made):
    def dark(splits):
        return [note for note in splits.notes if "the largest value" in note]

    assert "is 16; white is taken as 255; set data.range = [0, 16]" in dark(made(DIGITS.astype(np.uint8)))[0]
    assert "is 31; white is taken as 255" in dark(made((X // 8).astype(np.int64)))[0]
    assert "is 0.121569; white is taken as 1" in dark(made((X // 8) / 255))[0]
    assert not dark(made(X // 4 + 1))
    assert not dark(made(X // 8, X))
    assert not dark(made(X * 0))


def test_tensors_of_every_type(tmp_path):
    def taken(x, **options):
        return (
            from_arrays(DataSpec(source="arrays", **options), {"x_train": x, "y_train": Y}).train.pixels[:, 0].numpy()
        )

    x = torch.from_numpy(X.copy())
    for given in (x, x.long(), x.float(), x.double(), x.bfloat16(), x.float().requires_grad_(), x.float() / 255):
        assert np.array_equal(taken(given), X)
    half = (x / 255).bfloat16()
    assert np.array_equal(taken(half, range=(0, 1)), scaled(half.float().numpy(), 0, 1))
    for bad in (x.to_sparse(), x.to(torch.complex64)):
        with pytest.raises(BadInput, match="x_train"):
            taken(bad)


def test_arrays_of_objects_say_what_to_give():
    def refusal(x):
        with pytest.raises(BadInput) as caught:
            from_arrays(DataSpec(source="arrays"), {"x_train": x, "y_train": Y})
        assert "\n" not in str(caught.value)
        return str(caught.value)

    stacked = np.empty(30, object)
    stacked[:] = list(X)
    assert "numpy.stack(x)" in refusal(stacked)
    stacked[3] = X[3, :2]
    assert 'source = "folder"' in refusal(stacked)
    assert "expected an array of numbers" in refusal(np.full((30, 6, 5), None))
    assert "astype(numpy.float32)" in refusal(np.zeros((30, 6, 5), "V2"))
    assert "use numbers" in refusal(np.full((30, 6, 5), "a"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"source": "npz", "path": "a.npz", "white": 1, "range": [0, 1]}, "keep one"),
        ({"source": "npz", "path": "a.npz", "range": [1, 0]}, "black < white"),
        ({"source": "npz", "path": "a.npz", "range": [1, 1]}, "black < white"),
        ({"source": "npz", "path": "a.npz", "range": [0, 1e300]}, r"above 1e\+18"),
        ({"source": "npz", "path": "a.npz", "range": [0]}, "range"),
        ({"source": "npz", "path": "a.npz", "range": ["0", 1]}, "range"),
        ({"source": "npz", "path": "a.npz", "white": 0}, "white"),
        ({"source": "npz", "path": "a.npz", "white": -4095}, "white"),
        ({"source": "npz", "path": "a.npz", "white": True}, "white"),
        ({"source": "npz", "path": "a.npz", "white": float("nan")}, "white"),
    ],
)
def test_keys_that_cannot_be(table, message):
    with pytest.raises(BadInput, match=message):
        build_data(table, "here")


@pytest.mark.parametrize(("key", "value"), [("white", 4095), ("range", [0, 16])])
def test_named_data_sets_have_their_own_white(key, value):
    with pytest.raises(BadInput, match=rf'data\.{key}: this key is for images of your own .*not for "digits"'):
        load(build_data({"source": "digits", key: value}, "here"))


def test_the_keys_are_written_and_read_back_and_change_no_hash():
    from smallvision import experiment

    plain = experiment.load("mnist-cnn")
    assert "white" not in str(plain.canonical())
    assert "range" not in plain.canonical().get("data", {})
    own = plain.model_copy(update={"data": DataSpec(source="npz", path="a.npz", range=(-1, 1))})
    again = experiment.io.build(tomllib.loads(experiment.to_toml(own)), "here")
    assert again == own
    assert again.hash() == own.hash() != plain.hash()
