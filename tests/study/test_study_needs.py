"""Runs of a study that begin with the encoder of another run.

The run that they need is run first, once for each seed, and its encoder is taken over to the bit.
"""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from smallvision.errors import BadInput, RunFailed
from smallvision.experiment import load, load_study
from smallvision.report.study import page as pages
from smallvision.runs.read import read_run
from smallvision.study.events import Moved, StudyOptions
from smallvision.study.plan import jobs
from smallvision.study.plan.cases import expand
from smallvision.study.plan.jobs import Job
from smallvision.study.read import read_study
from smallvision.study.runner import preview, run
from smallvision.study.workers.process import WorkerState
from smallvision.training import run as training_run

pytestmark = pytest.mark.slow

GIVER = """
name = "giver"
[data]
source = "digits"
limit = 150
[model]
kind = "mlp"
widths = [16, 8]
[recipe]
epochs = 2
learning_rate = {rate}
"""
BASE = """
name = "taker"
[data]
source = "digits"
limit = 150
validation = 0.2
[model]
kind = "encoder-classifier"
encoder = {encoder}
[recipe]
epochs = 2
optimizer = "adam"
"""
STUDY = """
name = "encoders"
question = "Is an encoder that was trained before worth more than a fresh one?"
base = "base.toml"
seeds = {seeds}
{search}
[[case]]
name = "fresh"
set = {{ "model.weights" = "fresh" }}
[[case]]
name = "taken over"
set = {{ }}
[[case]]
name = "frozen"
set = {{ "model.rate" = 0.0 }}
"""


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def written(tmp_path):
    """The study, its base and the experiment that it needs, as files.

    The paths are absolute, since lent workers were started elsewhere.
    """

    def write(seeds=2, rate=0.05, search="", encoder=None):
        giver = tmp_path / "giver.toml"
        giver.write_text(GIVER.format(rate=rate))
        (tmp_path / "base.toml").write_text(BASE.format(encoder=encoder or f'{{ experiment = "{giver}" }}'))
        (tmp_path / "encoders.toml").write_text(STUDY.format(seeds=seeds, search=search))
        return load_study(str(tmp_path / "encoders.toml"))

    return write


def runs(folder):
    """(experiment's name, seed) of all runs in a folder, and the givers by seed."""
    found = [read_run(path.parent) for path in sorted(folder.glob("[!.]*/state.json"))]
    givers = {record.state["seed"]: record for record in found if record.experiment.name == "giver"}
    return sorted((record.experiment.name, record.state["seed"]) for record in found), givers


def weights(path):
    return safetensors.torch.load((path / "model.safetensors").read_bytes())


def test_needs_come_first_once_for_each_seed_and_fresh_weights_have_none(written):
    cases = expand(written()).cases
    assert jobs.needs(cases["fresh"]) == []
    (other,) = jobs.needs(cases["frozen"])
    assert (other.name, other.protocol.test) == ("giver", "never")
    found = jobs.jobs(cases, [4, 9])
    assert [(job.what.split(",")[0], job.seed) for job in found] == [
        ("fresh", 4),
        ("fresh", 9),
        ("giver", 4),
        ("taken over", 4),
        ("frozen", 4),
        ("giver", 9),
        ("taken over", 9),
        ("frozen", 9),
    ]
    assert [job.needed for job in found if job.experiment == other] == [True, True]
    both = jobs.jobs({"taken over": cases["taken over"], "itself": other}, [4])
    assert [(job.what, job.needed) for job in both] == [("itself", False), ("taken over", False)], (
        "equal experiments are one run"
    )
    as_asked = Job(
        "one",
        load(str(Path(cases["frozen"].model.encoder.experiment).parent / "base.toml"), ["model.encoder.seed=7"]),
        4,
    )
    assert [(job.seed, job.experiment.protocol.test) for job in as_asked.needs] == [(7, "once")]


