"""Small studies of seconds on the embedded digits."""

import json
from contextlib import ExitStack

import pytest

from smallvision.experiment import load_study
from smallvision.study import runner as running
from smallvision.study.events import Finished, StudyOptions
from smallvision.study.workers.pool import Pool

TEXT = """
name = "tiny"
question = "Is anything learned from {limit} images?"
base = "digits"
seeds = {seeds}
[set]
"recipe.epochs" = {epochs}
"data.limit" = {limit}
[[case]]
name = "cnn"
set = {{ "model.blocks.0.channels" = 4, "model.blocks.1.channels" = 6, "model.dense" = [16] }}
[[case]]
name = "mlp"
set = {{ model = {{ kind = "mlp", widths = [24] }} }}
"""
CHANGING = ("seconds", "seconds_per_epoch", "images_per_second")


@pytest.fixture
def tiny(tmp_path):
    """A study of a network and a dense one."""

    def read(more="", seeds=2, epochs=2, limit=300):
        file = tmp_path / "tiny.toml"
        file.write_text(TEXT.format(seeds=seeds, epochs=epochs, limit=limit) + more)
        return load_study(str(file))

    return read


class Lent:
    """A pool whose idle workers stay for the next study, so that torch is not loaded for every test."""

    def __init__(self, pool):
        self.pool = pool

    def __enter__(self):
        return self.pool

    def __exit__(self, *_):
        for worker in [worker for worker in self.pool.workers if worker.task is not None]:
            self.pool._drop(worker)


@pytest.fixture(scope="session")
def one_pool():
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        with Pool(StudyOptions(None, device="cpu").setting) as pool:
            yield pool


@pytest.fixture
def lent(one_pool, monkeypatch):
    """Studies of this test take the workers of the tests before it."""
    monkeypatch.setattr(running, "Pool", lambda _: Lent(one_pool))


@pytest.fixture
def lend(monkeypatch):
    """As `lent`, with workers of another setting, which are this test's own."""
    with ExitStack() as pools:

        def do(setting):
            pool = pools.enter_context(Pool(setting))
            monkeypatch.setattr(running, "Pool", lambda _: Lent(pool))

        yield do


@pytest.fixture
def finish():
    """Run a study to its end: (its record, all events)."""

    def do(study, folder, **options):
        events = list(running.run(study, StudyOptions(folder, **{"device": "cpu", **options})))
        assert isinstance(events[-1], Finished)
        return events[-1].record, events

    return do


@pytest.fixture
def content():
    """For every run in a folder, what must be equal again: weights byte for byte, logs and results without seconds."""

    def read(folder):
        out = {}
        for path in sorted(folder.glob("[!.]*")):
            if (path / "state.json").exists():
                logs = {}
                for name in ("metrics.jsonl", "steps.jsonl"):
                    lines = [json.loads(line) for line in (path / name).read_text().splitlines()]
                    logs[name] = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
                result = json.loads((path / "result.json").read_text())
                same = ("model.safetensors", "evidence.npz", "experiment.toml", "layers.json")
                kept = {name: (path / name).read_bytes() for name in same}
                out[path.name] = kept, logs, {key: value for key, value in result.items() if key not in CHANGING}
        return out

    return read
