"""Which settings a search tries, and which it takes: in their ranges, the same again, equally many for every case."""

import math
import statistics
from collections import Counter

import pytest

from smallvision.experiment import load_study
from smallvision.study.plan import search
from smallvision.study.plan.cases import expand
from smallvision.study.plan.scheduler import Scheduler
from smallvision.study.plan.search import Tried
from smallvision.tasks import TASKS

ACCURACY = TASKS["classify"].metric

RANGES = """
"recipe.learning_rate" = { low = 1e-4, high = 0.1, log = true }
"recipe.batch_size" = { low = 8, high = 64 }
"recipe.average" = [0.0, 0.9]
"""


@pytest.fixture
def study(tmp_path):
    def read(over, tries=8, seeds=2):
        file = tmp_path / "study.toml"
        cases = '[[case]]\nname = "he"\nset = { "model.init" = "he" }\n[[case]]\nname = "plain"\n'
        file.write_text(f'name = "t"\nbase = "digits"\nseeds = {seeds}\n{cases}[search]\ntries = {tries}\n{over}')
        return load_study(str(file))

    return read


def score(settings):
    """A made-up validation accuracy, best at a rate of 0.01 and 16 images a batch."""
    rate, batch = settings["recipe.learning_rate"], settings.get("recipe.batch_size", 16)
    return {"accuracy": 1 / (1 + abs(math.log10(rate) + 2) + abs(math.log2(batch) - 4) / 4), "loss": rate}


def test_random_settings_are_in_their_ranges_short_and_the_same_for_every_case(study):
    asked = study(RANGES, tries=200)
    drawn = search.proposals(asked, "he", [], "random", ACCURACY)
    assert (
        drawn
        == search.proposals(asked, "plain", [], "random", ACCURACY)
        == search.proposals(asked, "he", [], "random", ACCURACY)
    )
    assert len(drawn) == 200
    rates, batches = [one["recipe.learning_rate"] for one in drawn], [one["recipe.batch_size"] for one in drawn]
    assert all(1e-4 <= rate <= 0.1 and rate == float(f"{rate:.3g}") for rate in rates)
    assert {type(batch) for batch in batches} == {int}
    assert set(batches) == set(range(8, 65)), "both ends, and every integer between"
    assert Counter(one["recipe.average"] for one in drawn) == {0.0: 100, 0.9: 100}
    tenths = Counter(int((math.log10(rate) + 4) / 3 * 10 * 0.999) for rate in rates)
    assert all(abs(count - 20) <= 1 for count in tenths.values()), "evenly over the logarithms"
    assert abs(statistics.correlation(rates, batches)) < 4 / math.sqrt(200), "keys do not go together"
    assert search.proposals(asked, "he", [Tried(one) for one in drawn[:5]], "random", ACCURACY) == drawn[5:]


def test_a_small_grid_is_gone_through_once(study):
    asked = study('"recipe.learning_rate" = [0.01, 0.1]\n"recipe.batch_size" = [16, 32]\n', tries=10)
    drawn = search.proposals(asked, "he", [], "random", ACCURACY)
    rates = [(one["recipe.learning_rate"], one["recipe.batch_size"]) for one in drawn]
    assert rates == [(0.01, 16), (0.01, 32), (0.1, 16), (0.1, 32)]
    assert search.proposals(asked, "he", [], "optuna", ACCURACY) == drawn


def test_the_seed_of_the_tries_is_none_of_the_studys(study):
    assert search.seed(study(RANGES, seeds=3)) == 3
    assert search.seed(study(RANGES, seeds=[1, 2])) == 0


def test_the_best_is_of_highest_accuracy_then_lowest_loss_then_first_and_never_one_that_failed():
    def tried(name, accuracy, loss):
        return Tried({"name": name}, {"accuracy": accuracy, "loss": loss} if accuracy is not None else None)

    history = [
        tried("failed", None, 0),
        tried("a", 0.9, 0.5),
        tried("b", 0.9, 0.4),
        tried("c", 0.9, 0.4),
        tried("d", 0.8, 0.1),
    ]
    assert search.best(history, ACCURACY).settings == {"name": "b"}
    assert search.best([tried("failed", None, 0), tried("zero", 0.0, 9.0)], ACCURACY).settings == {"name": "zero"}
    assert search.best([tried("failed", None, 0)], ACCURACY) is None


