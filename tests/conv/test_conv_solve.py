"""What is listed is exactly what torch does, found by trying everything with torch."""

import itertools
import re
from collections import defaultdict
from functools import cache

import pytest
import torch
from conv_torch import module
from test_conv_sizes import torch_conv, torch_max, torch_transposed

from smallvision.conv.solve import Setting, solve

KERNELS, STRIDES, PADDINGS, DILATIONS = range(1, 6), range(1, 5), range(10), range(1, 3)
BOUNDS = {"max_kernel": 5, "max_stride": 4, "max_dilation": 2}


@cache
def tried(op, size):
    """Every setting of the grid, by what torch makes of `size` with it. Of those that are the same with dilation, the
    one without."""
    found = defaultdict(set)
    for kernel, stride, padding, dilation in itertools.product(KERNELS, STRIDES, PADDINGS, DILATIONS):
        if op == "conv" and (kernel > 1 or dilation == 1):
            found[torch_conv(size, kernel, stride, padding, dilation)].add(Setting(kernel, stride, padding, dilation))
        if op == "pool" and (kernel > 1 or dilation == 1):
            down, up = (torch_max(size, kernel, stride, padding, dilation, ceil) for ceil in (False, True))
            found[down].add(Setting(kernel, stride, padding, dilation, ceil=None if down == up else False))
            found[up].add(Setting(kernel, stride, padding, dilation, ceil=None if down == up else True))
        for more in range(4) if op == "transposed" else ():
            if kernel > 1 or dilation == 1 or more >= stride:
                out = torch_transposed(size, kernel, stride, padding, more, dilation)
                found[out].add(Setting(kernel, stride, padding, dilation, more))
    return dict(found)


def spans(one):
    return one.dilation * (one.kernel - 1) + 1


@pytest.mark.slow
@pytest.mark.parametrize("op", ["conv", "pool", "transposed"])
@pytest.mark.parametrize("size", range(1, 13))
def test_all_that_torch_can_do_and_nothing_else(op, size):
    for target in range(1, 30):
        settings = solve(size, target, op, **BOUNDS).axes[0]
        assert len(set(settings)) == len(settings)
        assert set(settings) == {
            one for one in tried(op, size).get(target, ()) if op == "pool" or one.padding < spans(one)
        }, target


@pytest.mark.slow
@pytest.mark.parametrize("op", ["conv", "pool", "transposed"])
@pytest.mark.parametrize("most", [0, 1, 9])
def test_a_largest_padding_of_ones_own(op, most):
    for size, target in itertools.product([1, 4, 7, 10], range(1, 25)):
        settings = solve(size, target, op, **BOUNDS, max_padding=most).axes[0]
        assert set(settings) == {one for one in tried(op, size).get(target, ()) if one.padding <= most}, (size, target)


