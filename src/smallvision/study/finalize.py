"""The end of a study: the choice by validation, the test split for the winner and the baseline, probes, study.json. No torch here."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smallvision.comparison.disagreements import disagreements
from smallvision.comparison.predictions import gather
from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec
from smallvision.runs import probes
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import RunRecord, read_run
from smallvision.study import probe_verdicts, selection
from smallvision.study import verdicts as judging
from smallvision.study.events import Event, Looked, Probed, Probing
from smallvision.study.plan import jobs
from smallvision.study.plan.jobs import Job
from smallvision.study.read import PICTURES
from smallvision.study.workers import post_run
from smallvision.study.workers.dispatch import Work


def conclude(work: Work, baseline: str, pairs: tuple[tuple[str, str], ...]) -> Iterator[Event]:
    """Choose by validation, let the winner and the baseline meet the test split, probe all runs if asked to, and write what was found.

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
    winner = selection.winner(_table(work))
    met = list(dict.fromkeys((winner, baseline)))
    yield from _looks(work, [job for name in met for job in work.agenda.final(name)])
    probed = work.study.probe
    if probed is not None:
        yield from _probes(work, probed)
    table, cases = _table(work), {name: _runs(work, name) for name in work.agenda.cases}
    try:
        gather(cases, "validation")
    except BadInput as error:  # trained they are; what was found is written all the same
        judged, told = [], judging.nothing_compared(winner, str(error))
    else:
        judged = judging.verdicts(work.study, cases, pairs, "validation")
        if len(met) > 1 and all("test" in row for row in table if row["case"] in met):
            judged += judging.verdicts(work.study, cases, [(winner, baseline)], "test")
        told = judging.answer(table, winner, baseline, judged)
        _pictures(work, cases, met, told, pairs)
    found = {
        "name": work.study.name,
        "hash": work.study.hash(),
        "question": work.study.question,
        "baseline": baseline,
        "pairs": [list(pair) for pair in pairs],
        "choice": {"winner": winner, "by": selection.reason(table), "met_test": met},
        "answer": told,
        "verdicts": judged,
        "table": table,
        "commands": {
            "study": shlex.join(work.place.command),
            "runs": [str(run.state["command"]) for runs in cases.values() for run in runs],
        },
    }
    if probed is not None:
        found |= _of_probes(work, probed, cases, pairs)
    work.book.write_plan(jobs=[jobs.entry(job, work.place.folder, work.done) for job in work.agenda.jobs])
    work.book.finish(found, status="finished", message="")


def _of_probes(
    work: Work, spec: ProbeSpec, cases: dict[str, list[RunRecord]], pairs: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """What study.json says of the probes: where they stand, and what is judged by them."""
    standing = _standing(work, spec)
    listed = [
        {
            "case": name,
            "seed": one.result["seed"],
            "path": one.path.relative_to(work.place.folder).as_posix(),
            "hash": spec.hash(),
        }
        for name, some in standing.items()
        for one in some
    ]
    return {"probes": listed, "probe_verdicts": probe_verdicts.verdicts(work.study, cases, standing, pairs)}


def _pictures(
    work: Work,
    cases: dict[str, list[RunRecord]],
    met: list[str],
    told: dict[str, Any],
    pairs: tuple[tuple[str, str], ...],
) -> None:
    """Write the images that the report shows: those on which the cases disagree most clearly."""
    answers = {"validation": gather(cases, "validation")}
    if told["split"] == "test":
        answers["test"] = gather({name: cases[name] for name in met}, "test")
    wanted: dict[str, dict[tuple[int, int], None]] = {split: {} for split in answers}
    for place, (split, (a, b), most) in enumerate(judging.shown(answers, told, pairs)):
        kinds = disagreements(answers[split], a, b, most)
        for kind in kinds if place == 0 and told["pair"] else kinds[:2]:  # of other pairs, whom each image speaks for
            wanted[split].update(dict.fromkeys(answers[split].images(kind.rows)))
    task = {
        "do": "pictures",
        "path": str(next(iter(cases.values()))[0].path),
        "out": str(work.book.path / PICTURES),
        "ids": {split: list(ids) for split, ids in wanted.items()},
    }
    work.pool.resize(max(1, len(work.pool.workers)))
    list(work.pool.ask([task]))


def _looks(work: Work, jobs: list[Job]) -> Iterator[Event]:
    """Score the test split by finished runs that have not met it."""
    waiting = {str(work.done[job.key]): job for job in jobs if not _test(work.done[job.key])}
    tasks = {path: {"do": "look", "path": path} for path in waiting}
    for path, _ in post_run.each(work, tasks, lambda path: bool(_test(path)), "scored"):
        yield Looked(waiting[path], _test(path))


def _test(path: str | Path) -> dict[str, Any] | None:
    """What a run scored on the test split, if it met it."""
    found: dict[str, Any] | None = (read_run(path).result or {}).get("test")
    return found


def _probes(work: Work, spec: ProbeSpec) -> Iterator[Event]:
    """Probe every run of every case, on the test split where its data have one; what stands so is not repeated."""
    jobs = {str(work.done[job.key]): job for name in work.agenda.cases for job in work.agenda.final(name)}
    command = list(work.place.command)
    tasks = {
        path: {"do": "probe", "path": path, "spec": spec.model_dump(mode="json"), "command": command}
        for path in jobs
        if not _probed(path, spec)
    }
    for path, step in post_run.each(work, tasks, lambda path: _probed(path, spec), "probed"):
        yield Probing(jobs[path], step) if step else Probed(jobs[path], probes.read(probes.place(Path(path), spec)))


def _probed(path: str, spec: ProbeSpec) -> bool:
    """Whether a probe stands that met the test split. (Of data without one the worker knows.)"""
    found = probes.find(path, spec)
    return found is not None and found.result["split"] == "test"


def _standing(work: Work, spec: ProbeSpec) -> dict[str, list[ProbeRecord]]:
    """The probes of all runs, by case."""
    return {
        name: [probes.read(probes.place(work.done[job.key], spec)) for job in work.agenda.final(name)]
        for name in work.agenda.cases
    }


def _table(work: Work) -> list[dict[str, Any]]:
    return [
        selection.row(name, _runs(work, name), work.place.folder, work.agenda.settings(name))
        for name in work.agenda.cases
    ]


def _runs(work: Work, name: str) -> list[RunRecord]:
    return [read_run(work.done[job.key]) for job in work.agenda.final(name)]
