"""What is not probed, and why: each one line, with nothing written; what is interrupted, and what cannot be had."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import smallvision as sv
from smallvision.data import load as images
from smallvision.errors import BadInput, RunFailed
from smallvision.experiment import ProbeSpec, build, load
from smallvision.inference import predict
from smallvision.inference.predict import Loaded
from smallvision.probing import projections
from smallvision.probing import run as probing
from smallvision.runs import probes
from smallvision.runs.read import read_run
from smallvision.storage.files import failed
from smallvision.training import run
from smallvision.training.run import RunOptions


def probed(path, spec, **options):
    """The probe's record, after all its events."""
    return probes.read(list(probing.probe(read_run(path), spec, **options))[-1].path)


def refused(path, spec, **options):
    """The one line that a probe is refused with; nothing is written then."""
    before = sorted((path / "probes").rglob("*"))
    with pytest.raises(BadInput) as caught:
        list(probing.probe(read_run(path), spec, **options))
    assert sorted((path / "probes").rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_finished_probe_is_shown_and_not_repeated(copy, found, spec, monkeypatch):
    monkeypatch.setattr(predict, "load", None)  # nothing is loaded, nothing computed
    assert list(probing.probe(read_run(copy), spec)) == [probing.Probed(copy / "probes" / found.path.name, new=False)]


def test_a_probe_of_older_weights_is_replaced(copy, found, cheap):
    first = probed(copy, cheap)
    file = first.path / "probe.json"
    file.write_text(json.dumps({**first.result, "model_sha256": "0" * 64}))
    again = probed(copy, cheap)
    assert again.result["model_sha256"] == first.result["model_sha256"]
    assert sorted(path.name for path in (copy / "probes").iterdir()) == sorted([first.path.name, found.path.name])


def test_a_probe_that_stops_halfway_leaves_nothing(copy, cheap):
    events = probing.probe(read_run(copy), cheap)
    for event in events:
        if isinstance(event, probing.StepStarted) and event.step == "writing":
            break
    events.close()
    assert not probes.place(copy, cheap).exists()
    assert not list((copy / "probes").glob(".*"))
    assert probed(copy, cheap).result["counts"]["train"] == 100  # and the run is not locked


def test_a_full_disk_leaves_the_older_probe(copy, found, monkeypatch):
    def full(path, value):
        raise failed(path, OSError(28, "No space left on device"))

    monkeypatch.setattr(probes, "write_json", full)
    with pytest.raises(RunFailed, match="no space left"):
        probes.write(copy, found.spec, found.result, found.evidence)
    assert [path.name for path in (copy / "probes").iterdir()] == [found.path.name]
    assert probes.read(copy / "probes" / found.path.name).result == found.result


def test_a_run_that_another_process_writes_is_left_alone(copy, cheap):
    import fcntl

    with open(copy / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process is writing this run" in refused(copy, cheap)


def test_an_unfinished_run_has_nothing_to_probe(tmp_path, cheap):
    events = run.run(
        load("digits-autoencoder", ["recipe.epochs=2"]), RunOptions(tmp_path / "run", device="cpu", threads=1)
    )
    next(events)
    events.close()
    (tmp_path / "run" / "probes").mkdir()
    assert "the run is not finished" in refused(tmp_path / "run", cheap)


def test_other_images_than_the_run_s_are_refused(copy, cheap):
    other = images.load(load("digits-autoencoder", ["data.seed=9"]).data)
    assert "are not those that this run was trained on" in refused(copy, cheap, splits=other)


def test_a_network_that_cannot_encode_is_refused(copy, cheap, monkeypatch):
    plain = Loaded(nn.Flatten(), tuple("0123456789"), (1, 8, 8))
    monkeypatch.setattr(predict, "load", lambda *_: plain)
    assert "a representation needs a model with encode(pixels) -> (B, D), which Flatten" in refused(copy, cheap)


def test_numbers_that_cannot_be_had_are_refused(copy):
    assert "train: 99,999 images are too many" in refused(copy, ProbeSpec(train=99_999))


def test_a_map_without_its_library_is_refused_before_anything_is_computed(copy, monkeypatch):
    monkeypatch.setattr(projections.importlib.util, "find_spec", lambda name: None)
    assert 'maps: "umap" needs umap-learn, which is not installed' in refused(copy, ProbeSpec(maps=("umap",)))


def test_maps_need_four_images(copy, monkeypatch):
    found = probed(copy, ProbeSpec(train=100, test=10, kinds=("knn",), maps=("pca",), map_images=3))
    assert found.result["maps"] == []
    assert any("a map needs at least 4 images and there are 3" in note for note in found.result["notes"])
    assert "map_index" not in found.evidence


def test_a_damaged_probe_in_its_place_is_named(copy, found, spec):
    file = copy / "probes" / found.path.name / "probe.json"
    file.write_text(file.read_text()[:-40])
    said = refused(copy, spec)
    assert str(file) in said
    assert "and probe the run again" in said


class Net(nn.Module):
    """A person's own classifier."""

    def __init__(self, dense):
        super().__init__()
        self.body = nn.Conv2d(1, 6, 3, stride=2)
        self.last = nn.Linear(54, 4) if dense else nn.Conv2d(6, 4, 3)

    def forward(self, pixels):
        return self.last(
            self.body(pixels).relu().flatten(1) if isinstance(self.last, nn.Linear) else self.body(pixels)
        ).flatten(1)


@pytest.mark.slow
@pytest.mark.parametrize("dense", [True, False])
def test_a_network_passed_in_from_python_has_no_untrained_twin(tmp_path, dense):
    torch.manual_seed(0)
    module = Net(dense)
    changes = [
        "recipe.epochs=1",
        "data.classes=[0, 1, 2, 3]",
        "data.limit=200",
        "protocol.test=never",
        "data.validation=0.2",
    ]
    experiment = load("digits", changes)
    run = sv.run(experiment, model=module, out=tmp_path / "run", device="cpu", threads=1)
    spec = ProbeSpec(train=80, test=20, kinds=("knn",), maps=())
    assert "its network was passed in from Python; pass it again" in refused(tmp_path / "run", spec)
    found = probed(run.path, spec, module=module)
    assert [source["name"] for source in found.result["sources"]] == ["representation", "pixels", "pca"]
    assert found.result["sources"][0]["size"] == (54 if dense else 4)
    assert ("its logits are probed" in "".join(found.result["notes"])) == (not dense)
    assert "its initial weights are not known" in "".join(found.result["notes"])
    assert (found.result["split"], found.result["looks"]) == ("validation", 0)  # the run must not meet the test split
    assert found.result["chosen_on"] == "training images held out"


def test_images_of_several_sizes_have_no_pixels_and_no_pca(tmp_path):
    from sklearn.datasets import load_digits

    content = load_digits(n_class=3)
    for i in range(150):
        split, label = "train" if i < 120 else "test", content.target[i]
        (tmp_path / "data" / split / str(label)).mkdir(parents=True, exist_ok=True)
        size = ((8, 8), (12, 10))[i % 2]
        Image.fromarray((content.images[i] * 15.9).astype(np.uint8)).resize(size).save(
            tmp_path / "data" / split / str(label) / f"{i}.png"
        )
    table = {
        "name": "sizes",
        "data": {"source": "folder", "path": str(tmp_path / "data"), "color": "gray", "normalize": "none"},
        "model": {
            "kind": "cnn",
            "blocks": [{"channels": 4, "kernel": 3, "pool": 2}],
            "dense": [8],
            "head": "global-mean",
        },
        "recipe": {"epochs": 1, "batch_size": 16},
    }
    list(run.run(build(table, "sizes"), RunOptions(tmp_path / "run", device="cpu", threads=1)))
    found = probed(tmp_path / "run", ProbeSpec(train=30, test=15, maps=("pca",)))
    assert [source["name"] for source in found.result["sources"]] == ["representation", "untrained"]
    assert sum("left out, because the images have several sizes" in note for note in found.result["notes"]) == 2
    assert {one["source"] for one in found.result["maps"]} == {"representation"}
    assert found.evidence["query_pixels"].shape == (3, 1, 10, 12)
    assert len({one["against"] for one in found.result["comparisons"]}) == 1


def test_an_expanded_training_set_is_probed_by_its_own_images(tmp_path):
    experiment = load("digits-autoencoder", ["recipe.epochs=1", "data.limit=300", "data.expand.noise=0.3"])
    list(run.run(experiment, RunOptions(tmp_path / "run", device="cpu", threads=1)))
    plain = images.load(load("digits-autoencoder", ["data.limit=300"]).data).train
    found = probed(tmp_path / "run", ProbeSpec(train="all", test=50, kinds=("knn",), maps=()))
    assert found.result["counts"]["train"] == len(plain) == 300
    own = {image.tobytes() for image in plain.pixels.numpy()}
    shown = found.evidence["neighbours_representation_pixels"]
    assert all(image.tobytes() in own for image in shown.reshape(-1, *shown.shape[2:]))
    assert "without the mirrored and noisy copies" in "".join(found.result["notes"])


def test_what_a_killed_process_left_is_no_probe(copy):
    shutil.copytree(next((copy / "probes").iterdir()), copy / "probes" / ".aaaa.part")
    assert len(probes.standing(copy)) == 1
