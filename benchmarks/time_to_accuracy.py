"""Seconds to the accuracy that a reference reports: its own recipe in the plain loop, against our fast recipe.

    python benchmarks/time_to_accuracy.py [CASE ...] [--seeds 5] [--root DIR] [--runs DIR]
                                          [--out benchmarks/results/time_to_accuracy.json]

The reference's time is extrapolated, not run to the end: microseconds an image of the plain loop (the median of arm
"loop" in benchmarks/results/throughput.json, measured before on the same machine) times the images its recipe needs:
the epochs up to the first one at which its watched test curve (benchmarks/results/catalog) reaches the target, all of
them if none does. Our time is that of whole runs, each in a process of its own: training alone, and the process from
its start to the written report. They stay in --runs, so that benchmarks/catalog.py can read the same ones
(SMALLVISION_RUNS=DIR) and the test split is not met twice. The target counts as reached when the mean test accuracy
over all seeds is at least the target.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from smallvision.experiment import load
from smallvision.runs import environment, paths
from smallvision.training import device

RESULTS = Path(__file__).parent / "results"

CASES = {
    # The reported 98.46 % is the target for R3. R5's 76 % was on the original images: there the target is what the
    # reference recipe reaches on the copy at hand.
    "mnist-cnn": {"fast": "mnist-cnn-fast", "target": 0.9846, "images": 60_000},
    "cifar10-cnn": {"fast": "cifar10-cnn-fast", "target": None, "images": 50_000},
}


def reference(case: str, target: float | None, images: int) -> dict:
    """What the reference's recipe takes in the plain loop, extrapolated."""
    known = json.loads((RESULTS / "catalog" / f"{case}.json").read_text())
    # The accuracy is that of the run whose curve is watched.
    reached = target if target is not None else known["runs"][0]["test"]["accuracy"]
    hits = [epoch for epoch, accuracy in enumerate(known["watched"], 1) if accuracy >= reached]
    epochs = hits[0] if hits else known["runs"][0]["epochs"]
    loop = json.loads((RESULTS / "throughput.json").read_text())["cases"][case]
    workers, timed = loop["workers"], [one["wall"] for one in loop["rounds"]["loop fp32"]]
    microseconds = statistics.median(timed)
    return {
        "target": reached,
        "epochs": epochs,
        "reached": bool(hits),
        "workers": workers,
        "microseconds_an_image": timed,
        "seconds": microseconds * images * epochs / 1e6,
    }


def ours(name: str, seeds: int, root: Path | None, runs: Path) -> list[dict]:
    """Whole runs of the fast recipe, each in a process and a directory of its own."""
    rows = []
    for seed in range(seeds):
        out = paths.place(load(name), seed, None, runs)
        if out.exists():
            sys.exit(f"{out}: there already, so its time cannot be measured; give another --runs")
        command = [sys.executable, "-m", "smallvision", "run", name, "--seed", str(seed), "--quiet"]
        began = time.perf_counter()
        variables = {**os.environ, "SMALLVISION_RUNS": str(runs)}
        subprocess.run(
            [*command, *(["--root", str(root)] if root else [])], check=True, stdout=subprocess.DEVNULL, env=variables
        )
        whole = time.perf_counter() - began
        result = json.loads((out / "result.json").read_text())
        rows.append(
            {"seed": seed, "accuracy": result["test"]["accuracy"], "seconds": result["seconds"], "whole_seconds": whole}
        )
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "time_to_accuracy.json")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    asked = parser.parse_args()

    here = environment.describe(
        "cpu", device.name_of(torch.device("cpu")), torch.get_num_threads(), "as each recipe says", True
    )
    before = json.loads(asked.out.read_text())["cases"] if asked.cases and asked.out.exists() else {}
    found: dict = {"format_version": 1, "environment": here, "cases": before}
    for case in asked.cases or CASES:
        what = CASES[case]
        slow = reference(case, what["target"], what["images"])
        rows = ours(what["fast"], asked.seeds, asked.root, asked.runs)
        accuracies = [row["accuracy"] for row in rows]
        seconds, whole = (statistics.fmean(row[key] for row in rows) for key in ("seconds", "whole_seconds"))
        found["cases"][case] = {
            "reference": slow,
            "fast": what["fast"],
            "runs": rows,
            "accuracy_mean": statistics.fmean(accuracies),
            "accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
            "seconds_mean": seconds,
            "whole_seconds_mean": whole,
            "reached": statistics.fmean(accuracies) >= slow["target"],
            "times_sooner": slow["seconds"] / seconds,
            "times_sooner_whole": slow["seconds"] / whole,
        }
        print(json.dumps({key: value for key, value in found["cases"][case].items() if key != "runs"}, indent=1))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
