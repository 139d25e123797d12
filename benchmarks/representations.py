"""How long nearest neighbours, t-SNE and exact PCA take, each compared with scikit-learn where it has the same.

    python benchmarks/representations.py [--rounds 5] [--root DIR]

Nearest neighbours: 1 000 queries against 10 000 images of 1 000 features, ours (distances in doubles, from floats) and
scikit-learn's brute force, on the same floats and on doubles, in turn, in one process; also how far our distances are
from scikit-learn's on doubles, and how many neighbours differ that are not as near to within 1e-6. t-SNE: 5 000 test
images of CIFAR-10. PCA: 50 000 training images of CIFAR-10 of 3 072 values, and its distance from scikit-learn's own,
by the same covariance in doubles.

Writes benchmarks/results/representations.json. Run it on an idle machine.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from smallvision.data import load
from smallvision.experiment.data import DataSpec
from smallvision.metrics import neighbours, pca, projections
from smallvision.runs import environment
from smallvision.training import device

RESULT = Path(__file__).parent / "results" / "representations.json"
GALLERY, QUERIES, FEATURES, K = 10_000, 1_000, 1_000, 10
MAPPED = 5_000
WHERE = ("smallvision", "processor", "cores", "threads", "device", "packages")


def timed(what: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = what()
    return found, {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def nearest(rounds: int) -> dict[str, Any]:
    """Our neighbours and scikit-learn's, in turn; features are standard normal floats, seed 0."""
    draw = np.random.default_rng(0)
    gallery = draw.standard_normal((GALLERY, FEATURES)).astype(np.float32)
    queries = draw.standard_normal((QUERIES, FEATURES)).astype(np.float32)
    out: dict[str, Any] = {}
    for metric in ("euclidean", "cosine"):
        exact = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric).fit(gallery.astype(np.float64))
        wide = queries.astype(np.float64)
        there, which = exact.kneighbors(wide)
        ours, theirs, doubles = [], [], []
        for _ in range(rounds):
            (apart, places), one = timed(lambda metric=metric: neighbours.nearest(queries, gallery, K, metric))
            fitted = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric).fit(gallery)
            _, other = timed(lambda fitted=fitted: fitted.kneighbors(queries))
            _, third = timed(lambda exact=exact, wide=wide: exact.kneighbors(wide))
            ours.append(one)
            theirs.append(other)
            doubles.append(third)
        differ = (places != which) & (np.abs(apart - there) > 1e-6)
        out[metric] = {
            "ours": ours,
            "scikit-learn": theirs,
            "scikit-learn on doubles": doubles,
            "largest_difference": float(np.abs(apart - there).max()),
            "other_neighbours": int(differ.sum()),
        }
    return out


def decomposed(train: torch.Tensor, rounds: int) -> dict[str, Any]:
    """Exact PCA of all training images, and how far its variances are from scikit-learn's."""
    found, times = None, []
    for _ in range(rounds):
        found, one = timed(lambda: pca.fit(train))
        times.append(one)
    rows = train.flatten(1).numpy().astype(np.float64) / 255
    theirs, full = timed(lambda: PCA(svd_solver="covariance_eigh").fit(rows))
    ours = found.variances.numpy()
    apart = np.abs(ours - theirs.explained_variance_) / theirs.explained_variance_.max()
    return {"ours": times, "scikit-learn": [full], "largest_difference": float(apart.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--root", type=Path)
    words = parser.parse_args()
    where = device.resolve("cpu")
    threads = device.settle(where, None, "fp32", True)
    described = environment.describe("cpu", device.name_of(where), threads, "fp32", True)
    splits = load.load(DataSpec(source="cifar10", normalize="none"), words.root)
    assert splits.test is not None
    found: dict[str, Any] = {"format_version": 1, "rounds": words.rounds, "nearest": nearest(words.rounds)}
    print(json.dumps(found["nearest"]), file=sys.stderr)
    some = splits.test.pixels[:MAPPED].flatten(1).numpy().astype(np.float32) / np.float32(255)
    found["tsne"] = [timed(lambda: projections.project("tsne", some))[1] for _ in range(min(words.rounds, 3))]
    found["pca"] = decomposed(splits.train.pixels, min(words.rounds, 3))
    found["environment"] = {key: described[key] for key in WHERE}
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    for name, one in found["nearest"].items():
        both = [statistics.median(turn["seconds"] for turn in one[arm]) for arm in ("ours", "scikit-learn")]
        print(f"{name}: {both[0]:.2f} s, scikit-learn {both[1]:.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
