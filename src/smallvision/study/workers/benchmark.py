"""Timed steps of a study's own experiments: which split of the machine is faster, and how long a run will take. No torch here."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallvision.errors import BadInput, RunFailed
from smallvision.study.plan.jobs import Job, Split, Timing, fastest, rounds, splits
from smallvision.study.workers.pool import DEATHS, Pool, Worker

SECONDS = 0.4  # of steps, each time; more where a few steps take longer
TURNS = 3  # each way is timed so often, in turn, and its best counts: others disturb, nobody helps
BEHIND = 1.5  # a way that takes so many times as long as the best is not timed again
SHORT = 20.0  # seconds; where one thread a worker takes no longer for all, no other way is tried


def task(what: str, job: Job, **more: Any) -> dict[str, Any]:
    """A task for a worker about a job's experiment."""
    return {
        "do": what,
        "experiment": job.experiment.model_dump(mode="json", exclude_none=True),
        "where": f'case "{job.what}"',
        **more,
    }


def fastest_ways(pool: Pool, job: Job, count: int, images: int) -> list[Timing]:
    """Time a job's experiment in the ways that the machine may be shared out; empty where there is one way only.

    In a study that is over in seconds only one way is timed, the one of many workers: trying the other would cost more.

    Parameters
    ----------
    pool : with as many workers as jobs can run at a time; one has said hello.
    job : the largest of the study.
    count : how many jobs there are.
    images : that the job trains on, over all its epochs.
    """
    ways = splits(pool.threads, count)
    if pool.device != "cpu" or len(ways) < 2:
        return []
    for _ in range(DEATHS):
        many = ways[-1].workers
        pool.resize(max(many, len(pool.workers)))
        pool.hello(many)
        team = pool.idle()[:many]
        if _together(pool, team, task("warm", job, threads=ways[-1].threads)) is not None:
            timed = _in_turn(pool, team, ways, count, images)
            if timed is not None:
                return timed
    raise RunFailed("worker processes end while steps are timed; give --workers to go without")


def _in_turn(pool: Pool, team: Sequence[Worker], ways: Sequence[Split], count: int, images: int) -> list[Timing] | None:
    """The best rate of each way by turns; None when a worker died."""
    best: dict[Split, Timing] = {}
    left = list(reversed(ways))
    for turn in range(TURNS + 1):
        quick = left[:1] if turn == 0 else left  # a first impression of the way of many workers
        for way in quick:
            seconds = SECONDS / 4 if turn == 0 else SECONDS
            found = _together(pool, team[: way.workers], {"do": "time", "threads": way.threads, "seconds": seconds})
            if found is None:
                return None
            rate = max(
                sum(answer["images_per_second"] for answer in found),
                best[way].images_per_second if way in best else 0.0,
            )
            best[way] = Timing(way, rate, rounds(count, way.workers))
        first = fastest(list(best.values()))
        if images * first.cost < SHORT:
            break
        left = [way for way in left if way not in best or best[way].cost < BEHIND * first.cost]
        if len(left) < 2:
            break
    return list(best.values())


def estimates(pool: Pool, wanted: Sequence[Job], split: Split) -> dict[str, float]:
    """Seconds that a run of each experiment takes with all workers busy, by the first part of their key; equal work is timed once."""
    alike: dict[str, list[Job]] = {}
    for job in wanted:
        alike.setdefault(_cost(job), []).append(job)
    firsts = {cost: group[0] for cost, group in alike.items()}
    pool.resize(split.workers)
    asked = [task("estimate", job, threads=split.threads, seconds=SECONDS, cost=cost) for cost, job in firsts.items()]
    out: dict[str, float] = {}
    for request, answer in pool.ask(asked):
        out.update(dict.fromkeys((job.key[0] for job in alike[request["cost"]]), answer["seconds"]))
    return out


def total(seconds: Sequence[float], workers: int) -> float:
    """How long so many workers take for runs of so many seconds, each taking the next when it is done."""
    until = [0.0] * max(workers, 1)
    for length in seconds:
        until[until.index(min(until))] += length
    return max(until)


def _together(pool: Pool, team: Sequence[Worker], request: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The answers of several workers to one task, done at the same time; None when one of them died."""
    for worker in team:
        pool.give(worker, dict(request))
    out: list[dict[str, Any]] = []
    left, died = list(team), False
    while left:
        for worker, _, answer in pool.answers(1.0):
            if answer["said"] == "failed":
                raise (BadInput if answer["kind"] == "BadInput" else RunFailed)(answer["message"])
            left.remove(worker)
            died = died or answer["said"] == "died"
            out.append(answer)
    return None if died else out


def _cost(job: Job) -> str:
    """What decides how long a run takes: equal texts, equal times."""
    recipe = job.experiment.recipe
    spent = recipe.model_dump(include={"epochs", "batch_size", "optimizer", "precision", "drop_last", "deterministic"})
    extras = (recipe.average > 0, recipe.clip > 0)
    return f"{job.experiment.data!r} {job.experiment.model!r} {job.experiment.task!r} {spent} {extras}"
