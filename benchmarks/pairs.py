"""How long a verifier takes to score 100 000 pairs whose images are encoded already.

    python benchmarks/pairs.py [--rounds 7]

10 000 images with representations of 64 and of 1 000 values (standard normal floats, seed 0), balanced pairs; a head of
the distance, Euclidean or cosine, and a dense one of 128 hidden units; the arms take turns in one process. "judged" is
the time for the distance and the head's score of every pair, "figures" the time for the calibrated probabilities,
accuracy, AUC, equal error rate, true accepts and calibration error of them.

Writes benchmarks/results/pairs.json. Run it on an idle machine.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallvision.data import pairs as drawn
from smallvision.experiment import build
from smallvision.metrics import calibration, verification
from smallvision.nn import InputSpec
from smallvision.nn import build as network
from smallvision.runs import environment
from smallvision.tasks.verification.pairs import judged
from smallvision.training import device

RESULT = Path(__file__).parent / "results" / "pairs.json"
IMAGES, PAIRS = 10_000, 100_000
ARMS = {"Euclidean distance": {}, "cosine distance": {"distance": "cosine"}, "dense head": {"head": "dense"}}
WHERE = ("smallvision", "processor", "cores", "threads", "device", "device_name", "packages")


def verifier(features: int, more: dict[str, Any]) -> torch.nn.Module:
    """A siamese network whose representation has so many values."""
    encoder = {"experiment": "any", "model": {"kind": "mlp", "widths": [features]}}
    asked = build(
        {
            "name": "any",
            "data": {"source": "digits", "validation": 0.1},
            "task": {"kind": "verify"},
            "model": {"kind": "siamese", "encoder": encoder, "weights": "fresh", **more},
            "recipe": {"order": "classes", "classes_per_batch": 10, "images_per_class": 2},
        },
        "any",
    )
    return network(asked.model, InputSpec((1, 8, 8), 10, (0.5,), (0.5,)), seed=0)


def once(model: torch.nn.Module, made: torch.Tensor, which: np.ndarray, same: np.ndarray) -> dict[str, float]:
    """Seconds, and CPU seconds, of one scoring."""
    began, spent = time.perf_counter(), time.process_time()
    scores, _ = judged(model, made, which)
    between = time.perf_counter()
    likely = calibration.Calibration(1.0, 0.0).probability(scores)
    verification.measure(likely, same, 0.5), calibration.reliability(likely, same)
    ended = time.perf_counter()
    return {"judged": between - began, "figures": ended - between, "cpu_seconds": time.process_time() - spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    where = torch.device("cpu")
    threads = device.settle(where, None, "fp32", True)
    labels = np.arange(IMAGES) % 10
    which, same = drawn.balanced(labels, PAIRS, 2 * PAIRS // IMAGES, 0, [str(k) for k in range(10)])
    found = []
    for features in (64, 1000):
        made = torch.from_numpy(np.random.default_rng(0).standard_normal((IMAGES, features)).astype(np.float32))
        models = {name: verifier(features, more) for name, more in ARMS.items()}
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
        for turn in range(rounds + 1):
            for name, model in models.items():
                seconds = once(model, made, which, same)
                if turn:  # the first warms up
                    turns[name].append(seconds)
        for name, some in turns.items():
            found.append(
                {
                    "head": name,
                    "features": features,
                    **{key: statistics.median(one[key] for one in some) for key in some[0]},
                    "rounds": rounds,
                }
            )
            print({key: round(value, 3) if isinstance(value, float) else value for key, value in found[-1].items()})
    environment_now = environment.describe("cpu", device.name_of(where), threads, "fp32", True)
    kept = {
        "format_version": 1,
        "images": IMAGES,
        "pairs": PAIRS,
        "arms": found,
        "environment": {key: environment_now[key] for key in WHERE},
    }
    RESULT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
