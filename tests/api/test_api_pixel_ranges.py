"""A run remembers which numbers were black and white, and reads new images as it read its own."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import smallvision as sv
from smallvision.api import data
from smallvision.errors import BadInput

pytestmark = pytest.mark.slow  # trains

DIGITS = load_digits()
IMAGES, LABELS = DIGITS.images[:200], DIGITS.target[:200]  # floats, whole numbers from 0 to 16
EIGHT = np.rint(IMAGES / 16 * 255).astype(np.uint8)
SHORT = ("recipe.epochs=1", "recipe.batch_size=50", "data.validation=0")


def trained(x, path, *settings):
    return sv.run("digits", *SHORT, *settings, data=(x, LABELS, x[:60], LABELS[:60]), out=path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(EIGHT, tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory):
    return trained(IMAGES, tmp_path_factory.mktemp("sixteen") / "run", "data.range=[0, 16]")


def test_equal_pixels_are_equal_runs_whatever_numbers_they_came_as(plain, sixteen, tmp_path):
    assert "pixel_range" not in plain.result
    assert sixteen.result["pixel_range"] == {"black": 0, "white": 16, "type": "floats"}
    assert any("0 is black and 16 is white (data.range = [0, 16])" in note for note in sixteen.result["notes"])
    signed = trained((EIGHT / 127.5 - 1).astype(np.float32), tmp_path / "signed")
    assert signed.result["pixel_range"] == {"black": -1, "white": 1, "type": "floats"}
    assert plain.result["model_sha256"] == sixteen.result["model_sha256"] == signed.result["model_sha256"]
    assert plain.result["test"]["accuracy"] == sixteen.result["test"]["accuracy"] == signed.result["test"]["accuracy"]
    expected = plain.predict(EIGHT[:9, None])
    assert np.array_equal(signed.predict(EIGHT[:9, None] / 127.5 - 1), expected)
    assert np.array_equal(signed.predict(EIGHT[:9, None]), expected)


def test_new_arrays_are_read_as_those_of_the_run(plain, sixteen):
    expected = plain.predict(EIGHT[:9, None])
    for given in (IMAGES[:9, None], IMAGES[:9, None].astype(np.float16), torch.from_numpy(IMAGES[:9, None]).bfloat16()):
        assert np.array_equal(sixteen.predict(given), expected)
    assert np.array_equal(sixteen.predict(EIGHT[:9, None]), expected)
    assert np.array_equal(sixteen.encode(IMAGES[:9, None]), plain.encode(EIGHT[:9, None]))
    again = sv.open_run(sixteen.path)
    assert np.array_equal(again.predict(IMAGES[:9, None]), expected)
    np.testing.assert_allclose(plain.predict(EIGHT[:9, None] / 255), expected, atol=1e-5)


def test_channels_may_stand_last(plain):
    expected = plain.predict(EIGHT[:9, None])
    assert np.array_equal(plain.predict(EIGHT[:9, :, :, None]), expected)
    assert np.array_equal(plain.predict(torch.from_numpy(EIGHT[:9, :, :, None])), expected)
    with pytest.raises(BadInput, match=r"as in x\[:, None\]"):
        plain.predict(EIGHT[:9])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (IMAGES[:9, None] / 16, "floats up to 1, but in this run 16 is white"),
        (IMAGES[:9, None].astype(np.uint8), "uint8 up to 16, but this run was trained on floats of"),
        (IMAGES[:9, None] * 2, r"values are not from 0 \(black\) to 16 \(white\)"),
        (np.where(IMAGES[:9, None] > 9, np.nan, 1), "the first of them is nan"),
        (IMAGES[:9, None].astype(int), "got int64 pixels from 0 to 16"),
        (IMAGES[:9, None] > 3, "got bool pixels"),
        (IMAGES[:9, None].astype(complex), "an array of complex128"),
        (np.full((9, 1, 8, 8), None), "an array of object"),
    ],
)
def test_arrays_that_would_be_read_wrongly_are_refused(sixteen, x, message):
    with pytest.raises(BadInput, match=f"predict: .*{message}") as caught:
        sixteen.predict(x)
    assert "\n" not in str(caught.value)


def test_what_an_old_run_refuses_has_a_cure_that_keeps_the_image(plain):
    for x in (EIGHT[:9, None].astype(float), EIGHT[:9, None] / 127.5 - 1, IMAGES[:9, None]):
        with pytest.raises(BadInput, match=r"expected uint8 \(0 to 255\), or floats from 0 to 1"):
            plain.predict(x)


def test_zero_and_one_in_bytes_mean_in_prediction_what_they_meant_in_training(tmp_path):
    masks = (IMAGES > 7).astype(np.uint8)
    with pytest.raises(BadInput, match=r"uint8 with the values 0 and 1 only; set data\.range = \[0, 1\]"):
        trained(masks, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    white = trained(masks, tmp_path / "white", "data.range=[0, 1]")
    bright = trained(masks * 255, tmp_path / "bright")
    assert white.result["model_sha256"] == bright.result["model_sha256"]
    assert np.array_equal(white.predict(masks[:9, None]), bright.predict(masks[:9, None] * 255))
    as_is = trained(masks, tmp_path / "dark", "data.range=[0, 255]")
    assert np.array_equal(as_is.predict(masks[:9, None]), sv.open_run(as_is.path).predict(masks[:9, None]))
    assert len({run.experiment.hash() for run in (white, bright, as_is)}) == 3


def test_a_probe_reads_the_same_arrays(sixteen):
    x = (IMAGES, LABELS, IMAGES[:60], LABELS[:60])
    found = sixteen.probe(train=100, test=20, kinds=("knn",), maps=(), data=x)
    assert found.result["experiment"] == sixteen.experiment.hash()


def test_files_are_read_with_the_white_of_the_run(tmp_path, capsys):
    sensor = (IMAGES * 255.9).astype(np.uint16)  # 12 bits
    for number, (image, label) in enumerate(zip(sensor, LABELS, strict=True)):
        folder = tmp_path / "photos" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    dark = data.data_info(str(tmp_path / "photos"), picture=tmp_path / "a.png")
    assert dark["notes"][0] == (
        f"the largest value in 200 16-bit images is {sensor.max():,}; white is taken as 65,535; set data.white = 4095 "
        "if the sensor has 12 bits"
    )
    stated = data.data_info(str(tmp_path / "photos"), picture=tmp_path / "a.png", overrides=["data.white=4095"])
    assert stated["mean"] == pytest.approx([np.rint(sensor / 4095 * 255).mean() / 255])
    settings = ("data.source=folder", f"data.path={tmp_path / 'photos'}")
    run = sv.run("digits", *SHORT, *settings, "data.white=4095", out=tmp_path / "run")
    assert run.result["pixel_range"] == {"black": 0, "white": 4095, "type": "files"}
    one = tmp_path / "photos" / str(LABELS[0]) / "0.png"
    expected = run.predict(np.rint(sensor[:1, None] / 4095 * 255).astype(np.uint8))
    assert run.predict([one])[0]["probability"] == pytest.approx(expected.max(), abs=1e-6)
    assert run.predict(one) == run.predict(str(one)) == run.predict([one])[0]
    np.testing.assert_array_equal(run.encode(one), run.encode([one]))
    assert np.array_equal(run.predict(sensor[:1, None]), expected)
    Image.fromarray(np.full((8, 8), 5000, np.uint16)).save(tmp_path / "above.png")
    with pytest.raises(BadInput, match=r"above\.png: its pixels go from 5000 to 5000, outside of 0 to 4095, which are"):
        run.predict([tmp_path / "above.png"])
    capsys.readouterr()
    sv.run("digits", *SHORT, *settings, out=tmp_path / "unstated")
    assert "set data.white = 4095 if the sensor has 12 bits" in " ".join(capsys.readouterr().out.split())


def test_a_recorded_range_that_cannot_be_is_refused(sixteen, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(sixteen.path, copy)
    result = json.loads((copy / "result.json").read_text())
    for wrong in ({"black": 16, "white": 0, "type": "floats"}, {"black": 0}, 7):
        (copy / "result.json").write_text(json.dumps({**result, "pixel_range": wrong}))
        with pytest.raises(BadInput, match="pixel_range"):
            sv.open_run(copy).predict(IMAGES[:9, None])
