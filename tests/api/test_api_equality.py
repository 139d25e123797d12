"""Experiments, studies and probes are equal by their whole canonical forms; the digits of a hash are for names."""

import json

import pytest

import smallvision as sv
from smallvision.comparison.runs import compare
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, ProbeSpec, Study, load, load_study
from smallvision.runs import paths, probes
from smallvision.study.plan import jobs as plan
from smallvision.study.plan.cases import refuse_alike
from smallvision.study.plan.jobs import Job

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SHORT = [
    "recipe.epochs=1",
    "data.limit=200",
    "model.blocks.0.channels=2",
    "model.blocks.1.channels=2",
    "model.dense=[8]",
]


@pytest.fixture
def collide(monkeypatch):
    """All hashes are the same eight digits."""
    for kind in (Experiment, Study, ProbeSpec):
        monkeypatch.setattr(kind, "hash", lambda self: "00000000")


def test_a_run_of_another_experiment_with_the_same_digits_is_not_shown(collide, tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    done = sv.run("digits", *SHORT)
    assert sv.run("digits", *SHORT).path == done.path
    before = (done.path / "result.json").read_bytes()
    with pytest.raises(
        BadInput,
        match=(
            r"this folder holds another run \(recipe\.learning_rate: .* there, 0\.5 asked for\); nothing is overwritten"
        ),
    ):
        sv.run("digits", *SHORT, "recipe.learning_rate=0.5")
    assert (done.path / "result.json").read_bytes() == before


def test_a_run_that_was_changed_by_hand_is_not_shown(tmp_path):
    asked = load("digits", SHORT)
    done = sv.run(asked, out=tmp_path / "run")
    file = done.path / "experiment.toml"
    file.write_text(file.read_text().replace("limit = 200", "limit = 201"))
    with pytest.raises(BadInput, match=r"data\.limit: 201 there, 200 asked"):
        paths.standing(done.path, asked, 0)
    file.unlink()
    with pytest.raises(BadInput, match=r"experiment\.toml cannot be read; nothing is overwritten"):
        paths.standing(done.path, asked, 0)


def test_words_for_people_and_the_order_of_keys_make_no_other_experiment(tmp_path):
    asked = load("digits", SHORT)
    done = sv.run(asked, out=tmp_path / "run")
    assert (
        paths.standing(done.path, asked.model_copy(update={"name": "else", "about": "words", "minutes": 3.0}), 0)
        == "finished"
    )


def test_an_empty_table_which_no_file_holds_makes_no_other_experiment(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n"
        "    def __init__(self, extra=None):\n        super().__init__()\n"
        "        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
        "    def forward(self, x):\n        return self.net(x)\n"
    )
    model = {"kind": f"{tmp_path}/net.py:Net", "options": {"extra": {}}}
    asked = Experiment.model_validate(
        {**load("digits", SHORT).model_dump(mode="json", exclude_none=True), "model": model}
    )
    done = sv.run(asked, out=tmp_path / "run", trust_code=True)
    assert sv.run(asked, out=tmp_path / "run", trust_code=True).result == done.result


def test_a_study_takes_no_run_of_another_experiment_for_its_own(collide, tmp_path):
    one, other = load("digits", SHORT), load("digits", [*SHORT, "recipe.learning_rate=0.5"])
    done = sv.run(one, out=tmp_path / "elsewhere")
    jobs = Job("one", one, 0), Job("other", other, 0)
    assert plan.finished(tmp_path, jobs) == {jobs[0].key: done.path}
    assert jobs[0].key != jobs[1].key
    assert [job.what for job in plan.jobs({"one": one, "other": other}, [0])] == ["one", "other"], "neither is left out"
    refuse_alike("study", {"one": one, "other": other})
    with pytest.raises(
        BadInput,
        match=r'case "one", seed 0 and case "other", seed 0 are different runs \(.*recipe\.learning_rate.*\), but both',
    ):
        plan.refuse_one_place(jobs, tmp_path)


def test_a_study_in_the_place_of_another_is_refused(collide, tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    text = (
        'name = "two"\nquestion = "Which?"\nbase = "digits"\nseeds = 1\n'
        'set = { "data.limit" = %d, "recipe.epochs" = 1 }\n'
        '[axes]\n"recipe.learning_rate" = [0.01]\n'
    )
    (tmp_path / "two.toml").write_text(text % 200)
    study = load_study(str(tmp_path / "two.toml"))
    monkeypatch.undo()
    place = tmp_path / "runs" / "studies" / "two-00000000"
    place.mkdir(parents=True)
    from smallvision.experiment import study_to_toml
    from smallvision.study.events import StudyOptions
    from smallvision.study.setup import Setup

    (place / "study.toml").write_text(study_to_toml(study))
    (place / "plan.json").write_text(
        json.dumps(
            {
                "format_version": 1,
                "workers": 0,
                "threads": None,
                "why": "",
                "timings": [],
                "match": [],
                "search": {"sampler": None, "tries": []},
                "jobs": [],
            }
        )
    )
    (place / "state.json").write_text(
        json.dumps(
            {
                "format_version": 1,
                "status": "running",
                "pid": 1,
                "heartbeat": 0.0,
                "started": 0.0,
                "study": "00000000",
                "command": "",
            }
        )
    )
    for kind in (Experiment, Study):
        monkeypatch.setattr(kind, "hash", lambda self: "00000000")
    (tmp_path / "two.toml").write_text(text % 300)
    with pytest.raises(
        BadInput, match=r"this folder holds another study \(set\.data\.limit: 200 there, 300 asked for\)"
    ):
        Setup(load_study(str(tmp_path / "two.toml")), StudyOptions(tmp_path / "runs"), None)


def test_a_probe_in_the_place_of_another_is_refused_and_left_alone(collide, tmp_path):
    done = sv.run("digits", *SHORT, out=tmp_path / "run")
    asked = {"train": 50, "test": 50, "kinds": ("knn",), "maps": ()}
    first = done.probe(**asked)
    assert done.probe(**asked).path == first.path
    before = (first.path / probes.JSON).read_bytes()
    with pytest.raises(
        BadInput, match=(r"this folder holds another probe \(test: 50 there, 60 asked for\); nothing is overwritten")
    ):
        done.probe(**{**asked, "test": 60})
    assert (first.path / probes.JSON).read_bytes() == before


def test_runs_of_two_experiments_with_the_same_digits_are_two_sides(collide, tmp_path):
    runs = [sv.run("digits", *SHORT, f"recipe.learning_rate={rate}", out=tmp_path / str(rate)) for rate in (0.01, 0.1)]
    assert len(compare([run.path for run in runs]).sides) == 2
