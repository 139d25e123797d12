"""Winograd's F(2x2, 3x3) against torch, its matrices against the definition, its error against the bound its transforms
imply."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smallvision.conv import winograd
from smallvision.conv.geometry import Geometry
from smallvision.conv.library import IMPLEMENTATION as TORCH

NAMES = ("forward", "input_gradient", "weight_gradient")


@st.composite
def geometries(draw):
    groups = draw(st.integers(1, 3))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    size = tuple(draw(st.integers(max(1, 3 - 2 * p), 11)) for p in padding)
    channels, filters = groups * draw(st.integers(1, 4)), groups * draw(st.integers(1, 4))
    return Geometry(draw(st.integers(0, 3)), channels, filters, size, (3, 3), padding=padding, groups=groups)


def tensors(g, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator, dtype=dtype) for shape in (g.x_shape, g.weight_shape, g.y_shape))


def results(implementation, x, weight, grad, g):
    return (
        implementation.forward(x, weight, g),
        implementation.input_gradient(grad, weight, g),
        implementation.weight_gradient(grad, x, g),
    )


def test_the_matrices_make_a_convolution_of_one_dimension():
    # F(2, 3): y0 = d0 g0 + d1 g1 + d2 g2 and y1 = d1 g0 + d2 g1 + d3 g2, as a polynomial identity: for every unit d and
    # g.
    bt, g, at = (np.array(matrix) for matrix in (winograd.BT, winograd.G, winograd.AT))
    for i, d in enumerate(np.eye(4)):
        for k, kernel in enumerate(np.eye(3)):
            np.testing.assert_array_equal(at @ ((g @ kernel) * (bt @ d)), [i == k, i == k + 1])


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometries(), st.integers(0, 2**32))
def test_against_torch_within_the_bound_of_its_transforms(g, seed):
    x, weight, grad = tensors(g, seed)
    ours, theirs = results(winograd.IMPLEMENTATION, x, weight, grad, g), results(TORCH, x, weight, grad, g)
    for name, a, b, bound in zip(NAMES, ours, theirs, winograd.bounds(x, weight, grad, g), strict=True):
        assert a.shape == b.shape, name
        # torch rounds, too: by less than the bound, since its sums are of the same products without the transforms
        assert bool(((a - b).abs() <= 2 * bound).all()), name
        if b.numel() and b.abs().max() > 0:
            assert float((a - b).abs().max() / b.abs().max()) < 1e-12, name


def test_the_bound_is_one_on_the_exact_error_and_not_idle():
    # In float32 the error against float64 is the exact one to 1e-8 of itself; a bound thousands of times too large
    # would test nothing.
    g = Geometry(2, 8, 8, (12, 12), (3, 3), padding=(1, 1))
    x, weight, grad = tensors(g, 3, torch.float32)
    exact = results(TORCH, x.double(), weight.double(), grad.double(), g)
    for a, b, bound in zip(
        results(winograd.IMPLEMENTATION, x, weight, grad, g), exact, winograd.bounds(x, weight, grad, g), strict=True
    ):
        share = ((a.double() - b).abs() / bound.double()).max()
        assert 0.002 < share < 1


def test_several_chunks_give_what_one_gives(monkeypatch):
    g = Geometry(7, 4, 6, (9, 10), (3, 3), padding=(1, 0))
    x, weight, grad = tensors(g, 1)
    whole = results(winograd.IMPLEMENTATION, x, weight, grad, g)
    monkeypatch.setattr(winograd, "CHUNK", 16 * 5 * 4 * 6 * 8 * 2)  # two images
    assert len(winograd._chunks(g, 8)) == 4
    for a, b in zip(whole, results(winograd.IMPLEMENTATION, x, weight, grad, g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_any_memory_layout_and_the_arguments_stay_as_they_were(layout):
    g = Geometry(3, 4, 5, (8, 7), (3, 3), padding=(2, 1))
    x, weight, grad = (t.to(memory_format=layout) for t in tensors(g, 2))
    before = [t.clone() for t in (x, weight, grad)]
    for a, b in zip(
        results(winograd.IMPLEMENTATION, x, weight, grad, g), results(TORCH, x, weight, grad, g), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, weight, grad), strict=True))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kernel": (5, 5)}, "kernel 3x3, not 5x5"),
        ({"stride": (2, 1)}, "stride 1x1, not 2x1"),
        ({"dilation": (1, 2)}, "dilation 1x1, not 1x2"),
    ],
)
def test_what_it_cannot_do_it_says(changed, said):
    g = Geometry(1, 1, 1, (9, 9), **({"kernel": (3, 3)} | changed))
    assert said in winograd.IMPLEMENTATION.refuses(g)
    assert winograd.IMPLEMENTATION.refuses(Geometry(1, 1, 1, (9, 9), (3, 3), padding=(5, 0))) is None


@pytest.mark.parametrize("groups", [1, 2])
def test_multiply_adds_as_counted_by_torch(groups):
    from torch.utils.flop_counter import FlopCounterMode

    g = Geometry(3, 4, 6, (9, 8), (3, 3), padding=(1, 1), groups=groups)
    x, weight, grad = tensors(g, 0)
    calls = (
        lambda: winograd.forward(x, weight, g),
        lambda: winograd.input_gradient(grad, weight, g),
        lambda: winograd.weight_gradient(grad, x, g),
    )
    for call, cost in zip(calls, winograd.costs(g, 8), strict=True):
        with FlopCounterMode(display=False) as counter:
            call()
        # The transform of the kernels: G w G', or its transpose, as two products.
        kernels = 2 * (g.channels // groups) * g.filters * (4 * 3 * 3 + 4 * 3 * 4)
        assert counter.get_total_flops() - kernels == 2 * cost.multiply_adds
