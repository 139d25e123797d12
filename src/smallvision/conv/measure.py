"""Measures one implementation in a process that does nothing else: `python -m smallvision.conv.measure`.

A job comes as JSON on standard input and its result goes as JSON to standard output (the last line). Two kinds:

- {"rung": name, "geometry": {...}, "rounds": 5, ...}: seconds of forward and backward (both gradients), torch's own
  taken in turn with the implementation's in every round, so that whatever else the machine does strikes both; and the
  memory each of the three functions needs.
- {"matmul": [sizes], "rounds": 5, ...}: seconds of square matrix products by torch and by numpy, the machine's peak.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from smallvision.conv import library, memory
from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Implementation

__all__ = ["matmul_peak", "measure", "named", "slice_within"]

Calls = Mapping[str, Callable[[], Any]]
SHORTEST = 0.01  # seconds: quicker calls are timed several in a row


def named(name: str) -> Implementation:
    """An implementation by its name in the table, or as "module:attribute", wherever it is."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, Implementation), name
        return found
    from smallvision.conv import implementations

    return implementations.named(name)


def measure(job: Mapping[str, Any]) -> dict[str, Any]:
    """Time and memory of one implementation at one configuration.

    Parameters
    ----------
    job : `rung` (a name), `geometry` (its fields), `rounds`, `channels_last` (how all tensors given to the
        implementation lie), `whole_seconds` (all of the work is done if it will not take longer, else a slice of it)
        and `slice_seconds` (which the slice may take).

    Returns
    -------
    dict : `seconds` ("rung", "torch") of ("forward", "backward"), a number for each round: the mean of `repeats` calls,
        torch's on the whole, the implementation's on the `slice` (its geometry, or None for the whole), `share` of the
        whole; `memory_bytes` (None for a slice, or where it cannot be measured) of forward, input gradient and weight
        gradient, and `memory_method`; `stated_bytes` and `stated_multiply_adds`, by the implementation's formula;
        `error` (max |a - b| / max |b|, b torch's).
    """
    implementation, g, rounds = named(job["rung"]), _geometry(job["geometry"]), int(job["rounds"])
    part = slice_within(implementation, g, job["whole_seconds"] / (rounds + 3), job["slice_seconds"] / (rounds + 3))
    layout = torch.channels_last if job["channels_last"] else torch.contiguous_format
    mine, whole = tensors(part, layout), tensors(g, torch.contiguous_format)
    x, weight, grad = mine
    functions = (
        lambda: implementation.forward(x, weight, g),
        lambda: implementation.input_gradient(grad, weight, g),
        lambda: implementation.weight_gradient(grad, x, g),
    )
    needed = [memory.needed(function) for function in functions] if part == g else None
    memory.keep_freed()  # as in training; else time goes into getting the same pages again
    seconds, repeats = in_turns(
        {"rung": calls(implementation, part, mine), "torch": calls(library.IMPLEMENTATION, g, whole)}, rounds
    )
    expected = library.forward(x, weight, part)
    return {
        "slice": None if part == g else asdict(part),
        "share": part.multiply_adds / g.multiply_adds,
        "repeats": repeats,
        "seconds": seconds,
        "memory_bytes": needed if needed and None not in needed else None,
        "memory_method": memory.method(),
        "stated_bytes": [cost.bytes for cost in implementation.costs(g, 4)],
        "stated_multiply_adds": [cost.multiply_adds for cost in implementation.costs(g, 4)],
        "error": float((implementation.forward(x, weight, part) - expected).abs().max() / expected.abs().max()),
    }


def slice_within(implementation: Implementation, g: Geometry, whole_seconds: float, slice_seconds: float) -> Geometry:
    """All of the work if it takes no longer than that once, else as many of the images and kernels as do.

    Slices of growing size are tried, from one image and one kernel of each group. Time is taken to grow as
    multiply-adds do: from a small slice that says too much and hardly ever too little.
    """
    part = replace(g, batch=1, filters=g.groups)
    run(calls(implementation, part, tensors(part)))  # what is built once, compiled code for example
    while True:
        what = calls(implementation, part, tensors(part))
        took = min(run(what) for _ in range(3))  # other work on the machine strikes short calls hardest
        if part == g or took * g.multiply_adds / part.multiply_adds <= whole_seconds:
            return g
        larger = replace(part, filters=min(2 * part.filters, g.filters))
        if g.filters % larger.filters or larger.filters % g.groups:
            larger = replace(part, filters=g.filters)
        if larger == part:
            larger = replace(part, batch=min(2 * part.batch, g.batch))
        if took * larger.multiply_adds / part.multiply_adds > slice_seconds:
            return part
        part = larger


