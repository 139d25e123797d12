"""Jobs in an order of need, the split of the machine, and which runs are done already: all on plain data."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallvision.errors import BadInput
from smallvision.experiment import load
from smallvision.study.plan import jobs
from smallvision.study.plan.jobs import Job, Split, Timing
from smallvision.study.workers import benchmark


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12), max_size=4), max_size=12))
def test_an_order_of_need_exists_just_where_there_is_no_circle(drawn):
    graph = {(str(key), 0): {(str(other), 0) for other in others} for key, others in drawn.items()}
    graph |= {need: set() for needs in list(graph.values()) for need in needs - graph.keys()}
    closed = {key: set(needs) for key, needs in graph.items()}
    for middle in closed:  # Warshall: who needs whom, through others
        for key in closed:
            if middle in closed[key]:
                closed[key] |= closed[middle]
    if any(key in needs for key, needs in closed.items()):
        with pytest.raises(BadInput, match=r"the experiments depend on one another in a circle \("):
            jobs.ordered(graph, {})
        return
    order = jobs.ordered(graph, {})
    assert Counter(order) == Counter(graph.keys())
    assert all(order.index(need) < order.index(key) for key, needs in graph.items() for need in needs)


def test_without_needs_the_order_stays_and_a_circle_is_named():
    keys = [(name, seed) for seed in (1, 0) for name in "cab"]
    assert jobs.ordered(dict.fromkeys(keys, ()), {}) == keys
    one, two = ("1", 0), ("2", 0)
    with pytest.raises(BadInput, match=r"cnn needs decoder needs cnn|decoder needs cnn needs decoder"):
        jobs.ordered({one: [two], two: [one]}, {one: "cnn", two: "decoder"})


def test_equal_experiments_are_one_job_and_seeds_come_one_after_the_other():
    a, b = load("digits"), load("digits", ["recipe.epochs=2"])
    same = load("digits", ["name=other"])
    found = jobs.jobs({"a": a, "b": b, "again": same}, [3, 4])
    assert [(job.what, job.seed) for job in found] == [("a", 3), ("b", 3), ("a", 4), ("b", 4)]
    assert jobs.needs(a) == []


def test_the_machine_is_full_and_never_more():
    for cores in range(1, 20):
        for count in range(1, 20):
            ways = jobs.splits(cores, count)
            assert ways[0] == Split(1, cores)
            assert all(way.workers * way.threads <= cores and way.workers <= count for way in ways)
            assert ways[-1].workers == min(cores, count)
            assert cores - ways[-1].workers * ways[-1].threads < ways[-1].workers


def test_the_fastest_split_counts_rounds_not_rates_alone():
    one, many = Split(1, 4), Split(4, 1)
    timings = [Timing(one, 100.0, jobs.rounds(5, 1)), Timing(many, 150.0, jobs.rounds(5, 4))]
    # The fifth job keeps only one of four workers busy.
    assert [one.cost for one in timings] == pytest.approx([5 / 100, 2 * 4 / 150])
    assert jobs.fastest(timings).split == one
    timings = [Timing(one, 100.0, jobs.rounds(8, 1)), Timing(many, 150.0, jobs.rounds(8, 4))]
    assert jobs.fastest(timings).split == many
    equal = [Timing(many, 100.0, 2), Timing(one, 100.0, 8)]
    assert jobs.fastest(equal).split == one


def test_the_total_of_a_dry_run_is_that_of_workers_taking_turns():
    assert benchmark.total([], 2) == 0
    assert benchmark.total([3, 1, 1, 1], 2) == 3
    assert benchmark.total([2, 2, 2], 2) == 4
    assert benchmark.total([1.5] * 8, 1) == 12


def write(folder, name, **state):
    path = folder / name
    path.mkdir(parents=True)
    (path / "state.json").write_text(json.dumps(state))
    return path


def test_what_is_in_the_place_of_a_run_and_is_none_is_refused(tmp_path):
    job = Job("a", load("digits"), 0)
    place = tmp_path / f"digits-{job.experiment.hash()}-s0"
    place.mkdir()
    (place / "thesis.tex").write_text("words")
    with pytest.raises(BadInput, match="not a run directory"):
        jobs.finished(tmp_path, [job])
    assert (place / "thesis.tex").exists()


def test_a_run_that_only_says_it_is_finished_is_not_believed(tmp_path):
    job = Job("a", load("digits"), 0)
    write(tmp_path, "elsewhere", experiment=job.experiment.hash(), seed=0, status="finished")
    write(tmp_path, "broken", experiment=[], seed="x", status="finished")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "state.json").write_text('{"experi')
    assert jobs.finished(tmp_path, [job]) == {}
