"""Run the catalog's studies and keep what each found as a small file.

    python benchmarks/studies.py [NAME ...] [--root DIR]

What is finished already (under $SMALLVISION_RUNS or ./runs) is read, not repeated; an unfinished study goes on.
Writes benchmarks/results/studies/NAME.json; `python benchmarks/tables.py` makes docs/results/NAME.md, its figure and
docs/comparing.md of them.

Each comparison of the study is also made once more as if every case had been run once: the verdict for the first seeds
alone, the second alone, and so on ("singles"), which shows what a single run of each case would have said. Cases are
judged by their task's own metric (src/smallvision/metrics/metric.py): accuracy; of autoencoders the mean squared error,
with PCA's for comparison; of verifiers the accuracy on pairs, with their other figures.
"""

import argparse
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import accounts
from results import metric_in

import smallvision as sv
from smallvision.comparison.disagreements import disagreements
from smallvision.comparison.predictions import AlignedPredictions
from smallvision.runs.read import RunRecord
from smallvision.stats.comparison import Comparison
from smallvision.stats.verdict import compare_runs, compare_values, judge
from smallvision.study.read import StudyRecord

RESULTS = Path(__file__).parent / "results" / "studies"
WHERE = ("smallvision", "processor", "cores", "threads", "device", "device_name", "packages")
BESIDE = {
    "mse": ("psnr", "ssim", "noisy_mse"),
    "pair_accuracy": ("auc", "equal_error", "true_accept_1", "calibration_error", "precision_at_1", "effective_rank"),
}
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
        "name": record.study.name,
        "hash": result["hash"],
        "question": result["question"],
        "baseline": result["baseline"],
        "choice": result["choice"],
        **({"edges": record.edges} if record.study.search else {}),
        "answer": result["answer"],
        "verdicts": result["verdicts"],
        "singles": singles(record),
        "disagreements": counted(record),
        **accounts.account(runs[result["choice"]["winner"]][0]),
        **of_probes(record),
        "table": [row(one, runs[one["case"]]) for one in record.table],
        "plan": {key: record.plan[key] for key in ("workers", "threads", "why", "match", "search")},
        "environment": {key: environment[key] for key in WHERE},
    }


def row(case: dict[str, Any], runs: list[RunRecord]) -> dict[str, Any]:
    """A case of the table: every run's scores, the figures shown with them, and accuracy by image size if it varies."""
    key = metric_in(case["validation"]).key
    scores = [
        {
            "seed": run.result["seed"],
            "looks": run.result["looks"],
            "epochs": run.result["epochs"],
            **{split: run.result[split][key] for split in ("train", "validation", "test") if run.result.get(split)},
        }
        for run in runs
    ]
    sizes = [(run.result.get("test") or run.result["validation"]).get("by_size") for run in runs]
    by_size = [[{"size": one["largest"], "accuracy": one["accuracy"]} for one in some] for some in sizes if some]
    kept = {
        **{key: case[key] for key in KEPT if key in case},
        "runs": scores,
        **({"by_size": by_size} if by_size else {}),
    }
    return {**kept, **beside(runs, BESIDE[key])} if key in BESIDE else kept


def beside(runs: list[RunRecord], keys: tuple[str, ...]) -> dict[str, Any]:
    """What is told of a case beside its score: means over the runs, and of autoencoders PCA with as many components."""
    results = [run.result or {} for run in runs]
    found: dict[str, Any] = {}
    for split in ("validation", "test"):
        scores = [result[split] for result in results if result.get(split)]
        if scores and len(scores) == len(results):
            there = [key for key in keys if all(key in one for one in scores)]
            found[split] = {key: statistics.fmean(one[key] for one in scores) for key in there}
            if "pca" in scores[0]:  # the same for every seed: it is fitted, not trained
                found[split]["pca"] = scores[0]["pca"]
    return {"seconds_per_epoch": statistics.fmean(result["seconds_per_epoch"] for result in results), "beside": found}


def singles(record: StudyRecord) -> list[dict[str, Any]]:
    """For every comparison declared, on validation images, the verdict of each seed's two networks alone."""
    found = record.answers()
    if not found:
        return []
    answers, out = found["validation"], []
    for one in record.verdicts:
        if one["split"] == "validation":
            a, b = one["pair"]
            for place, seed in enumerate(record.study.seeds):
                (judged,) = judge([one_a_side(answers, a, b, place)])
                kept = {key: asdict(judged)[key] for key in ("accuracies", "difference", "p", "verdict", "only_right")}
                out.append({"pair": [a, b], "seed": seed, **kept, "sentence": judged.sentence})
    return out


def one_a_side(answers: AlignedPredictions, a: str, b: str, place: int) -> Comparison:
    """Two networks, one of each case."""
    if answers.values is None:
        return compare_runs(answers.correct(a)[place], answers.correct(b)[place], (a, b))
    return compare_values(answers.values[a][place], answers.values[b][place], answers.metric, (a, b))


def of_probes(record: StudyRecord) -> dict[str, Any]:
    """What the study's probes found.

    For every case, the mean accuracy over its runs of every probe on every source of features; and the verdicts.
    """
    if record.study.probe is None:
        return {}
    cases = {}
    for case, records in record.probes().items():
        sources = []
        for place, source in enumerate(records[0].result["sources"]):
            every = [
                [one.result["sources"][place]["probes"][number] for one in records]
                for number in range(len(source["probes"]))
            ]
            scores = {
                some[0]["kind"]: {
                    "accuracy": statistics.fmean(one["accuracy"] for one in some),
                    "accuracy_sd": statistics.stdev(one["accuracy"] for one in some) if some[1:] else None,
                    "macro_f1": statistics.fmean(one["macro_f1"] for one in some),
                }
                for some in every
            }
            sources.append(
                {
                    "name": source["name"],
                    "size": source["size"],
                    "probes": scores,
                    "nearest_8": statistics.fmean(one.result["sources"][place]["precision"]["8"] for one in records),
                }
            )
        first = records[0].result
        cases[case] = {
            "split": first["split"],
            "counts": first["counts"],
            "chosen_on": first["chosen_on"],
            "sources": sources,
            "effective_rank": statistics.fmean(one.result["dimensions"]["effective_rank"] for one in records),
        }
    return {"probes": cases, "probe_verdicts": record.probe_verdicts}


def counted(record: StudyRecord) -> list[dict[str, Any]]:
    """How many images of each kind the compared cases disagree on."""
    answers = record.answers()
    return [
        {
            "pair": one["pair"],
            "split": one["split"],
            "images": len(answers[one["split"]].labels),
            "kinds": {kind.title: kind.total for kind in disagreements(answers[one["split"]], *one["pair"])},
        }
        for one in record.verdicts
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--root", type=Path)
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in asked.names or [row["name"] for row in sv.catalog() if row["kind"] == "study"]:
        found = measure(name, asked.root)
        (RESULTS / f"{found['name']}.json").write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name}: {found['answer']['sentence']}", file=sys.stderr)


if __name__ == "__main__":
    main()
