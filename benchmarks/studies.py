"""Run the catalog's studies and keep what each found as a small file.

    python benchmarks/studies.py [NAME ...] [--root DIR]

What is finished already (under $SMALLVISION_RUNS or ./runs) is read, not repeated; an unfinished study goes on.
Writes benchmarks/results/studies/NAME.json; `python benchmarks/tables.py` makes docs/results.md and docs/comparing.md of them.

Beside what the study says, each comparison is made once more as if every case had been run once: the verdict for the first
seeds alone, the second alone, and so on ("singles"), which shows what one run a side would have told.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import smallvision as sv
from smallvision.disagreements import disagreements
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.record import StudyRecord

RESULTS = Path(__file__).parent / "results" / "studies"
WHERE = ("smallvision", "processor", "cores", "threads", "device", "packages")
KEPT = ("case", "hash", "settings", "parameters", "multiply_adds", "bytes", "seconds", "validation", "test")


def measure(name: str, root: Path | None) -> dict[str, Any]:
    """Run (or read) one study."""
    record = sv.run(name, root=root)
    result = record.result
    runs = {row["case"]: record.runs(row["case"]) for row in record.table}
    environment = next(iter(runs.values()))[0].environment
    for case, some in runs.items():
        for run in some:
            other = [f"{key}: {run.environment[key]}" for key in WHERE if run.environment[key] != environment[key]]
            if other:
                sys.exit(f"{run.path}: was made elsewhere than the study's first run ({'; '.join(other)}, case {case})")
    return {
        "format_version": 1,
        "name": name,
        "hash": result["hash"],
        "question": result["question"],
        "baseline": result["baseline"],
        "choice": result["choice"],
        "answer": result["answer"],
        "verdicts": result["verdicts"],
        "singles": singles(record),
        "disagreements": counted(record),
        "table": [row(one, runs[one["case"]]) for one in record.table],
        "plan": {key: record.plan[key] for key in ("workers", "threads", "why", "match", "search")},
        "environment": {key: environment[key] for key in WHERE},
    }


def row(case: dict[str, Any], runs: list[Any]) -> dict[str, Any]:
    """A case of the table, with every run's scores, and accuracy by size of image where there are several."""
    scores = [
        {"seed": run.result["seed"], "looks": run.result["looks"], "epochs": run.result["epochs"],
         **{split: run.result[split]["accuracy"] for split in ("train", "validation", "test") if run.result.get(split)}}
        for run in runs
    ]  # fmt: skip
    sizes = [(run.result.get("test") or run.result["validation"]).get("by_size") for run in runs]
    by_size = [[{"size": one["largest"], "accuracy": one["accuracy"]} for one in some] for some in sizes if some]
    return {**{key: case[key] for key in KEPT if key in case}, "runs": scores, **({"by_size": by_size} if by_size else {})}


def singles(record: StudyRecord) -> list[dict[str, Any]]:
    """For every comparison declared, on validation images, the verdict of each seed's two networks alone."""
    answers = record.answers()["validation"]
    out = []
    for one in record.verdicts:
        if one["split"] == "validation":
            a, b = one["pair"]
            for place, seed in enumerate(record.study.seeds):
                (found,) = judge([compare_runs(answers.right(a)[place], answers.right(b)[place], (a, b))])
                kept = {key: asdict(found)[key] for key in ("accuracies", "difference", "p", "verdict", "only_right")}
                out.append({"pair": [a, b], "seed": seed, **kept, "sentence": found.sentence})
    return out


def counted(record: StudyRecord) -> list[dict[str, Any]]:
    """How many images of each kind the compared cases disagree on."""
    answers = record.answers()
    return [
        {"pair": one["pair"], "split": one["split"], "images": len(answers[one["split"]].labels),
         "kinds": {kind.title: kind.total for kind in disagreements(answers[one["split"]], *one["pair"])}}
        for one in record.verdicts
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--root", type=Path)
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in asked.names or [row["name"] for row in sv.catalog() if row["kind"] == "study"]:
        found = measure(name, asked.root)
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name}: {found['answer']['sentence']}", file=sys.stderr)


if __name__ == "__main__":
    main()
