"""Times steps of a study's experiments, to choose a split of the machine and estimate runs. No torch here."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallvision.errors import BadInput, RunFailed
from smallvision.study.plan.jobs import Job, Split, Timing, fastest, rounds, splits
from smallvision.study.workers.pool import DEATHS, Pool, Worker

SECONDS = 0.4  # of each timing; more if a few steps take longer
TURNS = 3  # timings of each split, in turn; the fastest counts, since other processes only slow a timing down
BEHIND = 1.5  # a split that takes this many times as long as the best is not timed again
SHORT = 20.0  # seconds; if many workers finish all jobs within this time, no other split is timed


def task(what: str, job: Job, **more: Any) -> dict[str, Any]:
    """The message that asks a worker to do `what` with a job's experiment."""
    return {
        "do": what,
        "experiment": job.experiment.model_dump(mode="json", exclude_none=True),
        "where": f'case "{job.what}"',
        **more,
    }


def fastest_ways(pool: Pool, job: Job, count: int, images: int) -> list[Timing]:
    """Time a job's experiment with each possible split of the machine; empty if there is only one split.

    In a study that takes seconds only the split with many workers is timed, since timing the other would take longer.

    Parameters
    ----------
    pool : at least one of its workers is ready.
    job : the largest of the study.
    count : of the jobs.
    images : the images on which the job trains, over all its epochs.
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
    raise RunFailed("worker processes end while steps are timed; use --workers to skip the timing")


def _in_turn(pool: Pool, team: Sequence[Worker], ways: Sequence[Split], count: int, images: int) -> list[Timing] | None:
    """The best rate of each split over several turns; None if a worker died."""
    best: dict[Split, Timing] = {}
    left = list(reversed(ways))
    for turn in range(TURNS + 1):
        quick = left[:1] if turn == 0 else left  # the first turn is a short one of many workers
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
    """Seconds of a run of each experiment while all workers are busy, by the first part of its key.

    Experiments that take equally long are timed once.
    """
    alike: dict[str, list[Job]] = {}
    for job in wanted:
        alike.setdefault(_time_key(job), []).append(job)
    firsts = {cost: group[0] for cost, group in alike.items()}
    pool.resize(split.workers)
    asked = [task("estimate", job, threads=split.threads, seconds=SECONDS, cost=cost) for cost, job in firsts.items()]
    out: dict[str, float] = {}
    for request, answer in pool.ask(asked):
        out.update(dict.fromkeys((job.key[0] for job in alike[request["cost"]]), answer["seconds"]))
    return out


def total(seconds: Sequence[float], workers: int) -> float:
    """Seconds until `workers` workers have done runs of these seconds, each taking the next run when it is done."""
    until = [0.0] * max(workers, 1)
    for length in seconds:
        until[until.index(min(until))] += length
    return max(until)


def _together(pool: Pool, team: Sequence[Worker], request: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The answers of several workers that do one task at the same time; None if one of them died."""
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


def _time_key(job: Job) -> str:
    """Jobs with equal texts take equally long."""
    experiment = job.experiment
    return f"{experiment.data!r} {experiment.model!r} {experiment.task!r} {experiment.recipe.time_key()}"
