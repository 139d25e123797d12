"""A tiny autoencoder of scikit-learn's digits, trained once, and a probe of it."""

import shutil

import pytest
import torch

from smallvision.experiment import ProbeSpec, load
from smallvision.probing import run as probing
from smallvision.runs import probes
from smallvision.runs.read import read_run
from smallvision.training import run
from smallvision.training.run import RunOptions

SPEC = ProbeSpec(train=300, test=100, maps=("pca", "tsne"), map_images=60, seed=5)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The finished run directory, never to be changed."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    list(run.run(load("digits-autoencoder", ["recipe.epochs=3"]), RunOptions(path, seed=3, device="cpu", threads=1)))
    return path


@pytest.fixture(scope="session")
def spec():
    return SPEC


@pytest.fixture
def cheap():
    return ProbeSpec(train=100, test=50, kinds=("knn",), maps=())


@pytest.fixture(scope="session")
def events(trained):
    return list(probing.probe(read_run(trained), SPEC, command=("smallvision", "probe", "a run")))


@pytest.fixture(scope="session")
def found(events):
    return probes.read(events[-1].path)


@pytest.fixture
def copy(trained, events, tmp_path):
    """A copy of the run with its probe, to be changed."""
    return shutil.copytree(trained, tmp_path / "copy")
