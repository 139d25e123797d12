"""The end of a study: the winner is selected, it and the baseline are tested, runs are probed, study.json is written.

No torch here.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smallvision.comparison.disagreements import disagreements
from smallvision.comparison.predictions import gather
from smallvision.errors import BadInput
from smallvision.experiment import ProbeSpec
from smallvision.runs import probes
from smallvision.runs.directory import tidy
from smallvision.runs.probes import ProbeRecord
from smallvision.runs.read import RunRecord, read_run
from smallvision.study import probe_verdicts, selection
from smallvision.study import verdicts as judging
from smallvision.study.events import Evaluated, Event, Probed, Probing
from smallvision.study.plan import edges, jobs
from smallvision.study.plan.jobs import Job
from smallvision.study.read import PICTURES
from smallvision.study.workers import post_run
from smallvision.study.workers.dispatch import Dispatcher


def finalize(dispatcher: Dispatcher, baseline: str, pairs: tuple[tuple[str, str], ...]) -> Iterator[Event]:
    """Select a winner, score it and the baseline on the test split, probe the runs, and write study.json.

    Parameters
    ----------
    dispatcher : all of its jobs are done.
    baseline : the case that the others are compared with.
    pairs : the comparisons that were declared beforehand.

    Raises
    ------
    BadInput, RunFailed : a run could not be scored.
    Interrupted : a signal came.
    """
    for path in dispatcher.done.values():
        tidy(path)
    metric = dispatcher.scheduler.metric
    winner = selection.winner(_table(dispatcher), metric)
    tested = list(dict.fromkeys((winner, baseline)))
    yield from _evaluate_on_test(dispatcher, [job for name in tested for job in dispatcher.scheduler.final(name)])
    spec = dispatcher.study.probe
    if spec is not None:
        yield from _probe(dispatcher, spec)
    texts = dispatcher.study.texts
    table, cases = _table(dispatcher), {name: _runs(dispatcher, name) for name in dispatcher.scheduler.cases}
    try:
        gather(cases, "validation")
    except BadInput as error:  # the runs are finished, so their scores are written without a comparison
        judged, answer = [], judging.nothing_compared(texts.get(winner, winner), str(error))
    else:
        judged = judging.verdicts(dispatcher.study, cases, pairs, "validation")
        if len(tested) > 1 and all("test" in row for row in table if row["case"] in tested):
            judged += judging.verdicts(dispatcher.study, cases, [(winner, baseline)], "test")
        answer = judging.answer(table, winner, baseline, judged, metric, texts)
        _pictures(dispatcher, cases, tested, answer, pairs)
    result = {
        "name": dispatcher.study.name,
        "hash": dispatcher.study.hash(),
        "question": dispatcher.study.question,
        "baseline": baseline,
        "pairs": [list(pair) for pair in pairs],
        "choice": {"winner": winner, "by": selection.reason(metric), "met_test": tested},
        "answer": answer,
        "verdicts": judged,
        "table": table,
        "commands": {
            "study": shlex.join(dispatcher.options.command),
            "runs": [str(run.state["command"]) for runs in cases.values() for run in runs],
        },
    }
    if dispatcher.study.search is not None:
        result["edges"] = edges.entries(
            dispatcher.study, {row["case"]: row["settings"] for row in table}, dispatcher.scheduler.cases
        )
    if spec is not None:
        result |= _probe_results(dispatcher, spec, cases, pairs)
    dispatcher.directory.write_plan(
        jobs=[jobs.entry(job, dispatcher.options.folder, dispatcher.done) for job in dispatcher.scheduler.jobs]
    )
    dispatcher.directory.finish(result, status="finished", message="")


def _probe_results(
    dispatcher: Dispatcher, spec: ProbeSpec, cases: dict[str, list[RunRecord]], pairs: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """The part of study.json about probes: where they are, and the verdicts by them."""
    records = _probe_records(dispatcher, spec)
    listed = [
        {
            "case": name,
            "seed": record.result["seed"],
            "path": record.path.relative_to(dispatcher.options.folder).as_posix(),
            "hash": spec.hash(),
        }
        for name, some in records.items()
        for record in some
    ]
    return {"probes": listed, "probe_verdicts": probe_verdicts.verdicts(dispatcher.study, cases, records, pairs)}


def _pictures(
    dispatcher: Dispatcher,
    cases: dict[str, list[RunRecord]],
    tested: list[str],
    answer: dict[str, Any],
    pairs: tuple[tuple[str, str], ...],
) -> None:
    """Write the images that the report shows: those on which the cases disagree most clearly."""
    predictions = {"validation": gather(cases, "validation")}
    if answer["split"] == "test":
        predictions["test"] = gather({name: cases[name] for name in tested}, "test")
    wanted: dict[str, dict[tuple[int, int], None]] = {split: {} for split in predictions}
    for number, (split, (a, b), most) in enumerate(judging.shown(predictions, answer, pairs)):
        kinds = disagreements(predictions[split], a, b, most)
        # pairs other than the answer's show only the images that one side alone gets right
        for kind in kinds if number == 0 and answer["pair"] else kinds[:2]:
            wanted[split].update(dict.fromkeys(predictions[split].images(kind.rows)))
    task = {
        "do": "pictures",
        "path": str(next(iter(cases.values()))[0].path),
        "out": str(dispatcher.directory.path / PICTURES),
        "ids": {split: list(ids) for split, ids in wanted.items()},
    }
    dispatcher.pool.resize(max(1, len(dispatcher.pool.workers)))
    list(dispatcher.pool.ask([task]))


def _evaluate_on_test(dispatcher: Dispatcher, jobs: list[Job]) -> Iterator[Event]:
    """Score finished runs on the test split, unless they have test scores already."""
    waiting = {str(dispatcher.done[job.key]): job for job in jobs if not _test(dispatcher.done[job.key])}
    tasks = {path: {"do": "evaluate_on_test", "path": path} for path in waiting}
    for path, _ in post_run.each(dispatcher, tasks, lambda path: bool(_test(path)), "scored"):
        yield Evaluated(waiting[path], _test(path))


def _test(path: str | Path) -> dict[str, Any] | None:
    """The scores of a run on the test split; None if it has none."""
    scores: dict[str, Any] | None = (read_run(path).result or {}).get("test")
    return scores


def _probe(dispatcher: Dispatcher, spec: ProbeSpec) -> Iterator[Event]:
    """Probe every run of every case, on the test split if its data have one. Probes that exist are not repeated."""
    jobs = {
        str(dispatcher.done[job.key]): job
        for name in dispatcher.scheduler.cases
        for job in dispatcher.scheduler.final(name)
    }
    command = list(dispatcher.options.command)
    tasks = {
        path: {"do": "probe", "path": path, "spec": spec.model_dump(mode="json"), "command": command}
        for path in jobs
        if not _probed(path, spec)
    }
    for path, step in post_run.each(dispatcher, tasks, lambda path: _probed(path, spec), "probed"):
        yield Probing(jobs[path], step) if step else Probed(jobs[path], probes.read(probes.place(Path(path), spec)))


def _probed(path: str, spec: ProbeSpec) -> bool:
    """Whether the run was probed on the test split. (If its data have no test split, the worker finds that out.)"""
    record = probes.find(path, spec)
    return record is not None and record.result["split"] == "test"


def _probe_records(dispatcher: Dispatcher, spec: ProbeSpec) -> dict[str, list[ProbeRecord]]:
    """The probes of all runs, by case."""
    return {
        name: [probes.read(probes.place(dispatcher.done[job.key], spec)) for job in dispatcher.scheduler.final(name)]
        for name in dispatcher.scheduler.cases
    }


def _table(dispatcher: Dispatcher) -> list[dict[str, Any]]:
    return [
        selection.row(name, _runs(dispatcher, name), dispatcher.options.folder, dispatcher.scheduler.settings(name))
        for name in dispatcher.scheduler.cases
    ]


def _runs(dispatcher: Dispatcher, name: str) -> list[RunRecord]:
    return [read_run(dispatcher.done[job.key]) for job in dispatcher.scheduler.final(name)]