def test_a_study_runs_what_it_needs_once_for_each_seed_and_never_again(lent, written, finish, tmp_path):
    folder = tmp_path / "runs"
    record, events = finish(written(), folder, workers=2)
    names, givers = runs(folder)
    assert names == [("giver", 0), ("giver", 1), *[("taker", seed) for seed in (0, 0, 0, 1, 1, 1)]]
    assert [row["case"] for row in record.table] == ["fresh", "taken over", "frozen"]
    for seed, other in givers.items():
        taken, frozen = weights(other.path), weights(record.runs("frozen")[seed].path)
        kept = [name for name in frozen if name.startswith("encoder.")]
        assert len(kept) == 6
        assert all(torch.equal(frozen[name], taken[name.removeprefix("encoder.")]) for name in kept)
        assert other.experiment.protocol.test == "never"
        assert other.result["looks"] == 0
        assert {"validation", "test"}.isdisjoint(other.result), "it needs none: nothing is chosen by it"
        for case in ("frozen", "taken over"):
            expected = {key: other.result[key] for key in ("experiment", "seed", "model_sha256")}
            assert record.runs(case)[seed].state["encoder"] == {"run": other.path.name, **expected}
    begun = [
        event.job.what.split(",")[0]
        for event in events
        if isinstance(event, Moved) and event.state == "running" and not event.epoch
    ]
    assert begun.index("giver") < begun.index("frozen")

    for seed in (0, 1):  # the same bits as one run after the other
        alone = expand(written()).cases["taken over"]
        place = training_run.RunOptions(tmp_path / "alone" / str(seed), seed, "cpu", 1, encoder=givers[seed].path)
        list(training_run.run(alone, place))
        assert (place.path / "model.safetensors").read_bytes() == (
            record.runs("taken over")[seed].path / "model.safetensors"
        ).read_bytes()

    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("giver*/model.safetensors")}
    shutil.move(givers[1].path, folder / "elsewhere")  # another study, other cases, the same needs
    text = (
        (tmp_path / "encoders.toml")
        .read_text()
        .replace('"model.rate" = 0.0', '"model.rate" = 0.1')
        .replace('"encoders"', '"more"')
    )
    (tmp_path / "more.toml").write_text(text)
    finish(load_study(str(tmp_path / "more.toml")), folder, workers=1)
    names, givers = runs(folder)
    assert names.count(("giver", 0)) == names.count(("giver", 1)) == 1
    assert names.count(("taker", 0)) == names.count(("taker", 1)) == 4
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items() if path.exists())


def test_a_need_that_met_the_test_split_elsewhere_will_do(lent, written, finish, tmp_path):
    folder, study = tmp_path / "runs", written(seeds=1)
    list(training_run.run(load(str(tmp_path / "giver.toml")), training_run.RunOptions(folder / "mine", 0, "cpu", 1)))
    record, _ = finish(study, folder, workers=1)
    assert runs(folder)[0].count(("giver", 0)) == 1
    assert record.runs("frozen")[0].state["encoder"]["run"] == "mine"


def test_what_needs_a_run_that_failed_is_told_and_the_others_finish(lent, written, tmp_path):
    folder, events = tmp_path / "runs", []
    study = written(seeds=1, rate=1e30)
    with pytest.raises(RunFailed) as found:
        events.extend(
            one for one in run(study, StudyOptions(folder, device="cpu", workers=1)) if events.append(one) or False
        )
    failed = {event.job.what: event.message for event in events if isinstance(event, Moved) and event.state == "failed"}
    assert "recipe.learning_rate" in failed.pop("giver, needed by taken over")
    assert failed == dict.fromkeys(("taken over", "frozen"), "needs giver, which failed")
    assert "3 of 4 runs failed" in str(found.value)
    assert "giver, needed by taken over, seed 0: the " in str(found.value)
    assert [json.loads(path.read_text())["status"] for path in folder.glob("taker*/state.json")] == ["finished"]


SEARCH = """
[search]
tries = 2
over = { "recipe.learning_rate" = [0.001, 0.01] }
"""


def test_tries_of_a_search_have_their_needs_too(lent, written, finish, tmp_path):
    study, folder = written(seeds=1, search=SEARCH), tmp_path / "runs"
    estimated = preview(study, StudyOptions(folder, device="cpu", workers=1))
    assert not folder.exists()
    assert estimated.total > 0
    finish(study, folder, workers=1)
    assert [one for one in runs(folder)[0] if one[0] == "giver"] == [("giver", 0), ("giver", 1)], (
        "of the study's seed, and of the search's"
    )