def drive(asked, scheduler):
    """Finish every job that a scheduler knows, in a hurry, until none is left; tries first, as they come."""
    done = {}
    while waiting := [job for job in scheduler.jobs if job.key not in done]:
        job = waiting[-1]
        done[job.key] = job
        recipe = job.experiment.recipe
        scheduler.take(
            job, score({"recipe.learning_rate": recipe.learning_rate, "recipe.batch_size": recipe.batch_size})
        )
    return done


@pytest.mark.parametrize("by", ["random", "optuna"])
def test_every_case_has_the_same_budget_and_goes_on_with_its_best(study, by):
    asked = study(RANGES, tries=12)
    scheduler = Scheduler(asked, expand(asked).cases, sampler=by)
    assert scheduler.searching == ["he", "plain"]
    assert len(scheduler.jobs) + len(scheduler.later) == 2 * 12 + 2 * 2
    done = drive(asked, scheduler)
    assert scheduler.searching == []
    assert scheduler.later == []
    tries = scheduler.tries()
    for name in ("he", "plain"):
        own = [one for one in tries if one["case"] == name]
        assert [one["try"] for one in own] == list(range(12))
        best = max(own, key=lambda one: one["validation"]["accuracy"])
        assert scheduler.settings(name) == best["settings"]
        final = scheduler.final(name)
        assert [job.seed for job in final] == [0, 1]
        assert {job.experiment.recipe.learning_rate for job in final} == {best["settings"]["recipe.learning_rate"]}
        assert all(job.key in done for job in final)
    assert {one["seed"] for one in tries} == {2}


@pytest.mark.parametrize("by", ["random", "optuna"])
def test_settings_that_come_again_are_one_run(study, by):
    asked = study('"recipe.batch_size" = { low = 16, high = 18 }\n', tries=7)
    scheduler = Scheduler(asked, expand(asked).cases, sampler=by)
    done = drive(asked, scheduler)
    assert len(scheduler.tries()) == 2 * 7
    assert len([job for job in done.values() if scheduler.is_try(job)]) <= 2 * 3
    assert scheduler.searching == []


@pytest.mark.parametrize("by", ["random", "optuna"])
def test_a_search_that_was_cut_short_goes_on_with_what_it_would_have_tried(study, by):
    asked = study(RANGES, tries=9)
    whole = Scheduler(asked, expand(asked).cases, sampler=by)
    drive(asked, whole)
    tries = whole.tries()
    for kept in (0, 1, 5, len(tries)):
        again = Scheduler(asked, expand(asked).cases, tries[:kept], by)
        drive(asked, again)
        assert sorted(again.tries(), key=str) == sorted(tries, key=str)
        assert again.cases == whole.cases


def test_tries_that_fail_are_the_worst_and_a_case_whose_tries_all_fail_is_told(study):
    asked = study('"recipe.learning_rate" = [0.01, 0.1, 1.0]\n', tries=3)
    scheduler = Scheduler(asked, expand(asked).cases, sampler="random")
    for job in list(scheduler.jobs):
        bad = job.what.startswith("he") or job.experiment.recipe.learning_rate == 0.01
        scheduler.take(job, None if bad else {"accuracy": 0.5, "loss": 1.0})
    assert "tries of its search failed" in scheduler.failed["he"]
    assert scheduler.cases["plain"].recipe.learning_rate == 0.1
    assert scheduler.searching == []


