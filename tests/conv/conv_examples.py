"""For the tests of check and bench: implementations made up (right, broken, greedy and slow ones), and their command
line."""

import sys
import time
from dataclasses import replace

import torch
from torch.nn.functional import conv2d, fold, unfold

from smallvision.conv import library
from smallvision.conv.implementation import Cost, Implementation


def nothing(g, itemsize):
    return (Cost(g.multiply_adds, 0),) * 3


def made(
    name="made-up",
    forward=library.forward,
    input_gradient=library.input_gradient,
    weight_gradient=library.weight_gradient,
    **rest,
):
    return Implementation(name, "made up", forward, input_gradient, weight_gradient, rest.pop("costs", nothing), **rest)


def numbers(g):
    return {"dilation": g.dilation, "padding": g.padding, "stride": g.stride}


def rows(x, g):
    """torch's unfold, (B, groups, C / groups kh kw, P)."""
    return unfold(x, g.kernel, **numbers(g)).unflatten(1, (g.groups, -1))


def matrix_forward(x, weight, g):
    return torch.einsum("bgkp,gok->bgop", rows(x, g), weight.reshape(g.groups, -1, weight[0].numel())).reshape(
        g.y_shape
    )


def matrix_input(grad, weight, g):
    kernels = weight.reshape(g.groups, -1, weight[0].numel())
    back = torch.einsum("bgop,gok->bgkp", grad.reshape(g.batch, g.groups, g.filters // g.groups, -1), kernels)
    return fold(back.flatten(1, 2), g.size, g.kernel, **numbers(g))


def matrix_weight(grad, x, g):
    return torch.einsum(
        "bgkp,bgop->gok", rows(x, g), grad.reshape(g.batch, g.groups, g.filters // g.groups, -1)
    ).reshape(g.weight_shape)


def no_batch(g):
    return None if g.batch else "no image"


MATRIX = made("matrix", matrix_forward, matrix_input, matrix_weight, refuses=no_batch)


def greedy(x, weight, g):
    """64 MB of ones on the way, touched and let go."""
    torch.ones(16 * 10**6)
    return library.forward(x, weight, g)


GREEDY = made("greedy", greedy)


def slow(function, seconds):
    def slowed(a, b, g):
        time.sleep(seconds * g.multiply_adds)
        return function(a, b, g)

    return slowed


SLOW = made(
    "slow", slow(library.forward, 1e-5), slow(library.input_gradient, 1e-5), slow(library.weight_gradient, 1e-5)
)


def crash(*_):
    raise RuntimeError("no luck today")


CRASHING = made("crashing", crash)
REFUSING = made("refusing", refuses=lambda g: "only on Sundays")


def turned(pair):
    return pair[::-1]


def in_place(x, weight, g):
    y = library.forward(x, weight, g)
    x.mul_(2)
    return y


def scaled(function, factor):
    return lambda a, b, g: function(a, b, g) * factor


def poisoned(grad, weight, g):
    return library.input_gradient(grad, weight, g).index_fill(3, torch.tensor([0]), float("nan"))


# name -> (implementation, what the verdict must name)
BROKEN = {
    "stride's axes swapped": (
        made(forward=lambda x, w, g: conv2d(x, w, None, turned(g.stride), g.padding, g.dilation, g.groups)),
        "forward: torch.float64",
    ),
    "kernel turned": (made(forward=lambda x, w, g: library.forward(x, w.flip(2, 3), g)), "forward off by"),
    "kernel not turned in the input's gradient": (
        made(input_gradient=lambda grad, w, g: library.input_gradient(grad, w.flip(2, 3), g)),
        "input gradient off by",
    ),
    "gradient scaled": (made(weight_gradient=scaled(library.weight_gradient, 1 + 1e-9)), "weight gradient off by"),
    "batch averaged": (
        made(weight_gradient=lambda grad, x, g: library.weight_gradient(grad, x, g) / max(g.batch, 1)),
        "weight gradient off by",
    ),
    "groups of the kernels mixed up": (
        made(forward=lambda x, w, g: library.forward(x, w.unflatten(0, (g.groups, -1)).flip(0).flatten(0, 1), g)),
        "forward off by",
    ),
    "half precision on the way": (
        made(forward=lambda x, w, g: library.forward(x.float(), w.float(), g).double()),
        "forward off by",
    ),
    "only square images": (
        made(input_gradient=lambda grad, w, g: library.input_gradient(grad, w, replace(g, size=(g.size[0],) * 2))),
        "RuntimeError",
    ),
    "an argument changed": (made(forward=in_place), "changes its arguments"),
    "not a number": (made(input_gradient=poisoned), "input gradient off by inf"),
    "another precision": (made(forward=lambda x, w, g: library.forward(x, w, g).float()), "torch.float32"),
    "an exception": (CRASHING, "RuntimeError: no luck today"),
}


def typed(monkeypatch, capsys, *words, columns=80):
    """`smallvision conv ...` in this process: (exit status, standard output, standard error)."""
    from smallvision import cli

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "argv", ["smallvision", "conv", *map(str, words)])
    try:
        cli.main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    return status, *capsys.readouterr()
