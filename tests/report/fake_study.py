"""A study directory of any size, in any state, that is made without training.

Its numbers are made up here; its files are written by the product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import fake_run
import numpy as np

from smallvision.comparison.predictions import AlignedPredictions
from smallvision.experiment import Study, load
from smallvision.runs.read import RunRecord, read_run
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study import directory, selection
from smallvision.study.directory import StudyDirectory
from smallvision.study.plan import jobs as plan
from smallvision.study.plan.jobs import Job
from smallvision.study.read import StudyRecord, read_study

CLASSES = ("zero", "one", "two", "three")


class Made(NamedTuple):
    record: StudyRecord
    answers: dict[str, AlignedPredictions]
    pictures: dict[tuple[int, int], np.ndarray]


def make(
    folder: Path,
    cases: Sequence[str] = ("cnn", "mlp", "mlp, wide"),
    *,
    seeds: int = 2,
    images: int = 120,
    pairs: Sequence[tuple[str, str]] | None = None,
    winner: int = 0,
    baseline: int = 1,
    finished: bool = True,
    judged: bool = True,
    confound: str = "",
    search: bool = False,
    match: bool = False,
    epochs: int = 3,
    question: str = "Which is better?",
    command: str = "smallvision run fake",
) -> Made:
    """Write study and runs under `folder`; the cases' accuracies fall from the first to the last."""
    rng = np.random.default_rng(len(cases))
    table: dict[str, Any] = {
        "name": "fake",
        "question": question,
        "base": load("digits"),
        "seeds": seeds,
        "baseline": cases[baseline],
        "case": [{"name": name, "set": {"recipe.epochs": 2 + i}} for i, name in enumerate(cases)],
    }
    if search:
        table["search"] = {"tries": 3, "recipe.learning_rate": [0.1, 0.01, 0.001]}
    if match:
        table["match"] = {"parameters": 29066, "vary": "model.blocks.0.channels"}
    study = Study.model_validate(table)
    met = list(dict.fromkeys((cases[winner], cases[baseline])))
    answers = {
        split: _answers(rng, split, names, cases, seeds, images)
        for split, names in (("validation", cases), ("test", met))
    }
    runs = {name: _runs(folder, answers, name, place, seeds, epochs, images) for place, name in enumerate(cases)}
    settings = {"recipe.learning_rate": 0.01} if search else {}
    rows = [selection.row(name, records, folder, settings) for name, records in runs.items()]
    tries = [
        {
            "case": name,
            "try": number,
            "seed": 0,
            "hash": "0" * 8,
            "settings": {"recipe.learning_rate": rate},
            "validation": None if number == 2 else {"accuracy": 0.8 + number / 100, "loss": 0.5},
        }
        for name in cases
        for number, rate in enumerate((0.1, 0.01, 0.001))
    ]
    solved = [{"case": name, "key": "model.blocks.0.channels", "width": 81, "size": 29029} for name in cases]
    planned = {
        "workers": 2,
        "threads": 1,
        "why": "measured: 300 images/s by 2 workers of 1 thread",
        "match": solved if match else [],
        "timings": [{"workers": 2, "threads": 1, "images_per_second": 300.4, "rounds": 3}],
        "search": {"sampler": "latin hypercube" if search else None, "tries": tries if search else []},
        "jobs": jobs(folder, runs),
    }
    found: dict[str, Any] | None = None
    if finished:
        chosen = list(
            pairs if pairs is not None else [(name, cases[baseline]) for name in cases if name != cases[baseline]]
        )
        judged_ = _verdicts(answers["validation"], chosen, confound)
        if winner != baseline:
            judged_ += _verdicts(answers["test"], [(cases[winner], cases[baseline])], confound)
        answer = {key: judged_[-1][key] for key in ("sentence", "pair", "split")}
        found = {
            "name": "fake",
            "hash": study.hash(),
            "question": question,
            "baseline": cases[baseline],
            "pairs": [list(pair) for pair in chosen],
            "choice": {"winner": cases[winner], "by": "highest mean validation accuracy", "met_test": met},
            "table": rows,
            "commands": {"study": command, "runs": []},
            **({"answer": answer, "verdicts": judged_} if judged else {}),
        }
    path = write(folder, study, planned, command, found)
    every = [tuple(one) for found in answers.values() for one in found.ids.tolist()]
    pictures = {(a, b): rng.integers(0, 256, (1, 8, 8), dtype=np.uint8) for a, b in every}
    return Made(read_study(path), answers if finished else {}, pictures)


