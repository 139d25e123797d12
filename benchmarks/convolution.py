"""What docs/convolution.md measures and shows: its numbers and its pictures, from our own code on real MNIST.

    python benchmarks/convolution.py [epoch|equivariance|check|figures ...] [--root DIR]
                                     [--out benchmarks/results/convolution.json]

epoch         R3's CNN for one epoch with torch's convolution and with ours: how far the weights have come apart
equivariance  what a shift and a rotation of the image do to a convolution's output, and to a trained network's answer
              (on validation images; the test split is not met)
check         2 000 random configurations of every implementation, as `smallvision conv check` does it
              (benchmarks/results/conv_check.json)
figures       the pictures under docs/convolution/
Speeds are `smallvision conv bench`'s.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from smallvision import conv
from smallvision import nn as networks
from smallvision.data import load as loading
from smallvision.data.batching import samplers
from smallvision.experiment import load
from smallvision.experiment.data import DataSpec
from smallvision.inference.predict import load as load_model
from smallvision.runs import environment
from smallvision.runs.read import read_run
from smallvision.training import run

HERE = Path(__file__).parent
PICTURES = HERE.parent / "docs" / "convolution"
SHIFT = (3, 5)  # pixels down and across


def epoch(root: Path | None) -> dict:
    """One epoch of R3's CNN, by torch's convolution and by ours, in fp32 and in float64.

    All start from the same seed, so with the same initial weights, order and batches. For comparison, torch also runs
    with another number of threads and with another library: this shows how well results can agree in fp32.
    """
    arms = {
        "torch": ("torch", 2, True),
        "by hand": ("by-hand", 2, True),
        "torch, one thread": ("torch", 1, True),
        "torch without oneDNN": ("torch", 2, False),
    }
    rows = []
    for seed in range(5):
        weights, row = {}, {"seed": seed}
        for name, (kind, threads, onednn) in arms.items():
            weights[name], row[name] = one_epoch(kind, threads, onednn, seed, root)
        for name in list(arms)[1:]:
            row[name]["largest_difference"] = largest_difference(weights[name], weights["torch"])
        rows.append(row)
    exact = [float64_epoch(kind, root) for kind in ("torch", "by-hand")]
    return {
        "experiment": "mnist-cnn recipe.epochs=1 protocol.test=never",
        "rows": rows,
        "float64": largest_difference(*exact),
    }


def one_epoch(kind: str, threads: int, onednn: bool, seed: int, root: Path | None) -> tuple[dict, dict]:
    """The weights after an epoch, and what the epoch said of itself."""
    asked, said = load("mnist-cnn", ["recipe.epochs=1", "protocol.test=never", f"model.convolution={kind}"]), {}
    with tempfile.TemporaryDirectory() as folder, torch.backends.mkldnn.flags(enabled=onednn):
        path = Path(folder) / "run"
        for event in run.run(asked, run.RunOptions(path, seed, "cpu", threads, root=root), False):
            if isinstance(event, run.EpochRecord):
                said = {"loss": event.train["loss"], "accuracy": event.train["accuracy"]}
        return load_model(read_run(path)).model.state_dict(), said


def float64_epoch(kind: str, root: Path | None) -> dict:
    """The same epoch, seed 0, as a plain loop in float64.

    There, rounding is too small to decide which of two pixels is larger.
    """
    asked = load("mnist-cnn", [f"model.convolution={kind}"])
    splits, recipe = loading.load(asked.data, root), asked.recipe
    train = splits.train
    model = networks.build(
        asked.model, networks.InputSpec(train.shape, len(train.classes), splits.mean, splits.std), 0
    ).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate)
    for rows in samplers.ORDERS[recipe.order](train.labels, recipe.batch_size, False, 0, 1):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(train.pixels[rows].double() / 255), train.labels[rows]).backward()
        optimizer.step()
    return model.state_dict()


def largest_difference(a: dict, b: dict) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def moved(x: torch.Tensor) -> torch.Tensor:
    """Shifted by SHIFT; what leaves on one side would come in on the other, so the images must have an empty border."""
    return torch.roll(x, SHIFT, (2, 3))


def turned(x: torch.Tensor) -> torch.Tensor:
    """Turned by 90 degrees: exact, no pixel is interpolated."""
    return torch.rot90(x, 1, (2, 3))


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """|a - b| / |b|, Euclidean over all numbers."""
    return float((a - b).norm() / b.norm())


def equivariance(root: Path | None) -> dict:
    """100 MNIST digits on a black border, eight random 5x5 kernels, and kernels that a rotation leaves as they are."""
    digits = loading.load(DataSpec(source="mnist", validation=5000), root).validation.pixels[:100].double() / 255
    x = torch.nn.functional.pad(digits, (10, 10, 10, 10))  # (100, 1, 48, 48)
    kernels = torch.randn(8, 1, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    even = sum(torch.rot90(kernels, k, (2, 3)) for k in range(4)) / 4  # the same after a quarter turn
    y = conv.conv2d(x, kernels, padding=2)
    strided = conv.conv2d(x, kernels, padding=2, stride=2)
    even_steps = torch.roll(x, (4, 6), (2, 3))
    pooled = conv.max_pool2d(y, 2)
    maxima = conv.global_max(y)
    return {
        "digits": len(x),
        "kernels": len(kernels),
        "shift": list(SHIFT),
        "shifted: conv(T x) against T conv(x)": apart(conv.conv2d(moved(x), kernels, padding=2), moved(y)),
        "shifted: conv(T x) against conv(x)": apart(conv.conv2d(moved(x), kernels, padding=2), y),
        "stride 2, shifted by 4 and 6: against T/2": apart(
            conv.conv2d(even_steps, kernels, padding=2, stride=2), torch.roll(strided, (2, 3), (2, 3))
        ),
        "stride 2, shifted by 3 and 5: best whole shift": min(
            apart(conv.conv2d(moved(x), kernels, padding=2, stride=2), torch.roll(strided, (i, j), (2, 3)))
            for i in (1, 2)
            for j in (2, 3)
        ),
        "2x2 max pool, shifted by 3 and 5: best whole shift": min(
            apart(conv.max_pool2d(moved(y), 2), torch.roll(pooled, (i, j), (2, 3))) for i in (1, 2) for j in (2, 3)
        ),
        "global maximum, shifted": apart(conv.global_max(conv.conv2d(moved(x), kernels, padding=2)), maxima),
        "rotated: conv(R x) against R conv(x)": apart(conv.conv2d(turned(x), kernels, padding=2), turned(y)),
        "rotated: conv(R x) against conv(x)": apart(conv.conv2d(turned(x), kernels, padding=2), y),
        "rotated, global maximum": apart(conv.global_max(conv.conv2d(turned(x), kernels, padding=2)), maxima),
        "rotated, kernels that a quarter turn leaves as they are": apart(
            conv.conv2d(turned(x), even, padding=2), turned(conv.conv2d(x, even, padding=2))
        ),
        "network": network(root),
    }


def network(root: Path | None) -> dict:
    """Accuracy of a trained network on validation images that were shifted or turned, unlike its training images."""
    asked = load("mnist-cnn-fast", ["data.validation=5000", "protocol.test=never"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        for _ in run.run(asked, run.RunOptions(path, 0, "cpu", root=root), False):
            pass
        model = load_model(read_run(path)).model.eval()
    held = loading.load(asked.data, root).validation
    pixels = held.pixels.float() / 255

    def accuracy(x: torch.Tensor) -> float:
        with torch.no_grad():
            return float((model(x).argmax(1) == held.labels).double().mean())

    def shifted(n: int) -> torch.Tensor:
        padded = torch.nn.functional.pad(pixels, (n,) * 4)
        return torch.roll(padded, (0, n), (2, 3))[:, :, n : n + 28, n : n + 28]

    return {
        "experiment": "mnist-cnn-fast data.validation=5000 protocol.test=never, seed 0",
        "images": len(pixels),
        "shifted right by": {str(n): accuracy(shifted(n)) for n in (0, 1, 2, 3, 4, 6, 8)},
        "turned by": {str(90 * k): accuracy(torch.rot90(pixels, k, (2, 3))) for k in range(4)},
    }


def check(out: Path) -> None:
    from smallvision.conv.check import check as examined
    from smallvision.conv.implementations import IMPLEMENTATIONS

    rows = [{"rung": row.implementation, **asdict(row)} for row in examined(list(IMPLEMENTATIONS.values()), 2000)]
    kept = ("rung", "checked", "refused", "refusal", "worst", "share", "failures")
    out.write_text(json.dumps({"rows": [{key: row[key] for key in kept} for row in rows]}, indent=1) + "\n")


def figures(root: Path | None) -> None:
    """An input, a kernel, the patch matrix and the output; how often fold counts a pixel; shifts and rotations."""
    from smallvision.report.conv import patches as draw

    PICTURES.mkdir(exist_ok=True)
    small = np.array([[0, 0, 1, 2, 0], [0, 1, 2, 1, 0], [1, 2, 1, 0, 0], [0, 1, 2, 1, 0], [0, 0, 1, 2, 1]], dtype=float)
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=float)
    x, weight = torch.tensor(small)[None, None], torch.tensor(kernel)[None, None]
    patches = conv.unfold(x, (3, 3))[0].numpy()
    y = conv.conv2d(x, weight)[0, 0].numpy()
    save(draw.patches_figure(small, kernel, patches, y), "patches")
    counts = {}
    for stride in (1, 2, 3):
        ones = conv.unfold(torch.ones(1, 1, 7, 7), 3, stride)
        counts[f"kernel 3, stride {stride}"] = conv.fold(ones, (7, 7), 3, stride)[0, 0].numpy()
    save(draw.overlap_figure(counts), "fold")
    digit = loading.load(DataSpec(source="mnist", validation=5000), root).validation.pixels[:1].double() / 255
    x = torch.nn.functional.pad(digit, (8, 8, 8, 8))
    rows = []
    for name, change in (("shifted", moved), ("turned", turned)):
        y, after = conv.conv2d(x, weight, padding=1), conv.conv2d(change(x), weight, padding=1)
        parts = {"input": x, "moved": change(x), "output_moved": change(y), "moved_output": after}
        rows.append({"name": name, **{key: part[0, 0].numpy() for key, part in parts.items()}})
    save(draw.equivariance_figure(rows), "equivariance")


def save(figure, name: str) -> None:
    figure.savefig(PICTURES / f"{name}.png", dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "convolution.json")
    options = parser.parse_args()
    parts = options.parts or ["epoch", "equivariance", "check", "figures"]
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    if "epoch" in parts:
        found["epoch"] = epoch(options.root)
    if "equivariance" in parts:
        found["equivariance"] = equivariance(options.root)
    if "check" in parts:
        check(options.out.with_name("conv_check.json"))
    if "figures" in parts:
        figures(options.root)
    found["environment"] = environment.describe("cpu", "", torch.get_num_threads(), "fp32", True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
