"""A study directory made up after the contract, of any size, in any state, without training; with its answers and pictures."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import fake_run
import numpy as np

from smallvision.comparison.predictions import Answers
from smallvision.experiment import Study, load, study_to_toml
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.read import StudyRecord, read_study

CLASSES = ("zero", "one", "two", "three")


class Made(NamedTuple):
    record: StudyRecord
    answers: dict[str, Answers]
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
    rows = [_case(folder, answers, name, place, seeds, epochs, images) for place, name in enumerate(cases)]
    path = folder / "studies" / "fake-00000000"
    path.mkdir(parents=True)
    (path / "study.toml").write_text(study_to_toml(study), encoding="utf-8")
    jobs = [
        {"case": row["case"], "hash": row["hash"], "seed": run["seed"], "path": run["path"]}
        for row in rows
        for run in row["runs"]
    ]
    tries = [
        {
            "case": row["case"],
            "try": number,
            "seed": 0,
            "hash": "0" * 8,
            "settings": {"recipe.learning_rate": rate},
            "validation": None if number == 2 else {"accuracy": 0.8 + number / 100, "loss": 0.5},
        }
        for row in rows
        for number, rate in enumerate((0.1, 0.01, 0.001))
    ]
    if search:
        for row in rows:
            row["settings"] = {"recipe.learning_rate": 0.01}
    solved = [{"case": name, "key": "model.blocks.0.channels", "width": 81, "size": 29029} for name in cases]
    _write(
        path / "plan.json",
        {
            "workers": 2,
            "threads": 1,
            "why": "measured: 300 images/s by 2 workers of 1 thread",
            "match": solved if match else [],
            "timings": [{"workers": 2, "threads": 1, "images_per_second": 300.4, "rounds": 3}],
            "search": {"sampler": "latin hypercube" if search else None, "tries": tries if search else []},
            "jobs": jobs,
        },
    )
    _write(
        path / "state.json",
        {
            "status": "finished" if finished else "interrupted",
            "pid": 2**22 + 1,
            "heartbeat": 1.7e9,
            "started": 1.7e9,
            "finished": 1.7e9 + 60,
            "study": "00000000",
            "command": command,
            "message": "",
        },
    )
    if finished:
        chosen = list(
            pairs if pairs is not None else [(name, cases[baseline]) for name in cases if name != cases[baseline]]
        )
        found = _verdicts(answers["validation"], chosen, confound)
        if winner != baseline:
            found += _verdicts(answers["test"], [(cases[winner], cases[baseline])], confound)
        told = {
            "answer": {"sentence": found[-1]["sentence"], "pair": found[-1]["pair"], "split": found[-1]["split"]},
            "verdicts": found,
        }
        _write(
            path / "study.json",
            {
                "name": "fake",
                "hash": "00000000",
                "question": question,
                "baseline": cases[baseline],
                "pairs": [list(pair) for pair in chosen],
                "choice": {"winner": cases[winner], "by": "highest mean validation accuracy", "met_test": met},
                "table": rows,
                "commands": {"study": command, "runs": []},
                **(told if judged else {}),
            },
        )
    every = [tuple(one) for found in answers.values() for one in found.ids.tolist()]
    pictures = {(a, b): rng.integers(0, 256, (1, 8, 8), dtype=np.uint8) for a, b in every}
    return Made(read_study(path), answers if finished else {}, pictures)


def _answers(
    rng: np.random.Generator, split: str, names: Sequence[str], cases: Sequence[str], seeds: int, images: int
) -> Answers:
    labels = rng.integers(0, len(CLASSES), images)
    hard = rng.random(images)
    said = {}
    for name in names:
        right = rng.random((seeds, images)) > hard * (0.5 + 0.3 * list(cases).index(name) / len(cases))
        said[name] = np.where(right, labels, (labels + rng.integers(1, len(CLASSES), (seeds, images))) % len(CLASSES))
    ids = np.stack([np.arange(images) + (10**6 if split == "test" else 0), np.zeros(images, np.int64)], 1)
    return Answers(split, ids, labels, CLASSES, said)


def _case(
    folder: Path, answers: dict[str, Answers], name: str, place: int, seeds: int, epochs: int, images: int
) -> dict[str, Any]:
    sizes = {
        "parameters": 10_000 * (place + 1),
        "multiply_adds": 3 ** (place % 9) * 50_000,
        "bytes": 40_000 * (place + 1),
    }
    runs = []
    for seed in range(seeds):
        path = fake_run.make(
            folder / f"run{place}-s{seed}",
            epochs=epochs,
            steps_per_epoch=20,
            count=20,
            shape=(1, 8, 8),
            validation=True,
            test=False,
            seed=seed + 100 * place,
            classes=CLASSES,
        )
        result = json.loads((path / "result.json").read_text())
        run: dict[str, Any] = {"seed": seed, "path": path.name, "looks": 0}
        for split, found in answers.items():
            if name in found.predictions:
                run[split] = {"accuracy": float(found.right(name)[seed].mean()), "loss": 0.3 + place / 100}
                result[split] = {**run[split], "count": images}
                run["looks"] += split == "test"
        _write(path / "result.json", {**result, **sizes, "seconds": 3.0 + place + seed, "looks": run["looks"]})
        runs.append(run)
    return {
        "case": name,
        "hash": f"{place:08x}",
        "settings": {},
        **sizes,
        "seconds": 3.0 + place + (seeds - 1) / 2,
        "runs": runs,
    }


def _verdicts(answers: Answers, pairs: Sequence[tuple[str, str]], confound: str) -> list[dict[str, Any]]:
    judged = judge([compare_runs(answers.right(a), answers.right(b), (a, b)) for a, b in pairs])
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


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps({"format_version": 1, **value}, indent=1), encoding="utf-8")