def test_all_poolings_that_turn_100x60_into_25x25():
    """R5.1, by every kernel and stride up to 15 with torch."""
    found = solve((100, 60), (25, 25), "pool")
    for size, settings in zip((100, 60), found.axes, strict=True):
        expected = set()
        for kernel, stride in itertools.product(range(1, 16), repeat=2):
            for padding in range(kernel // 2 + 1):
                down, up = (torch_max(size, kernel, stride, padding, 1, ceil) == 25 for ceil in (False, True))
                if down or up:
                    expected.add(Setting(kernel, stride, padding, ceil=None if down and up else up))
        assert set(settings) == expected
    assert [len(axis) for axis in found.axes] == [44, 7]
    assert found.axes[0][0] == Setting(4, 4, 0, ceil=None)
    assert found.axes[1][0] == Setting(12, 2, 0, ceil=None)
    assert str(found.layer(*next(found.pairs()))) == "pool(4x12, s=4x2)"
    assert found.both == []


@pytest.mark.parametrize(
    ("op", "source", "target"),
    [
        ("pool", (9, 7), (4, 3)),
        ("pool", (8, 8), (4, 4)),
        ("conv", (9, 8), (5, 4)),
        ("transposed", (4, 3), (9, 7)),
        ("conv", (5, 6), (7, 8)),
    ],
)
def test_pairs_are_layers_that_do_it(op, source, target):
    found = solve(source, target, op, max_kernel=4)
    pairs = list(found.pairs())
    assert len(pairs) == found.count_pairs() == len(set(pairs))
    compatible = [(a, b) for a, b in itertools.product(*found.axes) if {a.ceil, b.ceil} != {True, False}]
    assert set(pairs) == set(compatible)
    places = [found.axes[0].index(a) + found.axes[1].index(b) for a, b in pairs]
    assert places == sorted(places)
    x = torch.zeros(1, 1, *source)
    for pair in pairs:
        assert module(found.layer(*pair), (1, *source))(x).shape[2:] == target
    for one in found.both:
        assert module(found.layer(one, one), (1, *source))(x).shape[2:] == target
    assert {one.numbers for one in found.both} == {a.numbers for a, b in pairs if a.numbers == b.numbers}


@pytest.mark.parametrize(
    ("op", "source", "target"), [("conv", 13, 5), ("conv", 12, 3), ("pool", 13, 4), ("conv", 7, 1), ("conv", 8, 9)]
)
def test_pixels_unused_are_those_without_a_gradient(op, source, target):
    for one in solve(source, target, op, max_kernel=5, max_dilation=3).axes[0]:
        x = torch.zeros(1, 1, source, 1, requires_grad=True)
        weight = torch.ones(1, 1, one.kernel, 1)
        if one.ceil is True:  # the windows as a convolution with as much padding at the end as they need
            after = (target - 1) * one.stride + spans(one) - source - one.padding
            padded = torch.nn.functional.pad(x, (0, 0, one.padding, max(after, 0)))
            y = torch.nn.functional.conv2d(padded, weight, None, (one.stride, 1), 0, (one.dilation, 1))
        else:
            y = torch.nn.functional.conv2d(x, weight, None, (one.stride, 1), (one.padding, 0), (one.dilation, 1))
        assert y.shape[2] == target
        y.sum().backward()
        assert one.unused == int((x.grad == 0).sum()), one


@pytest.mark.parametrize(("source", "target"), [(4, 9), (3, 11), (1, 4), (5, 6)])
def test_pixels_not_reached_are_those_that_stay_zero(source, target):
    settings = solve(source, target, "transposed", max_kernel=5, max_dilation=3).axes[0]
    assert settings
    for one in settings:
        y = torch.nn.functional.conv_transpose2d(
            torch.ones(1, 1, source, 1),
            torch.ones(1, 1, one.kernel, 1),
            None,
            (one.stride, 1),
            (one.padding, 0),
            (one.output_padding, 0),
            1,
            (one.dilation, 1),
        )
        assert one.unused == int((y == 0).sum()), one


def test_simplest_first():
    def first(*arguments, count=1):
        return [(one.kernel, one.stride, one.padding, one.output_padding) for one in solve(*arguments).axes[0][:count]]

    assert first(28, 28, "conv", count=3) == [(1, 1, 0, 0), (3, 1, 1, 0), (5, 1, 2, 0)]
    assert first(28, 14, "conv") == [(2, 2, 0, 0)]
    assert first(28, 14, "pool") == [(2, 2, 0, 0)]
    assert first(14, 28, "transposed") == [(2, 2, 0, 0)]
    assert first(7, 14, "transposed", 3, count=3) == [(2, 2, 0, 0), (3, 2, 1, 1), (1, 2, 0, 1)]
    for op, source, target in (("conv", 20, 7), ("pool", 20, 7), ("transposed", 7, 20)):
        settings = solve(source, target, op, max_dilation=3).axes[0]
        keys = [
            (
                one.dilation,
                one.gaps,
                one.output_padding + (one.ceil is True),
                one.padding,
                one.unused,
                one.kernel,
                one.stride,
            )
            for one in settings
        ]
        assert keys == sorted(keys)
        assert len(settings) > 30
    assert not any(one.gaps for one in solve(7, 1).axes[0]), "there is nothing between the windows of one"


def test_no_pooling_enlarges_by_more_than_one():
    reached = {size: {out for out in tried("pool", size) if out} for size in range(1, 13)}
    assert all(max(outs) <= size + 1 for size, outs in reached.items())
    assert solve(10, 11, "pool").axes[0]  # an even kernel, stride 1, padding half of it
    found = solve((10, 10), (12, 10), "pool")
    assert found.axes[0] == []
    assert found.axes[1]
    assert found.reasons == (
        "no pooling turns 10 into 12: with a padding of at most half its kernel, a map grows by one pixel at most; "
        "a transposed convolution can do it",
        None,
    )
    assert list(found.pairs()) == []
    assert found.count_pairs() == 0
    assert found.both == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "bounds"),
    [
        ((1000, 10, "pool"), {}),
        ((100, 40, "conv"), {"max_dilation": 1}),
        ((30, 90, "conv"), {}),
        ((60, 30, "transposed"), {}),
        ((200, 7, "conv"), {"max_kernel": 3}),
        ((28, 30, "conv"), {"max_kernel": 6, "max_padding": 0, "max_dilation": 1}),
        ((10, 57, "transposed"), {"max_kernel": 4}),
        ((99, 98, "pool"), {"max_kernel": 1}),
        ((9, 10, "pool"), {"max_padding": 0}),
        ((50, 20, "pool"), {"max_kernel": 7, "max_stride": 2}),
    ],
)
def test_where_there_is_none_the_cure_is_the_least_that_helps(arguments, bounds):
    found = solve(*arguments, **bounds)
    if found.axes[0]:
        pytest.fail("there is one")
    reason = found.reasons[0]
    source, target, op = arguments
    for near in map(int, re.findall(r"\d+", reason.partition("nearest to it: ")[2].partition(";")[0])):
        assert solve(source, near, op, **bounds).axes[0]
        for between in range(min(near, target) + 1, max(near, target)):
            assert between in map(int, re.findall(r"\d+", reason)) or not solve(source, between, op, **bounds).axes[0]
    limits = dict(re.findall(r"(\w+) <= (\d+)", reason))
    given = {
        "max_kernel": int(limits["kernel"]),
        "max_stride": int(limits["stride"]),
        "max_dilation": int(limits["dilation"]),
    }
    given |= {"max_padding": bounds["max_padding"]} if "max_padding" in bounds else {}
    raised = re.findall(r"(max_\w+) >= (\d+)", reason)
    assert raised
    for name, value in raised:
        assert solve(*arguments, **given | {name: int(value)}).axes[0], (name, value)
        assert not solve(*arguments, **given | {name: int(value) - 1}).axes[0], (name, value)


