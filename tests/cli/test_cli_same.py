"""`same` from a notebook and on the command line, against the run's own evidence.

The tests also cover what it says about files and what it refuses.
"""

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from page_reading import says, wording
from PIL import Image

import smallvision as sv
from smallvision import cli
from smallvision.cli.same import sentence
from smallvision.errors import BadInput

SHORT = ["recipe.epochs=2", "data.limit=600"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished verifiers, and a classifier; no reports, which take longer than the runs."""
    folder = tmp_path_factory.mktemp("runs")
    heads = {"distance": [], "dense": ["model.head=dense"]}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sv.Run, "report", lambda _: None)
        made = {
            name: sv.run("digits-siamese", *SHORT, *more, device="cpu", threads=1, out=folder / name)
            for name, more in heads.items()
        }
        made["classifier"] = sv.run(
            "digits", "recipe.epochs=1", "data.limit=300", device="cpu", threads=1, out=folder / "classifier"
        )
    return made


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    """Run a command line in this process, in an empty folder; gives (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["smallvision", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def shown(runs):
    """The pairs of a gallery: pixels (n, 2, C, H, W) and the rows of the evidence."""

    def of(run, kind):
        found = run.record.evidence
        return found[f"gallery_{kind}_pixels"], found[f"gallery_{kind}"], found

    return of


@pytest.mark.parametrize("head", ["distance", "dense"])
def test_pairs_of_the_evidence_get_the_answers_that_it_has(runs, shown, head):
    run = runs[head]
    for kind, answer in (("right_same", True), ("right_other", False), ("wrong_same", True)):
        pixels, rows, found = shown(run, kind)
        answers = run.same(pixels[:, 0], pixels[:, 1])
        assert [one["same"] for one in answers] == [answer] * len(rows)
        np.testing.assert_allclose([one["probability"] for one in answers], found["probabilities"][rows], atol=1e-5)
        np.testing.assert_allclose([one["distance"] for one in answers], found["distances"][rows], atol=1e-5)
        alone = run.same(pixels[0, 0], torch.from_numpy(pixels[0, 1]).float() / 255)
        assert alone.keys() == {"same", "probability", "distance"}
        assert alone["probability"] == pytest.approx(answers[0]["probability"], abs=1e-5)


@pytest.mark.parametrize("head", ["distance", "dense"])
def test_either_image_may_come_first_to_the_last_bit(runs, shown, head):
    pixels = shown(runs[head], "right_other")[0]
    assert runs[head].same(pixels[:, 0], pixels[:, 1]) == runs[head].same(pixels[:, 1], pixels[:, 0])
    itself = runs[head].same(pixels[0, 0], pixels[0, 0])
    assert itself["distance"] == 0
    if head == "distance":
        assert itself["same"] is True


def test_what_is_said_of_a_pair_follows_from_the_verifier_that_the_run_saved(runs, shown, tmp_path):
    pixels = shown(runs["distance"], "right_same")[0]
    path = tmp_path / "changed"
    shutil.copytree(runs["distance"].path, path)
    result = json.loads((path / "result.json").read_text())
    changed = {**result, "verifier": {**result["verifier"], "threshold": 1.0}}
    (path / "result.json").write_text(json.dumps(changed))
    before, after = (run.same(pixels[0, 0], pixels[0, 1]) for run in (runs["distance"], sv.open_run(path)))
    assert before["same"]
    assert after == {**before, "same": False}
    (path / "result.json").write_text(json.dumps({key: value for key, value in result.items() if key != "verifier"}))
    with pytest.raises(BadInput, match='has no "verifier"'):
        sv.open_run(path)
    (path / "result.json").unlink()
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**state, "status": "interrupted"}))
    for ask in (lambda run: run.same(pixels[0, 0], pixels[0, 1]), lambda run: run.verifier):
        with pytest.raises(BadInput, match=r"is not finished, so it has no .*; go on with: "):
            ask(sv.open_run(path))


def save(pixels, path):
    Image.fromarray(pixels[0]).save(path)
    return path


def test_files_on_the_command_line(runs, shown, type_in, tmp_path):
    run = runs["distance"]
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.path.iterdir()}
    (same, _, _), (other, _, _) = shown(run, "right_same"), shown(run, "right_other")
    names = [save(image, tmp_path / f"{place}.png") for place, image in enumerate((*same[0], *other[0]))]
    status, out, err = type_in("same", run.path, *names[2:])
    assert (status, err) == (0, "")
    expected = run.same(*other[0])
    threshold = run.result["verifier"]["threshold"]
    assert out == f"{sentence(expected, threshold)}\n"
    says(out, f"{threshold:.2f}", f"{expected['distance']:.3g}")
    status, out, err = type_in("same", run.path, *names)
    first, second = out.splitlines()
    begin = len(f"{names[0]}, {names[1]}: ")
    assert first.startswith(f"{names[0]}, {names[1]}: ")
    assert second == f"{names[2]}, {names[3]}: {sentence(expected, threshold)}"
    assert first[begin:] == sentence(run.same(*names[:2]), threshold)
    assert wording(first[begin:]) != wording(second[begin:]), "one pair is said to be of one class, the other not"
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.path.iterdir()} == before