def _answers(
    rng: np.random.Generator, split: str, names: Sequence[str], cases: Sequence[str], seeds: int, images: int
) -> AlignedPredictions:
    labels = rng.integers(0, len(CLASSES), images)
    hard = rng.random(images)
    said = {}
    for name in names:
        right = rng.random((seeds, images)) > hard * (0.5 + 0.3 * list(cases).index(name) / len(cases))
        said[name] = np.where(right, labels, (labels + rng.integers(1, len(CLASSES), (seeds, images))) % len(CLASSES))
    ids = np.stack([np.arange(images) + (10**6 if split == "test" else 0), np.zeros(images, np.int64)], 1)
    return AlignedPredictions(split, ids, labels, CLASSES, said)


def jobs(folder: Path, runs: Mapping[str, Sequence[RunRecord]]) -> list[dict[str, Any]]:
    """What plan.json says of these runs of each case."""
    every = [
        (Job(name, record.experiment, record.state["seed"]), record.path)
        for name, records in runs.items()
        for record in records
    ]
    return [plan.entry(job, folder, {job.key: path}) for job, path in every]


def write(folder: Path, study: Study, planned: dict[str, Any], command: str, found: dict[str, Any] | None) -> Path:
    """A study directory in `folder`, which is finished if something was found."""
    book = StudyDirectory.create(directory.place(study, folder), study, planned, command)
    if found is None:
        book.note(status="interrupted", started=1.7e9)
    else:
        book.finish(found, status="finished", message="", started=1.7e9, finished=1.7e9 + 60)
    book.close()
    return book.path


def _runs(
    folder: Path, answers: dict[str, AlignedPredictions], name: str, place: int, seeds: int, epochs: int, images: int
) -> list[RunRecord]:
    """The runs of a case, their scores those of the answers."""
    sizes = {
        "parameters": 10_000 * (place + 1),
        "multiply_adds": 3 ** (place % 9) * 50_000,
        "parameter_bytes": 40_000 * (place + 1),
    }
    out = []
    for seed in range(seeds):
        scored = {
            split: {"accuracy": float(found.correct(name)[seed].mean()), "loss": 0.3 + place / 100, "count": images}
            for split, found in answers.items()
            if name in found.predictions
        }
        says = {
            "train": {"loss": 0.0321, "accuracy": 0.99, "count": 60000},
            **scored,
            "seconds": 3.0 + place + seed,
            "looks": int("test" in scored),
        }
        path = fake_run.make(
            folder / f"run{place}-s{seed}",
            epochs=epochs,
            planned=epochs + place,
            steps_per_epoch=20,
            count=20,
            shape=(1, 8, 8),
            validation=True,
            test=False,
            seed=seed,
            draw=seed + 100 * place,
            classes=CLASSES,
            totals=sizes,
            result=says,
        )
        out.append(read_run(path))
    return out


def _verdicts(answers: AlignedPredictions, pairs: Sequence[tuple[str, str]], confound: str) -> list[dict[str, Any]]:
    judged = judge([compare_runs(answers.correct(a), answers.correct(b), (a, b)) for a, b in pairs])
    return [
        {
            **asdict(one),
            "pair": list(pair),
            "split": answers.split,
            "sentence": one.sentence,
            "differing": ["recipe.epochs: 2 against 3"],
            "confound": confound,
        }
        for pair, one in zip(pairs, judged, strict=True)
    ]
