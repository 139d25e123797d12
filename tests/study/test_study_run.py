"""A study that is run.

Its runs are the same as when they are run one by one, none is run twice, and the choice is made by validation. Failures
and deaths of runs are reported, and the other runs are finished.
"""

import json
import os
import shutil
import signal
import statistics

import pytest
import torch

from smallvision.comparison.predictions import scored
from smallvision.errors import BadInput, RunFailed
from smallvision.runs.directory import unlocked
from smallvision.runs.read import read_run
from smallvision.study import directory
from smallvision.study.events import Added, Estimated, Evaluated, Finished, Moved, Planned, StudyOptions
from smallvision.study.plan import search
from smallvision.study.plan.cases import expand
from smallvision.study.read import read_study
from smallvision.study.runner import preview, run
from smallvision.study.workers import benchmark, dispatch
from smallvision.study.workers.pool import Pool
from smallvision.training import run as training_run
from smallvision.training.run import RunOptions

pytestmark = pytest.mark.slow


def files(folder):
    """The content of every file but the locks, which say who held them last."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def alone(experiment, seed, path):
    """One run without a study."""
    before = torch.get_num_threads()
    list(training_run.run(experiment, RunOptions(path, seed=seed, device="cpu", threads=1)))
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_thread_a_process(monkeypatch):
    """So that tests at the same time leave each other their cores, and one worker has one thread everywhere."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def states(events, state):
    return [(event.job.what, event.job.seed) for event in events if isinstance(event, Moved) and event.state == state]


def test_a_study_is_its_runs_one_by_one_and_says_what_was_best(lent, tiny, finish, content, tmp_path):
    study, folder = tiny(), tmp_path / "runs"
    record, events = finish(study, folder, workers=2)
    cases = expand(study).cases
    for experiment in cases.values():
        for seed in study.seeds:
            alone(experiment, seed, tmp_path / "alone" / f"digits-{experiment.hash()}-s{seed}")
    together, single = content(folder), content(tmp_path / "alone")
    assert together.keys() == single.keys()
    for name in single:
        assert together[name][0]["model.safetensors"] == single[name][0]["model.safetensors"], name
        assert together[name][1] == single[name][1], name

    assert [type(event) for event in (events[0], events[-1])] == [Planned, Finished]
    assert sorted(states(events, "done")) == sorted((case, seed) for case in cases for seed in study.seeds)
    assert str(events[0].split) == "2 workers of 1 thread"
    assert {read_run(path).environment["threads"] for path in folder.glob("digits*")} == {1}

    found = {row["case"]: row for row in record.table}
    for case in cases:
        runs = [run.result for run in record.runs(case)]
        accuracies = [result["validation"]["accuracy"] for result in runs]
        assert found[case]["validation"]["accuracy"] == statistics.fmean(accuracies)
        assert found[case]["validation"]["accuracy_sd"] == statistics.stdev(accuracies)
        assert [one["seed"] for one in found[case]["runs"]] == [0, 1]
        assert {scored(run, "validation")["split"].item() for run in record.runs(case)} == {"validation"}
    winner = max(cases, key=lambda case: found[case]["validation"]["accuracy"])
    assert record.result["choice"]["winner"] == winner
    assert set(record.result["choice"]["met_test"]) == {winner, "cnn"}
    for case in cases:
        met = case in record.result["choice"]["met_test"]
        assert [run.result["looks"] for run in record.runs(case)] == [int(met)] * 2
        assert [("test" in run.result) for run in record.runs(case)] == [met] * 2
        assert ("test" in found[case]) == met
    assert len([event for event in events if isinstance(event, Evaluated)]) == 2 * len(
        record.result["choice"]["met_test"]
    )
    assert record.state["status"] == "finished"
    assert record.plan["workers"] == 2
    assert {job["path"] for job in record.plan["jobs"]} == set(together)

    before = files(folder)
    again, events = finish(study, folder)
    assert [type(event) for event in events] == [Planned, Finished]
    assert events[0].split is None
    assert again.result == record.result
    assert files(folder) == before, "a finished study is shown, not repeated"


def test_what_another_asked_for_is_not_repeated_wherever_it_stands(lent, tiny, finish, tmp_path):
    study, folder = tiny(), tmp_path / "runs"
    cases = expand(study).cases
    alone(cases["mlp"], 0, folder / "mine")  # with --out
    alone(cases["mlp"], 1, folder / f"digits-{cases['mlp'].hash()}-s1")
    record, events = finish(study, folder, workers=1)
    assert sum(row.done for row in events[0].rows) == 2
    assert {row.path.name for row in events[0].rows if row.done} == {"mine", f"digits-{cases['mlp'].hash()}-s1"}
    assert [run.path.name for run in record.runs("mlp")] == ["mine", f"digits-{cases['mlp'].hash()}-s1"]
    assert len(list(folder.glob("*/state.json"))) == 4
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("*/model.safetensors")}
    more = tiny(seeds=3)
    record, events = finish(more, folder, workers=1)
    assert sorted((row.job.what, row.job.seed) for row in events[0].rows if not row.done) == [("cnn", 2), ("mlp", 2)]
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert record.path != directory.place(study, folder)


