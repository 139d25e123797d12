"""Arrays in memory and in .npz files: the same names, the same checks, the same result."""

import zipfile

import numpy as np
import pytest
import torch
from data_files import read_or_refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smallvision.data import memory
from smallvision.data.load import from_arrays, load
from smallvision.errors import BadInput
from smallvision.experiment.data import DataSpec

RANDOM = np.random.default_rng(6)
X = RANDOM.integers(0, 256, (12, 5, 4), dtype=np.uint8)
Y = np.arange(12) % 3
SPEC = DataSpec(source="arrays")


def from_file(path, arrays, **options):
    np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})
    return load(DataSpec(source="npz", path=str(path), **options))


@pytest.fixture(params=["memory", "file", "compressed"])
def made(request, tmp_path):
    """Splits of named arrays, whichever way they come."""

    def make(arrays, **options):
        if request.param == "memory":
            return from_arrays(DataSpec(source="arrays", **options), arrays)
        if request.param == "compressed":
            np.savez_compressed(tmp_path / "a.npz", **{name: np.asarray(value) for name, value in arrays.items()})
            return load(DataSpec(source="npz", path=str(tmp_path / "a.npz"), **options))
        return from_file(tmp_path / "a.npz", arrays, **options)

    return make


def test_names_shapes_and_labels(made):
    splits = made({"x_train": X, "y_train": Y, "x_val": X[:4], "y_val": Y[:4], "x_test": X[4:], "y_test": Y[4:]})
    assert np.array_equal(splits.train.pixels[:, 0], X)
    assert np.array_equal(splits.validation.pixels[:, 0], X[:4])
    assert np.array_equal(splits.test.labels, Y[4:])
    assert splits.train.classes == ("0", "1", "2")
    assert splits.mean == pytest.approx((X.mean() / 255,), rel=1e-13)
    named = made({"x_train": X, "y_train": Y[:, None].astype(np.uint8), "classes": ["a", "b", "c"]}, classes=["c", "a"])
    assert named.train.classes == ("c", "a")
    assert named.train.labels.tolist() == [1, 0] * 4


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_channels_are_found(made, layout):
    x = RANDOM.integers(0, 256, (6, 3, 5, 4), dtype=np.uint8)
    given = x if layout == "NCHW" else x.transpose(0, 2, 3, 1).copy()
    assert np.array_equal(made({"x_train": given, "y_train": [0, 1] * 3}).train.pixels, x)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16])
