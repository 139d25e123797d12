"""What was tried for the fast recipes, on validation images alone: the test split is not even loaded into a score.

    python benchmarks/tune.py [NAME ...] [--root DIR]

Every try is the catalog entry with the overrides named, trained on what `data.validation` leaves, seed 0, scored on
these validation images. Writes benchmarks/results/tuning.json after each try; a try that it has is not repeated.
In the end it says which of the best tries lie at an edge of what was tried.
"""

import argparse
import json
import tempfile
from pathlib import Path

import edges

import smallvision as sv
from smallvision.tasks import task_of

RESULT = Path(__file__).parent / "results" / "tuning.json"

# A try is a list of overrides of the entry; what is not named here was set without trying others.
TRIED: dict[str, dict[str, list]] = {
    "mnist-cnn-fast": {
        "always": ["data.validation=10000"],
        "tries": [
            *(
                [f"recipe.learning_rate={rate}", f"recipe.batch_size={size}", "recipe.epochs=2"]
                for rate in (0.005, 0.01, 0.02)
                for size in (64, 128)
            ),
            ["recipe.epochs=1", "recipe.learning_rate=0.01", "recipe.batch_size=64"],
            *(
                [f"recipe.epochs={epochs}", "recipe.learning_rate=0.01", "recipe.batch_size=128"]
                for epochs in (3, 4, 6)
            ),
        ],
    },
    "mnist-cnn3-fast": {
        "always": [],
        "tries": [[f"recipe.learning_rate={rate}"] for rate in (0.0025, 0.005, 0.01, 0.02)],
    },
    "cifar10-cnn-fast": {
        "always": ["data.validation=5000"],
        "tries": [
            ["recipe.learning_rate=5e-3", "recipe.epochs=14"],
            [
                "recipe.optimizer=sgd",
                "recipe.momentum=0.9",
                "recipe.nesterov=true",
                "recipe.learning_rate=0.1",
                "recipe.weight_decay=5e-4",
                "recipe.epochs=14",
            ],
            ["recipe.learning_rate=1e-2", "recipe.epochs=14"],
            ["recipe.learning_rate=1e-2", "recipe.epochs=10"],
        ],
    },
    "fashion-cnn-fast": {
        "always": ["data.validation=5000"],
        "tries": [["recipe.learning_rate=1e-3"], ["recipe.learning_rate=3e-3"]],
    },
    "cifar10-autoencoder": {
        "always": [],
        "tries": [
            *(
                [f"model.representation={size}", "model.kernel=3", "recipe.learning_rate=2e-3"]
                for size in (10, 100, 1000)
            ),
            ["model.representation=10", "model.kernel=3", "recipe.weight_decay=0.0"],
            ["model.representation=10", "model.kernel=3", "recipe.epochs=20"],
            ["model.representation=10", "model.kernel=3", "model.normalization=batch"],
            ["model.representation=10", "model.kernel=3", "model.depth=4"],
            *([f"model.representation={size}", "model.kernel=5"] for size in (10, 32, 100)),
            ["model.representation=10", "model.kernel=7"],
            ["model.depth=1", "model.kernel=3", "recipe.learning_rate=2e-3"],
            *(
                [f"model.depth={depth}", "model.kernel=3", "recipe.learning_rate=2e-3", "recipe.epochs=6"]
                for depth in (5, 10)
            ),
        ],
    },
    "cifar10-siamese-fast": {
        "always": ["recipe.epochs=3"],
        "tries": [
            [
                "recipe.images_per_class=25",
                "model.head=distance",
                "model.normalized=true",
                "task.loss=triplet",
                "task.margin=0.2",
            ],
            ["recipe.images_per_class=25"],
            [],
        ],
    },
}


def attempt(name: str, overrides: list[str], root: Path | None) -> dict:
    """One try in a directory that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        done = sv.run(name, *overrides, "protocol.test=never", out=Path(folder) / "run", root=root)
        keys = (task_of(done.experiment).metric.key, "loss")
        return {
            "name": name,
            "experiment": done.result["experiment"],
            "overrides": overrides,
            "train": {key: done.result["train"][key] for key in keys},
            "validation": {key: done.result["validation"][key] for key in keys},
            "epochs": done.result["epochs"],
            "seconds": done.result["seconds"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--root", type=Path)
    words = parser.parse_args()
    known = json.loads(RESULT.read_text())["tries"] if RESULT.exists() else []
    for name in words.names or TRIED:
        for more in TRIED[name]["tries"]:
            overrides = [*TRIED[name]["always"], *more]
            asked = sv.show(name, *overrides, "protocol.test=never").hash()
            if not any(one["experiment"] == asked for one in known):
                known.append(attempt(name, overrides, words.root))
                RESULT.write_text(json.dumps({"format_version": 1, "tries": known}, indent=1) + "\n")
                print(f"{name} {' '.join(more)}: validation {known[-1]['validation']}", flush=True)
    for one in edges.of_tries(known):
        if not words.names or one.case in words.names:
            print(f"at an edge: {one.sentence}", flush=True)


if __name__ == "__main__":
    main()
