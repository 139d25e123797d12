"""What do images of several sizes cost? R4.15's network (16-32-81) is trained on MNIST digits at several sizes.

    python benchmarks/resolution.py [--rounds 7] [--seconds 4] [--root DIR]

Arms, in turn in every round, with the same digits and batches of 16: all at 28, all at 64; 32, 48 and 64, one size a
batch (R4.12); and heights and widths drawn one by one from 24 to 64, so that nearly every image has a size of its own
(R4.14): in buckets, padded and masked; all padded to the largest; and one size a batch, which is nearly one image a
batch.

Writes benchmarks/results/resolution.json: images a second of every round, medians, and how much of what is computed is
padding. Run it on an idle machine.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from smallvision import nn
from smallvision.data import load as loading
from smallvision.data.batching import buckets, samplers
from smallvision.data.batching.batch import epoch as epoch_batches
from smallvision.data.imageset import ImageSet
from smallvision.experiment import load, load_study
from smallvision.runs import environment
from smallvision.tasks.classification.learn import ClassificationLearner
from smallvision.training import device

RESULT = Path(__file__).parent / "results" / "resolution.json"
DIGITS, BATCH = 6000, 16
WHERE = ("smallvision", "processor", "cores", "threads", "device", "packages")


def resized(plain: ImageSet, sizes: Tensor) -> ImageSet:
    """The digits, each at its own (H, W) of sizes (N, 2), one group for each size."""
    distinct, which = torch.unique(sizes, dim=0, return_inverse=True)
    groups, order = [], torch.argsort(which, stable=True)
    for number, (height, width) in enumerate(distinct.tolist()):
        pixels = plain.pixels[which == number].float()
        groups.append(F.interpolate(pixels, (height, width), mode="bilinear").round().byte())
    return replace(plain, groups=tuple(groups), labels=plain.labels[order], ids=plain.ids[order])


def arms(plain: ImageSet) -> dict[str, tuple[ImageSet, Tensor | None]]:
    """Name -> (images, which of them may share a batch)."""
    draw = torch.Generator().manual_seed(0)
    count = len(plain)
    three = resized(plain, torch.tensor([32, 48, 64])[torch.randint(3, (count, 1), generator=draw)].expand(count, 2))
    own = resized(plain, torch.randint(24, 65, (count, 2), generator=draw))
    each = torch.arange(len(own.groups)).repeat_interleave(torch.tensor([len(group) for group in own.groups]))
    return {
        "all at 28": (resized(plain, torch.full((count, 2), 28)), None),
        "all at 64": (resized(plain, torch.full((count, 2), 64)), None),
        "32, 48 and 64, one size a batch": (three, buckets.assign(three, BATCH)),
        "own sizes, in buckets, masked": (own, buckets.assign(own, BATCH)),
        "own sizes, all padded to the largest": (own, torch.zeros(count, dtype=torch.int64)),
        "own sizes, one size a batch": (own, each),
    }


def steps(some: ImageSet, parts: Tensor | None) -> Iterator[int]:
    """Train for ever; yields the images of each step."""
    network = load_study("mnist-resolution").base
    task = ClassificationLearner(load("mnist-cnn3").task)
    model = nn.build(network.model, nn.InputSpec((1, 64, 64), 10, (0.13,), (0.31,)), 0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)
    for epoch in range(10**6):
        for batch in epoch_batches(some, samplers.shuffled(some.labels, BATCH, False, 0, epoch, parts)):
            optimizer.zero_grad()
            task.step(model, batch, generator).loss.backward()
            optimizer.step()
            yield len(batch.labels)


def rate(running: Iterator[int], seconds: float) -> dict[str, float]:
    """Images a second of wall time, and CPU microseconds an image."""
    count, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        count += next(running)
    return {
        "images_per_second": count / (time.perf_counter() - began),
        "cpu_microseconds": 1e6 * (time.process_time() - used) / count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--root", type=Path)
    asked = parser.parse_args()
    plain = loading.load(load("mnist-cnn3").data.model_copy(update={"limit": DIGITS}), asked.root).train
    ready = arms(plain)
    running = {name: steps(*arm) for name, arm in ready.items()}
    for one in running.values():
        rate(one, asked.seconds / 2)  # the first steps allocate
    rounds = [{name: rate(one, asked.seconds) for name, one in running.items()} for _ in range(asked.rounds)]
    here = environment.describe("cpu", device.name_of(torch.device("cpu")), torch.get_num_threads(), "fp32", True)
    found = {
        "format_version": 1,
        "digits": DIGITS,
        "batch_size": BATCH,
        "rounds": rounds,
        "arms": [
            {
                "arm": name,
                "sizes": len(some.groups),
                "batches": len(samplers.shuffled(some.labels, BATCH, False, 0, 0, parts)),
                "padding": 0.0 if parts is None else buckets.padding(some, parts),
                **{
                    key: statistics.median(one[name][key] for one in rounds)
                    for key in ("images_per_second", "cpu_microseconds")
                },
            }
            for name, (some, parts) in ready.items()
        ],
        "environment": {key: value for key, value in here.items() if key in WHERE},
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    for one in found["arms"]:
        print(
            f"{one['arm']:<40}{one['images_per_second']:>8,.0f} images/s, "
            f"{one['sizes']} sizes, padding {one['padding']:.1%}"
        )


if __name__ == "__main__":
    main()