def test_other_numbers_that_lose_nothing(made, kind):
    given = (X / 255).astype(kind) if np.issubdtype(kind, np.floating) else X.astype(kind)
    assert np.array_equal(made({"x_train": given, "y_train": Y}).train.pixels[:, 0], X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": X / 256}, "floats"),
        ({"x_train": (X / 127.5 - 1) / 4}, "floats (-0.25 to 0.25)"),
        ({"x_train": np.where(X > 250, np.nan, X / 255)}, "floats"),
        ({"x_train": X.astype(int) * 2}, "values from"),
        ({"x_train": X > 3}, "bool"),
        ({"x_train": X[:, :, 0]}, "shape (12, 5)"),
        ({"x_train": np.zeros((12, 3, 5, 3), np.uint8)}, "is not (N, H, W), (N, H, W, C) or (N, C, H, W)"),
        ({"x_train": np.zeros((12, 4, 5, 4), np.uint8)}, "is not (N, H, W), (N, H, W, C) or (N, C, H, W)"),
        ({"y_train": Y / 1}, "expected integers"),
        ({"y_train": np.eye(3, dtype=int)[Y]}, "y.argmax(1)"),
        ({"y_train": Y[:-1]}, "11 labels for 12 images"),
        ({"y_train": Y - 1}, "label -1 is out of range (0 to 1)"),
        ({"y_train": Y + 10**9}, "out of range"),
        ({"y_train": Y * 2}, 'no training images of class "1"'),
        ({"y_test": Y}, "is y_test but no x_test"),
        ({"x_test": X, "y_test": Y + 1}, "label 3 is out of range (0 to 2)"),
        ({"x_test": X[:, 1:], "y_test": Y}, "images of 1 x 4 x 4"),
        ({"classes": ["a", "b"]}, "label 2 is out of range (0 to 1)"),
        ({"classes": ["a", "a", "b"]}, "twice"),
        ({"y_train": Y * 0}, "at least two classes"),
        ({"y_train": Y * 0 - 1}, "at least two classes"),
        ({"y_train": Y * 0, "classes": ["a"]}, "at least two classes"),
        ({"x_tran": X}, 'did you mean "x_train"'),
        ({"x_train": X[:0], "y_train": Y[:0]}, "no images"),
    ],
)
def test_what_does_not_fit_is_refused(made, change, message):
    with pytest.raises(BadInput) as caught:
        made({"x_train": X, "y_train": Y, **change})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tensors_and_lists_are_arrays_too_and_are_copied():
    x = torch.from_numpy(X.copy())
    splits = from_arrays(SPEC, {"x_train": x, "y_train": Y.tolist(), "x_test": None, "y_test": None})
    x.zero_()
    assert np.array_equal(splits.train.pixels[:, 0], X)
    assert splits.test is None
    with pytest.raises(BadInput, match="different lengths"):
        from_arrays(SPEC, {"x_train": [[[1, 2]], [[1]]], "y_train": [0, 1]})
    with pytest.raises(BadInput, match="are no arrays x_train"):
        from_arrays(SPEC, {})


def test_own_validation_and_a_share_are_not_mixed(made):
    with pytest.raises(BadInput, match=r"data\.validation: .* has a validation split of its own"):
        made({"x_train": X, "y_train": Y, "x_val": X, "y_val": Y}, validation=0.5)


def npz(path):
    return load(DataSpec(source="npz", path=str(path)))


def test_damaged_npz_files(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(BadInput, match=r"a\.npz: No such file"):
        npz(path)
    for other in (f"~nosuchuser/{path.name}", tmp_path / ("x" * 300), "a\0b"):
        with pytest.raises(BadInput) as caught:
            npz(other)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"hello")
    with pytest.raises(BadInput, match=r"a readable \.npz array"):
        npz(path)
    np.savez(path, x_train=X, y_train=Y)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(BadInput, match=r"a\.npz"):
        npz(path)
    place = whole.index(X.tobytes())
    path.write_bytes(whole[:place] + b"\0\1\2\3" + whole[place + 4 :])
    with pytest.raises(BadInput, match=r"x_train: .*CRC"):
        npz(path)


def test_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=np.array([{}, 1], dtype=object), y_train=Y)
    with pytest.raises(BadInput, match="holds Python objects"):
        npz(path)


def test_headers_that_lie_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=X, y_train=Y)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["x_train.npy"] = members["x_train.npy"].replace(b"(12, 5, 4)", b"(12,99,99)")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(BadInput, match="its header says"):
        npz(path)
    np.savez(path, x_train=np.asfortranarray(X), y_train=Y)
    with pytest.raises(BadInput, match="column by column"):
        npz(path)
    np.savez(path, x_train=X, y_train=Y)
    monkeypatch.setattr(memory, "available_bytes", lambda: 239)
    with pytest.raises(BadInput, match="needs 240 bytes"):
        npz(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_npz_files_are_refused_or_read(tmp_path, data):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=X, y_train=Y)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    splits = read_or_refused(npz, path)
    assert splits is None or np.array_equal(splits.train.labels, Y)


def test_an_empty_list_of_names_is_refused(made):
    with pytest.raises(
        BadInput, match=r"classes: (0 names; a classifier needs|got float64 of shape \(0,\); expected a list)"
    ):
        made({"x_train": X, "y_train": Y, "classes": np.zeros(0, "U3")})
