"""Run catalog entries with several seeds and keep what they found as a small file each.

    python benchmarks/catalog.py [NAME ...] [--seeds 1] [--root DIR]

A run that is finished already (under $SMALLVISION_RUNS or ./runs) is read, not repeated; an unfinished one goes on.
Writes benchmarks/results/catalog/NAME.json; `python benchmarks/tables.py` makes docs/results.md of them.
"""

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path

import accounts
from results import metric_in

import smallvision as sv

RESULTS = Path(__file__).parent / "results" / "catalog"

WHERE = ("smallvision", "processor", "cores", "threads", "device", "device_name", "packages")
KEPT = (
    "seed",
    "epochs",
    "seconds",
    "seconds_per_epoch",
    "images_per_second",
    "selected",
    "looks",
    "train",
    "validation",
    "test",
    "unseen",
)


def measure(name: str, seeds: int, root: Path | None) -> dict:
    """Run (or read) the seeds 0..seeds-1 of one entry."""
    runs = [sv.run(name, seed=seed, resume=True, root=root) for seed in range(seeds)]
    first = runs[0]
    environment = first.record.environment
    for run in runs:
        other = [
            f"{key}: {run.record.environment[key]}" for key in WHERE if run.record.environment[key] != environment[key]
        ]
        if other:
            sys.exit(
                f"{run.path}: was made elsewhere than {first.path} ({'; '.join(other)}); its row would not be of one "
                "machine"
            )
    account = accounts.account(first.record)
    rows = [{key: run.result[key] for key in KEPT if key in run.result} for run in runs]
    for row, run in zip(rows, runs, strict=True):
        ends = [0.0, *(epoch["seconds"] for epoch in run.metrics)]
        row["median_epoch_seconds"] = statistics.median(b - a for a, b in itertools.pairwise(ends))
        for split in ("train", "validation", "test", "unseen"):
            for key in ("per_class", "class_pairs"):
                row.get(split, {}).pop(key, None)
    return {
        "format_version": 1,
        "name": name,
        "about": first.experiment.about,
        "experiment": first.result["experiment"],
        "parameters": first.result["parameters"],
        "multiply_adds": first.result["multiply_adds"],
        "bytes": first.result["bytes"],
        "precision": first.result["precision"],
        "watched": [epoch["test"][metric_in(epoch["test"]).key] for epoch in first.metrics if "test" in epoch],
        "environment": {key: environment[key] for key in WHERE},
        "runs": rows,
        **account,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--root", type=Path)
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in asked.names or [row["name"] for row in sv.catalog() if row["kind"] == "experiment"]:
        found = measure(name, asked.seeds, asked.root)
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
        judged = metric_in(found["runs"][0]["test"])
        print(
            f"{name}: test {judged.name} {', '.join(judged.text(row['test'][judged.key]) for row in found['runs'])}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