def test_files_of_another_size_and_mode_are_brought_to_the_models_and_it_says_so(runs, shown, type_in, tmp_path):
    run = runs["distance"]
    pixels = shown(run, "right_same")[0][0]
    save(pixels[0], tmp_path / "a.png")
    large = Image.fromarray(pixels[1][0]).resize((80, 64), Image.Resampling.BILINEAR).convert("RGB")
    large.save(tmp_path / "b.png")
    status, out, err = type_in("same", run.path, "a.png", "b.png")
    assert (status, err) == (0, "")
    note, answer = out.splitlines()
    says(note, "b.png", "64x80", "8x8", "gray")
    assert answer == sentence(run.same(tmp_path / "a.png", tmp_path / "b.png"), run.result["verifier"]["threshold"])
    found = run.same(tmp_path / "a.png", tmp_path / "b.png")
    assert len(found["notes"]) == 1
    assert "notes" not in run.same(str(tmp_path / "a.png"), str(tmp_path / "a.png"))
    small = np.array(large.convert("L").resize((8, 8), Image.Resampling.BILINEAR))[None]
    assert found["probability"] == pytest.approx(run.same(pixels[0], small)["probability"], abs=1e-6)
    several = run.same([tmp_path / "a.png", tmp_path / "b.png"], [tmp_path / "b.png", tmp_path / "a.png"])
    assert several[0]["notes"] == several[1]["notes"] == found["notes"]
    assert [one["probability"] for one in several] == pytest.approx([found["probability"]] * 2, abs=1e-6)


@pytest.mark.parametrize(
    ("likely", "threshold", "said"),
    [
        (0.031, 0.56, "0.03 (same from 0.56)"),
        (0.562, 0.56, "0.562 (same from 0.560)"),
        (0.999996, 0.5, "> 0.9999 (same from 0.50)"),
        (0.99962, 0.5, "0.9996 (same from 0.50)"),
        (1e-9, 0.5, "< 0.0001 (same from 0.50)"),
        (1.0, 1.0, "1.00 (same from 1.00)"),
        (0.0, 0.5, "0.00 (same from 0.50)"),
        (0.5, 0.5, "0.50 (same from 0.50)"),
    ],
)
def test_shares_are_printed_so_that_they_say_what_the_answer_says(likely, threshold, said):
    row = {"same": likely >= threshold, "probability": likely, "distance": 1.4159}
    answer = "the same class" if likely >= threshold else "not the same class"
    assert sentence(row, threshold) == f"{answer}: probability {said}, distance 1.42"


def pixels(*shape, kind=np.uint8):
    return np.zeros(shape, kind)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            pixels(1, 9, 8),
            pixels(1, 8, 8),
            r"^same: got pixels of shape \(1, 1, 9, 8\); expected \(N, 1, 8, 8\)$",
        ),
        (
            pixels(3, 8, 8),
            pixels(3, 8, 8),
            r"^same: got pixels of shape \(1, 3, 8, 8\); expected \(N, 1, 8, 8\)$",
        ),
        (pixels(8, 8), pixels(8, 8), r"^same: got pixels of shape \(8, 8\); expected"),
        (pixels(2, 1, 8, 8), pixels(3, 1, 8, 8), "^same: got 2 and 3 images; pass at least one pair$"),
        (pixels(0, 1, 8, 8), pixels(0, 1, 8, 8), "^same: got 0 and 0 images; pass at least one pair$"),
        ([], [], r"^same: got 0 and 0 images"),
        (pixels(1, 8, 8), pixels(2, 1, 8, 8), r"^same: got one image on one side and several on the other"),
        (
            pixels(1, 8, 8, kind=np.int64),
            pixels(1, 8, 8),
            r"^same: got int64 pixels from 0 to 0; expected uint8 \(0 to 255\), or floats from 0 to 1, ",
        ),
        (
            2 + pixels(1, 8, 8, kind=np.float32),
            pixels(1, 8, 8),
            r"^same: got float32 pixels from 2 to 2; expected uint8 \(0 to 255\), or floats from 0 to 1, ",
        ),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused_in_one_line(runs, one, other, said):
    with pytest.raises(BadInput, match=said) as caught:
        runs["distance"].same(one, other)
    assert "\n" not in str(caught.value)


def test_runs_of_another_task_say_what_they_have(runs, type_in, tmp_path):
    save(pixels(1, 8, 8), tmp_path / "a.png")
    for words, said in (
        (
            ["same", runs["classifier"].path, "a.png", "a.png"],
            'same is for runs of the task "verify"',
        ),
        (
            ["predict", runs["distance"].path, "a.png"],
            '"verify"; its methods are same, verifier, encode',
        ),
        (
            ["same", runs["distance"].path, "a.png"],
            ("same: got 1 image; name the images in pairs: smallvision same RUN A B [A B]..."),
        ),
        (["same", runs["distance"].path, "a.png", "none.png"], "none.png: No such file"),
        (["same", "nowhere", "a.png", "a.png"], "nowhere"),
    ):
        status, out, err = type_in(*words)
        assert (status, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