DIVERGES = """
[[case]]
name = "thrown away"
set = { "recipe.optimizer" = "sgd", "recipe.learning_rate" = 1e30 }
"""


def test_a_failed_run_is_reported_the_others_finish_and_nobody_meets_the_test_split(lent, tiny, tmp_path):
    study, folder = tiny(DIVERGES, seeds=1), tmp_path / "runs"
    events = []
    with pytest.raises(RunFailed) as found:
        events.extend(
            one for one in run(study, StudyOptions(folder, device="cpu", workers=1)) if events.append(one) or False
        )
    assert 'case "thrown away", seed 0' in str(found.value)
    assert "recipe.learning_rate" in str(found.value)
    assert "\n" not in str(found.value)
    assert states(events, "failed") == [("thrown away", 0)]
    assert sorted(states(events, "done")) == [("cnn", 0), ("mlp", 0)]
    record = read_study(directory.place(study, folder))
    assert record.state["status"] == "failed"
    assert record.result == {}
    assert [result["looks"] for path in folder.glob("*/result.json") for result in [json.loads(path.read_text())]] == [
        0,
        0,
    ]


def test_a_finished_run_that_is_damaged_is_a_failed_one_not_the_end_of_the_study(lent, tiny, tmp_path):
    study, folder = tiny(seeds=1, epochs=1), tmp_path / "runs"
    experiment = expand(study).cases["mlp"]
    path = folder / f"digits-{experiment.hash()}-s0"
    alone(experiment, 0, path)
    (path / "result.json").write_text("{")
    with pytest.raises(RunFailed, match=r'case "mlp", seed 0: .*result\.json: the file is not valid JSON'):
        list(run(study, StudyOptions(folder, device="cpu", workers=1)))
    assert len(list(folder.glob("*/result.json"))) == 2


def test_a_worker_that_dies_is_replaced_and_its_run_goes_on(lent, tiny, finish, content, tmp_path):
    study = tiny(seeds=1, epochs=12)
    finish(study, tmp_path / "whole", workers=1)
    killed, events = 0, []
    for event in run(study, StudyOptions(tmp_path / "runs", device="cpu", workers=1)):
        events.append(event)
        if isinstance(event, Moved) and event.state == "running" and event.epoch >= 3 and killed < 1:
            state = json.loads(
                next((tmp_path / "runs").glob(f"*{event.job.experiment.hash()}*/state.json")).read_text()
            )
            os.kill(state["pid"], signal.SIGKILL)
            killed += 1
    assert killed == 1
    assert len(states(events, "again")) == 1
    assert content(tmp_path / "runs") == content(tmp_path / "whole")


NET = """
import os, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = torch.nn.Linear(64, 10), 0
    def forward(self, pixels):
        self.calls += 1
        if self.calls > 12 and os.path.exists(os.path.join(os.path.dirname(__file__), "deadly")):
            os._exit(9)
        return self.layer(pixels.flatten(1))
"""