@pytest.mark.parametrize(
    ("task", "bad"),
    [
        ("classify", {"accuracy": 0.0, "loss": 1e9}),
        ("reconstruct", {"mse": 1.7, "loss": 1.7}),
        ("reconstruct", {"mse": 1e30, "loss": 1e30}),
        ("verify", {"pair_accuracy": 0.0, "loss": float("inf")}),
    ],
)
def test_a_failed_try_is_worse_than_any_score(task, bad):
    metric = TASKS[task].metric
    failed, poor = Tried({"at": 1}), Tried({"at": 2}, bad)
    nothing = Tried({"at": 3}, {metric.key: float("nan"), "loss": float("nan")})
    assert search.optuna_value(failed, metric) < search.optuna_value(poor, metric)
    assert math.isfinite(search.optuna_value(failed, metric))
    assert search.optuna_value(nothing, metric) == search.optuna_value(failed, metric)
    assert failed.merit(metric) < poor.merit(metric)
    assert search.best([nothing, failed, poor, nothing], metric) is poor
    assert search.best([nothing, failed], metric) is None


def test_optuna_gets_a_failed_try_as_the_worst(study, monkeypatch):
    """Of two halves of a range, one with high squared errors and one that fails, the first is proposed."""
    metric, optuna = TASKS["reconstruct"].metric, pytest.importorskip("optuna")
    asked = study('"recipe.learning_rate" = { low = 0.0, high = 1.0 }\n', tries=30)
    history = [Tried({"recipe.learning_rate": x / 100}, {"mse": 3.0 + x, "loss": 3.0}) for x in range(0, 40, 4)]
    history += [Tried({"recipe.learning_rate": x / 100}) for x in range(60, 100, 4)]
    given = []
    create = optuna.trial.create_trial
    monkeypatch.setattr(optuna.trial, "create_trial", lambda **words: given.append(words["value"]) or create(**words))
    (settings,) = search.proposals(asked, "he", history, "optuna", metric)
    assert settings["recipe.learning_rate"] < 0.5
    assert max(given[10:]) < min(given[:10])


def test_what_optunas_versions_differ_in_is_stated(study, monkeypatch):
    optuna, asked = pytest.importorskip("optuna"), study(RANGES)
    sampler, seen = optuna.samplers.TPESampler, []
    monkeypatch.setattr(optuna.samplers, "TPESampler", lambda **words: seen.append(words) or sampler(**words))
    search.proposals(asked, "he", [], "optuna", ACCURACY)
    (words,) = seen
    assert words["constant_liar"] is False
    assert words["multivariate"] is True


def test_a_killed_process_leaves_nothing_running_and_the_first_tries_are_not_proposed_again(study):
    """The try that was under way is proposed again, as itself; later ones are none of those before them."""
    asked = study(RANGES, tries=9)
    scheduler = Scheduler(asked, expand(asked).cases, sampler="optuna")
    proposed = []
    for number in range(6):
        under_way = scheduler.jobs[-1]
        recorded = scheduler.tries()
        assert len([one for one in recorded if one["case"] == "plain"]) == number, "what is under way is not recorded"
        killed = Scheduler(asked, expand(asked).cases, recorded, "optuna")  # a new process, from plan.json
        again = [job for job in killed.jobs if job.what.startswith("plain")]
        assert [job.key for job in again] == [under_way.key], "the same try, under its own number"
        assert again[0].what == under_way.what == f"plain, try {number + 1}"
        proposed.append(under_way.experiment.recipe.learning_rate)
        scheduler.take(under_way, score({"recipe.learning_rate": proposed[-1]}))
    assert len(set(proposed)) == 6


def test_optuna_does_not_propose_what_was_tried_while_there_is_something_else(study):
    asked = study('"recipe.batch_size" = { low = 16, high = 23 }\n', tries=8)
    scheduler = Scheduler(asked, expand(asked).cases, sampler="optuna")
    drive(asked, scheduler)
    tried = [one["settings"]["recipe.batch_size"] for one in scheduler.tries() if one["case"] == "he"]
    assert len(set(tried)) >= 7


def test_a_search_that_began_with_optuna_is_not_gone_on_with_at_random(monkeypatch):
    from smallvision.errors import BadInput

    monkeypatch.setattr(search, "find_spec", lambda name: None)
    assert search.sampler(None) == "random"
    assert search.sampler("random") == "random"
    with pytest.raises(BadInput, match="Optuna, which is not installed"):
        search.sampler("optuna")
    monkeypatch.setattr(search, "find_spec", lambda name: object())
    assert search.sampler(None) == "optuna"
    assert search.sampler("random") == "random"