def tensors(g: Geometry, layout: torch.memory_format = torch.contiguous_format) -> tuple[Tensor, Tensor, Tensor]:
    """x, weight and an output's gradient, normal, float32."""
    generator = torch.Generator().manual_seed(0)
    shapes = g.x_shape, g.weight_shape, g.y_shape
    x, weight, grad = (torch.randn(shape, generator=generator).contiguous(memory_format=layout) for shape in shapes)
    return x, weight, grad


def calls(implementation: Implementation, g: Geometry, given: tuple[Tensor, Tensor, Tensor]) -> Calls:
    """Forward and backward without arguments. Torch has one function for both gradients, which is quicker than one for
    each."""
    x, weight, grad = given

    def both() -> Any:
        if implementation is library.IMPLEMENTATION:
            return torch.ops.aten.convolution_backward(
                grad, x, weight, None, g.stride, g.padding, g.dilation, False, (0, 0), g.groups, (True, True, False)
            )
        return implementation.input_gradient(grad, weight, g), implementation.weight_gradient(grad, x, g)

    return {"forward": lambda: implementation.forward(x, weight, g), "backward": both}


def run(what: Calls) -> float:
    """Seconds of all calls, once."""
    return sum(timed(call, 1) for call in what.values())


def timed(call: Callable[[], Any], repeats: int) -> float:
    """Mean seconds of one call, over `repeats` calls in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def in_turns(
    arms: Mapping[str, Calls], rounds: int
) -> tuple[dict[str, dict[str, list[float]]], dict[str, dict[str, int]]]:
    """Seconds of each call of each arm, one number a round; the arms take turns, and turns in going first.

    Returns
    -------
    seconds, repeats : arm -> call -> numbers, and how many calls in a row each number is the mean of.
    """
    repeats: dict[str, dict[str, int]] = {arm: {} for arm in arms}
    for _ in range(2):  # the second time nothing is new
        for arm, what in arms.items():
            for key, call in what.items():
                repeats[arm][key] = max(1, round(SHORTEST / max(timed(call, 1), 1e-7)))
    seconds: dict[str, dict[str, list[float]]] = {arm: {key: [] for key in what} for arm, what in arms.items()}
    for turn in range(rounds):
        for arm in list(arms)[:: -1 if turn % 2 else 1]:
            for key, call in arms[arm].items():
                seconds[arm][key].append(timed(call, repeats[arm][key]))
    return seconds, repeats


def matmul_peak(sizes: list[int], rounds: int) -> list[dict[str, Any]]:
    """Seconds of (n, n) x (n, n) in float32, by torch and by numpy in turns; n cubed multiply-adds each."""
    import numpy as np

    rows = []
    for n in sizes:
        a, b = (np.random.default_rng(seed).standard_normal((n, n), np.float32) for seed in (0, 1))
        theirs = torch.from_numpy(a), torch.from_numpy(b)
        arms: dict[str, Calls] = {
            "torch": {"matmul": lambda theirs=theirs: torch.matmul(*theirs)},  # type: ignore[misc]
            "numpy": {"matmul": lambda a=a, b=b: np.matmul(a, b)},  # type: ignore[misc]
        }
        seconds, _ = in_turns(arms, rounds)
        rows.append({"size": n, "multiply_adds": n**3, "seconds": {arm: seconds[arm]["matmul"] for arm in arms}})
    return rows


def _geometry(fields: Mapping[str, Any]) -> Geometry:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Geometry(**values)


def main() -> None:
    """Read a job, do it, write the result."""
    job = json.loads(sys.stdin.read())
    torch.set_num_threads(job["threads"])
    memory.keep_freed()
    with torch.no_grad():
        result = {"matmul": matmul_peak(job["matmul"], job["rounds"])} if "matmul" in job else measure(job)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