def test_a_study_refuses_what_cannot_be_taken_over_before_its_first_run(lent, written, tmp_path):
    folder = tmp_path / "runs"
    with pytest.raises(
        BadInput,
        match=(
            r'^encoders: case "fresh": model\.encoder: the encoders depend on one another in a circle \(.*base\.toml '
            r"needs .*\); change one of them$"
        ),
    ):
        list(
            run(
                written(encoder=f'{{ experiment = "{tmp_path / "base.toml"}" }}'),
                StudyOptions(folder, device="cpu", workers=1),
            )
        )
    asked = expand(written(encoder='{ experiment = "mnist-mlp" }')).cases["frozen"]
    task = {"experiment": asked.model_dump(mode="json", exclude_none=True), "where": "frozen", "needed": False}
    with pytest.raises(
        BadInput, match=(r"^model\.encoder: mnist-mlp was trained on images of 1x28x28, but these are of 1x8x8")
    ):
        list(WorkerState({"device": "cpu", "root": None, "trust_code": False}).check(task))
    assert not folder.exists()


GRID = """
name = "rates"
question = "How fast should an encoder that is taken over still learn?"
base = "base.toml"
seeds = 1
[axes]
"model.rate" = [0.0, 0.5]
{search}
"""
SEARCH = """[search]
tries = 2
"recipe.learning_rate" = [0.01, 0.001]
"""


@pytest.mark.parametrize("search", ["", SEARCH], ids=["plain", "searched"])
def test_runs_that_others_need_are_no_cases_on_the_page(lent, written, finish, tmp_path, search):
    written()
    (tmp_path / "rates.toml").write_text(GRID.format(search=search))
    record, _ = finish(load_study(str(tmp_path / "rates.toml")), tmp_path / "runs", workers=1)
    text = pages.page(record, {}, {})
    assert "no finished run" not in text
    jobs = record.plan["jobs"]
    assert [row["case"] for row in record.table] == ["rate 0.0", "rate 0.5"]
    names = {read_run(record.folder / job["path"]).experiment.name for job in jobs if job["needed"]}
    assert names == {"giver"}
    assert {job["case"] for job in jobs if not job["needed"] and not job["tried"]} == {"rate 0.0", "rate 0.5"}
    assert sum(job["tried"] for job in jobs) == (4 if search else 0)
    assert all(type(job[key]) is bool for job in jobs for key in ("needed", "tried"))

    file = record.path / "plan.json"  # of an earlier version, which did not say it
    plan_file = json.loads(file.read_text())
    plan_file["jobs"] = [{key: value for key, value in job.items() if key not in ("needed", "tried")} for job in jobs]
    file.write_text(json.dumps(plan_file))
    old = read_study(record.path)
    assert pages.page(old, {}, {}) == text
    (record.path / "study.json").unlink()  # and of an unfinished study
    state = json.loads((record.path / "state.json").read_text())
    (record.path / "state.json").write_text(json.dumps({**state, "status": "interrupted"}))
    assert "interrupted, 2 of 2 runs" in pages.page(read_study(record.path), {}, {})
    assert "no finished run" not in pages.page(read_study(record.path), {}, {})
    file.write_text(json.dumps({**plan_file, "jobs": [{**jobs[0], "needed": "no"}]}))
    with pytest.raises(BadInput, match=r"plan\.json: jobs\[0\]\.needed is 'no'; expected true or false"):
        read_study(record.path)


def test_what_a_case_is_called_does_not_make_it_a_need_or_a_try(lent, finish, tmp_path):
    text = (
        'name = "called"\nquestion = "Is a name only a name?"\nbase = "digits"\nseeds = 1\n'
        '[set]\n"recipe.epochs" = 1\n"data.limit" = 200\n'
        '[[case]]\nname = "cnn, try 3"\n[[case]]\nname = "giver, needed by cnn"\nset = { "recipe.epochs" = 2 }\n'
    )
    (tmp_path / "called.toml").write_text(text)
    record, _ = finish(load_study(str(tmp_path / "called.toml")), tmp_path / "runs", workers=1)
    (record.path / "study.json").unlink()
    state = json.loads((record.path / "state.json").read_text())
    (record.path / "state.json").write_text(json.dumps({**state, "status": "interrupted"}))
    seen = pages.page(read_study(record.path), {}, {})
    assert "interrupted, 2 of 2 runs" in seen
    assert "no finished run" not in seen