@pytest.fixture
def own_network(tiny, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    file = f'"{tmp_path / "net.py"}:Net"'
    return tiny(f"[[case]]\nname = 'mine'\nset = {{ model = {{ kind = {file} }} }}\n", seeds=1, epochs=1)


def test_a_case_that_cannot_be_run_is_refused_before_any_is(lent, own_network, finish, tmp_path):
    with pytest.raises(BadInput, match=r'case "mine".*--trust-code'):
        finish(own_network, tmp_path / "runs", workers=1)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_kills_every_worker_is_given_up_and_told(own_network, finish, tmp_path, monkeypatch, lend):
    lend(StudyOptions(tmp_path, device="cpu", trust_code=True).setting)
    monkeypatch.setattr(dispatch, "DEATHS", 2)
    (tmp_path / "deadly").touch()
    with pytest.raises(
        RunFailed,
        match=(r'case "mine", seed 0: its worker process ended 2 times without finishing an epoch \(exit status 9\)'),
    ):
        finish(own_network, tmp_path / "runs", workers=1)
    assert len(list((tmp_path / "runs").glob("*/result.json"))) == 2
    (tmp_path / "deadly").unlink()
    record, events = finish(own_network, tmp_path / "runs")
    assert states(events, "running")[0] == ("mine", 0)
    assert len(record.table) == 3


def test_a_run_that_another_process_is_doing_is_waited_for(lent, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch, "ASIDE_SECONDS", 0.1)
    study, folder = tiny(seeds=1, epochs=3), tmp_path / "runs"
    experiment = expand(study).cases["mlp"]
    path = folder / f"digits-{experiment.hash()}-s0"
    before = torch.get_num_threads()
    other = training_run.run(experiment, RunOptions(path, device="cpu", threads=1))
    next(other)
    events = []
    for event in run(study, StudyOptions(folder, device="cpu", workers=2)):
        events.append(event)
        if states(events, "elsewhere") and states(events, "done") == [("cnn", 0)] and path.exists():
            list(other)  # it ends while the study waits
            torch.set_num_threads(before)
    assert states(events, "elsewhere")[0] == ("mlp", 0)
    assert ("mlp", 0) not in states(events, "running")
    assert sorted(states(events, "done")) == [("cnn", 0), ("mlp", 0)]
    with unlocked(path):
        assert (path / "result.json").exists()


def test_the_split_that_a_study_began_with_stands(lent, tiny, finish, tmp_path):
    study, folder = tiny(seeds=1, epochs=1), tmp_path / "runs"
    finish(study, folder, workers=2)
    for path in folder.glob("digits-*-s0"):
        (path / "state.json").unlink()
        path.rename(tmp_path / path.name)
    with pytest.raises(BadInput, match="this study began with 2 workers of 1 thread"):
        finish(study, folder, workers=1)
    _, events = finish(study, folder)
    assert str(events[0].split) == "2 workers of 1 thread"
    for workers in (0, -1, 10_000):
        with pytest.raises(BadInput, match=rf"--workers: got {workers}; expected 1 to"):
            finish(study, folder, workers=workers)


def test_an_unfinished_run_of_other_threads_is_not_gone_on_with(lent, tiny, finish, tmp_path):
    study, folder = tiny(seeds=1, epochs=2), tmp_path / "runs"
    experiment = expand(study).cases["mlp"]
    path = folder / f"digits-{experiment.hash()}-s0"
    before = torch.get_num_threads()
    begun = training_run.run(experiment, RunOptions(path, device="cpu", threads=2))
    next(begun)
    begun.close()
    torch.set_num_threads(before)
    held = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(
        BadInput, match=r"began with 2 threads, but this study gives its runs 1.*--threads 2.*--resume.*--remove"
    ):
        finish(study, folder, workers=1)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == held
    assert not (folder / "studies").exists()


def test_two_processes_do_not_run_one_study(lent, tiny, tmp_path):
    study, folder = tiny(seeds=1, epochs=3), tmp_path / "runs"
    first = run(study, StudyOptions(folder, device="cpu", workers=1))
    assert isinstance(next(first), Planned)
    with pytest.raises(BadInput, match="another process is running this study"):
        next(run(study, StudyOptions(folder, device="cpu", workers=1)))
    first.close()


@pytest.mark.parametrize(("by", "known"), [("random", 6), ("optuna", 2)])
def test_a_search_on_validation_then_runs_with_the_best(lent, tiny, finish, tmp_path, monkeypatch, by, known):
    if by == "random":
        monkeypatch.setattr(search, "find_spec", lambda name: None)
    more = '[search]\ntries = 3\n"recipe.learning_rate" = { low = 1e-6, high = 1e-2, log = true }\n'
    study, folder = tiny(more, epochs=1), tmp_path / "runs"
    estimated = preview(study, StudyOptions(folder, device="cpu", workers=1))
    assert isinstance(estimated, Estimated)
    assert sum(row.path is None for row in estimated.planned.rows) == 10 - known
    assert not folder.exists()
    record, events = finish(study, folder, workers=1)
    tries = record.plan["search"]["tries"]
    assert sum(len(event.rows) for event in events if isinstance(event, Added)) == 10 - known
    assert record.plan["search"]["sampler"] == by
    for row in record.table:
        own = [one for one in tries if one["case"] == row["case"]]
        assert len(own) == 3
        assert {one["seed"] for one in own} == {2}
        for one in own:
            (path,) = folder.glob(f"*{one['hash']}-s2")
            assert read_run(path).result["validation"]["accuracy"] == one["validation"]["accuracy"]
        best = max(own, key=lambda one: (one["validation"]["accuracy"], -one["validation"]["loss"]))
        assert row["settings"] == best["settings"]
        assert row["hash"] == best["hash"]
        assert [run["seed"] for run in row["runs"]] == [0, 1]
    assert len(list(folder.glob("digits-*"))) == 6 + 4
    assert {read_run(path).result["looks"] for path in folder.glob("digits-*-s2")} == {0}
    shutil.rmtree(folder / record.table[0]["runs"][1]["path"])
    again, _ = finish(study, folder, workers=1)  # none of the tries is needed now, and the plan still has them
    listed = [sorted(one.plan["jobs"], key=lambda job: (job["case"], job["seed"])) for one in (again, record)]
    assert listed[0] == listed[1]
    assert sum(job["tried"] for job in listed[0]) == 6


def test_a_search_that_was_made_for_another_study_is_known_at_the_start(lent, tiny, finish, tmp_path):
    more = '[search]\ntries = 2\n"recipe.learning_rate" = [1e-4, 1e-2]\n'
    folder = tmp_path / "runs"
    finish(tiny(more, epochs=1, seeds=[0, 2]), folder, workers=1)
    study = tiny(more, epochs=1, seeds=[0, 2, 3])  # every try, of seed 1, stands
    estimated = preview(study, StudyOptions(folder, device="cpu", workers=1))
    assert [(row.job.what, row.job.seed) for row in estimated.planned.rows if not row.done] == [("cnn", 3), ("mlp", 3)]
    record, events = finish(study, folder, workers=1)
    assert str(events[0].split) == "1 worker of 1 thread"
    assert [[run["seed"] for run in row["runs"]] for row in record.table] == [[0, 2, 3]] * 2


def test_cases_are_matched_in_size_and_the_widths_are_remembered(lent, tiny, finish, tmp_path, monkeypatch):
    more = '[match]\nparameters = 3000\nvary = ["model.widths.0", "model.dense.0"]\nwithin = 0.02\n'
    study = tiny(more, seeds=1, epochs=1)
    study = study.model_copy(
        update={
            "case": (
                study.case[0].model_copy(update={"set": {}}),
                study.case[1].model_copy(update={"set": {"model": {"kind": "mlp", "widths": [5]}}}),
            )
        }
    )
    with pytest.raises(BadInput, match=r"match: no integer at model\.dense\.0"):
        finish(study, tmp_path / "runs", workers=1)  # the convolutions alone have more
    assert not (tmp_path / "runs").exists()
    study = study.model_copy(update={"match": study.match.model_copy(update={"parameters": 20_000})})
    record, _ = finish(study, tmp_path / "runs", workers=1)
    assert all(abs(row["parameters"] - 20_000) <= 400 for row in record.table)
    assert {one["key"] for one in record.plan["match"]} == {"model.widths.0", "model.dense.0"}
    monkeypatch.setattr(Pool, "resize", lambda *_: pytest.fail("a finished study needs no worker"))
    again, _ = finish(study, tmp_path / "runs")
    assert again.result == record.result


def test_a_dry_run_says_what_and_how_long_and_writes_nothing(lent, tiny, finish, tmp_path):
    study, folder = tiny(epochs=3), tmp_path / "runs"
    estimated = preview(study, StudyOptions(folder, device="cpu", workers=2))
    assert not folder.exists()
    assert [row.done for row in estimated.planned.rows] == [False] * 4
    assert len(estimated.seconds) == 4
    assert 0 < max(estimated.seconds.values()) <= estimated.total <= sum(estimated.seconds.values())
    alone(expand(study).cases["mlp"], 0, folder / "mine")
    held = sorted(folder.rglob("*"))
    estimated = preview(study, StudyOptions(folder, device="cpu", workers=1))
    assert [(row.job.what, row.job.seed) for row in estimated.planned.rows if row.done] == [("mlp", 0)]
    assert estimated.total == pytest.approx(sum(estimated.seconds.values()))
    assert sorted(folder.rglob("*")) == held


def test_without_workers_given_the_faster_split_is_measured_once_and_kept(tiny, finish, lend, tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(benchmark, "SECONDS", 0.1)
    monkeypatch.setattr(benchmark, "SHORT", 1e9)
    lend(StudyOptions(tmp_path, device="cpu").setting)
    quick, events = finish(tiny(seeds=1, epochs=1), tmp_path / "quick")
    assert str(events[0].split) == "2 workers of 1 thread"
    assert events[0].why == "it is over too soon to try another way"
    monkeypatch.setattr(benchmark, "SHORT", 0.0)
    study, folder = tiny(seeds=1, epochs=1), tmp_path / "runs"
    record, events = finish(study, folder)
    timings = {(one["workers"], one["threads"]): one["images_per_second"] for one in record.plan["timings"]}
    assert timings.keys() == {(1, 2), (2, 1)}
    faster = 2 if timings[2, 1] >= timings[1, 2] else 1  # two jobs: as many rounds as workers demand
    assert record.plan["workers"] == faster
    assert {read_run(path).environment["threads"] for path in folder.glob("digits*")} == {record.plan["threads"]}
    assert "images/s" in events[0].why
    assert quick.table[0]["hash"] == record.table[0]["hash"]
