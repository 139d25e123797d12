"""Is a study faster than its runs one by one? Eight small runs in four ways, in turn, on an otherwise idle machine.

    python benchmarks/study.py [--turns 3] [--root DIR]

one by one      eight `smallvision run` commands in a row, as many threads as torch takes; each also writes its report
study           one `smallvision run STUDY`, the split of the machine measured by itself
one at a time   the same study with --workers 1: all threads for one run, torch loaded once
all cores       the same study with as many workers as cores, one thread each

Writes benchmarks/results/study.json: seconds of every turn, their medians, and the paired ratios to the study.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from smallvision.experiment import load_study, to_toml
from smallvision.runs import environment
from smallvision.study.plan.cases import expand
from smallvision.study.read import read_study

RESULT = Path(__file__).parent / "results" / "study.json"
STUDIES = {
    "digits-smoke": ["digits-smoke", "seeds=4", "set.recipe.epochs=10"],
    "mnist small": ["mnist-small"],
}
MNIST = """
name = "mnist-small"
question = "R3's two networks on a tenth of MNIST"
base = "mnist-cnn"
seeds = 4
[set]
"data.limit" = 6000
"data.validation" = 1000
"recipe.epochs" = 2
[[case]]
name = "cnn"
[[case]]
name = "mlp"
set = { model = { kind = "mlp", widths = [128] } }
"""


def seconds(words: list[str], runs: Path, root: list[str]) -> float:
    """How long a command takes, with its runs in a folder of their own."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "smallvision", *words, *root],
        env={**os.environ, "SMALLVISION_RUNS": str(runs)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def one_by_one(study: list[str], folder: Path, root: list[str]) -> float:
    asked = load_study(study[0], study[1:])
    total = 0.0
    for case, experiment in expand(asked).cases.items():
        file = folder / f"{case}.toml"
        file.write_text(to_toml(experiment))
        total += sum(seconds(["run", str(file), "--seed", str(seed)], folder / "runs", root) for seed in asked.seeds)
    return total


def measure(study: list[str], root: list[str]) -> tuple[dict[str, float], str]:
    """Seconds of each way, and the split that the study chose."""
    cores = str(len(os.sched_getaffinity(0)))
    ways = {"study": [], "one at a time": ["--workers", "1"], "all cores": ["--workers", cores]}
    found = {}
    with tempfile.TemporaryDirectory() as name:
        found["one by one"] = one_by_one(study, Path(name), root)
    for way, more in ways.items():
        with tempfile.TemporaryDirectory() as name:
            found[way] = seconds(["run", *study, *more], Path(name), root)
            if way == "study":
                (path,) = (Path(name) / "studies").iterdir()
                plan = read_study(path).plan
                split = f"{plan['workers']} x {plan['threads']}"
    return found, split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--root", type=Path, help="where the data sets are; digits alone without it or $SMALLVISION_DATA"
    )
    asked = parser.parse_args()
    root = ["--root", str(asked.root)] if asked.root else []
    out = {"format_version": 1, "processor": environment.processor(), "cores": os.cpu_count(), "studies": {}}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "mnist-small.toml"
        file.write_text(MNIST)
        for title, study in STUDIES.items():
            if title != "digits-smoke" and not (asked.root or os.environ.get("SMALLVISION_DATA")):
                continue
            words = [str(file)] if study == ["mnist-small"] else study
            turns = [measure(words, root) for _ in range(asked.turns)]
            rows = {way: [turn[way] for turn, _ in turns] for way in turns[0][0]}
            ratios = {way: statistics.median(turn[way] / turn["study"] for turn, _ in turns) for way in rows}
            medians = {way: statistics.median(times) for way, times in rows.items()}
            out["studies"][title] = {
                "seconds": rows,
                "median": medians,
                "to_study": ratios,
                "splits": [split for _, split in turns],
            }
            print(title, {way: f"{medians[way]:.1f} s, {ratios[way]:.2f} x the study" for way in rows}, file=sys.stderr)
    RESULT.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