def test_reasons_where_nothing_near_helps():
    assert solve(50_000, 20_000, "conv").reasons[0].endswith("dilation <= 3; use kernel 30001 and stride 1")
    assert (
        solve(5, 50_000, "conv")
        .reasons[0]
        .endswith("dilation <= 3; use kernel 49996 and stride 1 or a transposed convolution")
    )
    assert (
        solve(5, 50_000, "conv", max_padding=2)
        .reasons[0]
        .endswith("use max_padding >= 24998 or a transposed convolution")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5), "source: 0; expected an integer >= 1, or two (height, width)"),
        ((5, (1, 2, 3)), "target: (1, 2, 3); expected an integer >= 1, or two (height, width)"),
        ((100_001, 5), "source: 100001 pixels; expected at most 100000"),
        ((5, (5, 10**30)), f"target: {10**30} pixels; expected at most 100000"),
        ((5, 5, "mean"), "op: 'mean'; expected conv, pool, transposed"),
        ((5, 5, "conv", 0), "max_kernel: 0; expected an integer from 1 to 100000"),
        ((5, 5, "conv", 3, True), "max_stride: True; expected an integer from 1 to 100000"),
        ((5, 5, "conv", 3, 3, -1), "max_padding: -1; expected an integer from 0 to 100000"),
        ((5, 5, "conv", 3, 3, 3, 2.0), "max_dilation: 2.0; expected an integer from 1 to 100000"),
        ((5, 5, "conv", 5000), "max_kernel, max_dilation: 5000 and 3; expected a product of at most 10000"),
        (
            (7, 1, "conv", 3000),
            "max_kernel, max_stride: 3000 and 3000 allow more than 20000 ways to turn 7 into 1; use smaller ones, or "
            "set max_padding",
        ),
    ],
)
def test_what_is_not_asked_rightly(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        solve(*arguments)
