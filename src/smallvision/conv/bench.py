"""How fast the implementations are and what memory they take, each measured in a process of its own, as ratios to
torch.

A time is the median over the rounds; a ratio is the median of the rounds' ratios, as torch is timed again in every
round of every implementation (see measure.py). Multiply-adds are those of the definition, whatever the method does with
fewer: a method that saves some may so exceed the peak of the machine's matrix product, which is measured beside it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from smallvision.conv.geometry import Geometry
from smallvision.conv.sizes import Pair

__all__ = ["LAST", "SHAPES", "default_threads", "measured", "names", "peak", "shape_geometry", "unsteady"]

SHAPES = {
    "64x64x16x16 64x3x3 p=1": "64 channels to 64, 3x3",
    "64x10x12x12 20x5x5": "the second layer of mnist-cnn, 5x5",
    "128x3x32x32 32x3x3 p=1": "the first layer of cifar10-cnn, 3 channels",
    "64x64x16x16 128x3x3 s=2 p=1": "halved by a stride of 2",
    "64x256x16x16 64x1x1": "1x1: a matrix product",
    "1x16x16x16 16x3x3 p=1": "one image",
}
LAST = "torch-nhwc"  # torch's own on tensors that lie channels last (B, H, W, C)
WHOLE, SLICE = 20.0, 5.0  # seconds for one implementation and shape: whole if it fits, else a slice
LIMIT = 120.0  # seconds after which a process is stopped
MATMULS = (256, 512, 1024, 2048)
KEYS = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def names() -> list[str]:
    """What can be measured: every implementation of the table, and torch's with channels last."""
    from smallvision.conv import implementations

    return [*implementations.IMPLEMENTATIONS, LAST]


def default_threads() -> int:
    """As many as torch takes by itself: one for each physical core, or what OMP_NUM_THREADS says."""
    import torch

    return torch.get_num_threads()


def shape_geometry(text: str) -> Geometry:
    """The configuration of "64x64x16x16 64x3x3 p=1": input BxCxHxW, kernels Oxkhxkw; s, p, d (a number, or two as 2x1)
    and g.

    Raises
    ------
    ValueError : it cannot be read, or the convolution cannot be done.
    """
    form = 'expected BxCxHxW Oxkhxkw [s=1] [p=0] [d=1] [g=1], such as "64x64x16x16 64x3x3 p=1"'
    sizes, options = [word for word in text.split() if "=" not in word], [word for word in text.split() if "=" in word]
    if len(sizes) != 2 or not all(re.fullmatch(r"\d+(x\d+)+", word) for word in sizes):
        raise ValueError(f'shape: got "{text}"; {form}')
    x, kernels = ([int(n) for n in word.split("x")] for word in sizes)
    if len(x) != 4 or len(kernels) != 3:
        raise ValueError(f'shape: got "{text}", with {len(x)} and {len(kernels)} sizes; {form}')
    values: dict[str, Pair] = {}
    for word in options:
        key, _, value = word.partition("=")
        if key not in KEYS or KEYS[key] in values or not re.fullmatch(r"\d+(x\d+)?" if key != "g" else r"\d+", value):
            raise ValueError(f'shape: "{word}" in "{text}" cannot be read; {form}')
        numbers = [int(n) for n in value.split("x")]
        values[KEYS[key]] = numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
    groups = values.pop("groups", 1)
    assert isinstance(groups, int)
    channels = x[1] // groups if groups and x[1] % groups == 0 else x[1]  # Geometry.of() says what is wrong with it
    g = Geometry.of(x, (kernels[0], channels, *kernels[1:]), None, **values, groups=groups)
    if not g.batch:
        raise ValueError(f'shape: "{text}" has a batch of 0 images; expected at least 1')
    return g


def measured(name: str, g: Geometry, rounds: int = 5, threads: int = 1) -> dict[str, Any]:
    """Measure one implementation at one configuration, in a process of its own.

    Parameters
    ----------
    name : one of `names()`, or "module:attribute" of an Implementation.
    g : the configuration.
    rounds : how often everything is timed, at least 1.
    threads : of the processor, at least 1.

    Returns
    -------
    dict : `rung`, and `reason` if it was not measured, with `refused` (its method cannot do it); else what measure.py
        found, with `milliseconds`, `least_milliseconds`, `torch_milliseconds`, `ratio` (to torch) and
        `gigamacs_per_second`, each of "forward", "backward" and "total", for the whole.
    """
    from smallvision.conv.measure import named

    own = "torch" if name == LAST else name
    if reason := named(own).refuses(g):
        return {"rung": name, "reason": reason, "refused": True}
    job = {
        "rung": own,
        "geometry": asdict(g),
        "rounds": rounds,
        "channels_last": name == LAST,
        "whole_seconds": WHOLE,
        "slice_seconds": SLICE,
        "threads": threads,
    }
    try:
        found = _child(job, threads)
    except ChildProcessError as error:
        return {"rung": name, "reason": str(error), "refused": False}
    return {"rung": name, "reason": None, "refused": False, **found, **_summary(found, g)}


def peak(rounds: int = 5, threads: int = 1, sizes: Sequence[int] | None = None) -> dict[str, Any]:
    """The machine's peak of a float32 matrix product, in a process of its own: `gigamacs_per_second` of torch and
    numpy, and `sizes`."""
    rows = _child({"matmul": list(sizes or MATMULS), "rounds": rounds, "threads": threads}, threads)["matmul"]
    best = {
        arm: max(row["multiply_adds"] / min(row["seconds"][arm]) / 1e9 for row in rows) for arm in ("torch", "numpy")
    }
    return {"gigamacs_per_second": best, "sizes": rows}


def unsteady(row: Mapping[str, Any]) -> bool:
    """Whether the rounds of a measured row, or torch's beside them, differ by more than half: other work ran
    meanwhile."""
    return any(max(times) > 1.5 * min(times) for arm in row["seconds"].values() for times in arm.values())


def _summary(found: Mapping[str, Any], g: Geometry) -> dict[str, Any]:
    rounds = {
        arm: {**times, "total": [sum(pair) for pair in zip(*times.values(), strict=True)]}
        for arm, times in found["seconds"].items()
    }
    mine = {key: [t / found["share"] for t in times] for key, times in rounds["rung"].items()}
    milliseconds = {key: 1e3 * median(times) for key, times in mine.items()}
    return {
        "milliseconds": milliseconds,
        "least_milliseconds": {key: 1e3 * min(times) for key, times in mine.items()},
        "torch_milliseconds": {key: 1e3 * median(times) for key, times in rounds["torch"].items()},
        "ratio": {key: median(a / b for a, b in zip(mine[key], rounds["torch"][key], strict=True)) for key in mine},
        "gigamacs_per_second": {
            key: count * g.multiply_adds / milliseconds[key] / 1e6
            for key, count in (("forward", 1), ("backward", 2), ("total", 3))
        },
    }


def _child(job: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """The result of a job done by measure.py. Raises ChildProcessError, saying why there is none."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "smallvision.conv.measure"],
            input=json.dumps(job),
            env=environment,
            timeout=LIMIT,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ChildProcessError(f"it was stopped after {LIMIT:.0f} seconds") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ChildProcessError(said[-1] if said else f"its process ended with status {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
