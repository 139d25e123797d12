"""The end of a study: the choice by validation, the test split for the winner and the baseline, study.json. No torch here."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smallvision.answers import gather
from smallvision.disagreements import disagreements
from smallvision.errors import BadInput, RunFailed
from smallvision.runs.read import RunRecord, read_run
from smallvision.study import choice, plan
from smallvision.study import verdicts as judging
from smallvision.study.events import Event, Looked
from smallvision.study.plan import Job
from smallvision.study.record import PICTURES
from smallvision.study.work import WAIT_SECONDS, Work, busy
from smallvision.study.workers import DEATHS


def conclude(work: Work, baseline: str, pairs: tuple[tuple[str, str], ...]) -> Iterator[Event]:
    """Choose by validation, let the winner and the baseline meet the test split, and write what was found.

    Parameters
    ----------
    work : whose jobs are all done.
    baseline : the case that the others are compared with.
    pairs : the comparisons declared beforehand.

    Raises
    ------
    BadInput, RunFailed : a run could not be scored.
    Interrupted : a signal came.
    """
    winner = choice.winner(_table(work))
    met = list(dict.fromkeys((winner, baseline)))
    yield from _looks(work, [job for name in met for job in work.agenda.final(name)])
    table, cases = _table(work), {name: _runs(work, name) for name in work.agenda.cases}
    try:
        gather(cases, "validation")
    except BadInput as error:                                  # trained they are; what was found is written all the same
        judged, told = [], judging.nothing_compared(winner, str(error))
    else:
        judged = judging.verdicts(work.study, cases, pairs, "validation")
        if len(met) > 1 and all("test" in row for row in table if row["case"] in met):
            judged += judging.verdicts(work.study, cases, [(winner, baseline)], "test")
        told = judging.answer(table, winner, baseline, judged)
        _pictures(work, cases, met, told, pairs)
    found = {
        "name": work.study.name, "hash": work.study.hash(), "question": work.study.question, "baseline": baseline,
        "pairs": [list(pair) for pair in pairs],
        "choice": {"winner": winner, "by": choice.reason(table), "met_test": met},
        "answer": told, "verdicts": judged, "table": table,
        "commands": {"study": shlex.join(work.place.command),
                     "runs": [str(run.state["command"]) for runs in cases.values() for run in runs]},
    }  # fmt: skip
    work.book.write_plan(jobs=[plan.entry(job, work.place.folder, work.done) for job in work.agenda.jobs])
    work.book.finish(found, status="finished", message="")


def _pictures(
    work: Work, cases: dict[str, list[RunRecord]], met: list[str], told: dict[str, Any], pairs: tuple[tuple[str, str], ...]
) -> None:
    """Write the images that the report shows: those on which the cases disagree most clearly."""
    answers = {"validation": gather(cases, "validation")}
    if told["split"] == "test":
        answers["test"] = gather({name: cases[name] for name in met}, "test")
    wanted: dict[str, dict[tuple[int, ...], None]] = {split: {} for split in answers}
    for place, (split, (a, b), most) in enumerate(judging.shown(answers, told, pairs)):
        kinds = disagreements(answers[split], a, b, most)
        for kind in kinds if place == 0 and told["pair"] else kinds[:2]:             # of other pairs, whom each image speaks for
            wanted[split].update(dict.fromkeys(map(tuple, answers[split].ids[kind.rows].tolist())))
    task = {"do": "pictures", "path": str(next(iter(cases.values()))[0].path), "out": str(work.book.path / PICTURES),
            "ids": {split: list(ids) for split, ids in wanted.items()}}  # fmt: skip
    work.pool.resize(max(1, len(work.pool.workers)))
    list(work.pool.ask([task]))


def _looks(work: Work, jobs: list[Job]) -> Iterator[Event]:
    """Score the test split by finished runs that have not met it."""
    waiting = {str(work.done[job.key]): job for job in jobs if not (read_run(work.done[job.key]).result or {}).get("test")}
    todo, deaths = list(waiting), 0
    work.pool.resize(min(max(work.split.workers, 1), max(len(waiting), len(work.pool.workers))))
    while waiting:
        for worker in work.pool.idle()[: len(todo)]:
            work.pool.give(worker, {"do": "look", "path": todo.pop(0)})
        for _, task, answer in work.pool.answers(WAIT_SECONDS):
            path = task["path"]
            test = (read_run(path).result or {}).get("test")
            if answer["said"] == "done" or test:               # or its worker died when all was written
                yield Looked(waiting.pop(path), test)
                continue
            deaths += answer["said"] == "died"
            if deaths >= DEATHS:
                raise RunFailed(f"{path}: cannot be scored, worker processes end over it ({answer['message']})")
            if answer["said"] == "failed" and not busy(Path(path)):
                raise (BadInput if answer["kind"] == "BadInput" else RunFailed)(answer["message"])
            todo.append(path)
        if work.signals.caught:
            work.stop(work.signals.caught)
        work.book.heartbeat()


def _table(work: Work) -> list[dict[str, Any]]:
    return [choice.row(name, _runs(work, name), work.place.folder, work.agenda.settings(name)) for name in work.agenda.cases]


def _runs(work: Work, name: str) -> list[RunRecord]:
    return [read_run(work.done[job.key]) for job in work.agenda.final(name)]
