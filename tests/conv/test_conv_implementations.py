"""Every implementation against torch's convolution and its gradients, as adjoints of one another, and its costs against
what is counted."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from allocations import Fresh
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from smallvision.conv import compiled, einsum, fourier, im2col, loops, shifted
from smallvision.conv.geometry import Geometry
from smallvision.conv.library import IMPLEMENTATION as TORCH

IMPLEMENTATIONS = {
    module.IMPLEMENTATION.name: module.IMPLEMENTATION for module in (loops, compiled, im2col, einsum, shifted, fourier)
}
MATRICES = ("im2col", "einsum", "shifted")  # those that are matrix products of the definition's size
RESULTS = ("forward", "input_gradient", "weight_gradient")


@st.composite
def geometries(draw, largest=13, channels=4, kernel=5):
    groups, padding, dilation = (
        draw(st.integers(1, 3)),
        *(draw(st.tuples(*2 * [st.integers(*ends)])) for ends in ((0, 3), (1, 3))),
    )
    kernels = draw(st.tuples(*2 * [st.integers(1, kernel)]))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernels, padding, dilation, strict=True)]
    size = [draw(st.integers(n, max(n, largest))) for n in least]
    inputs, outputs = (groups * draw(st.integers(1, channels)) for _ in range(2))
    stride = draw(st.tuples(*2 * [st.integers(1, 4)]))
    return Geometry(draw(st.integers(0, 3)), inputs, outputs, tuple(size), kernels, stride, padding, dilation, groups)


def dense(tensor):
    return tensor


def channels_last(tensor):
    return tensor.contiguous(memory_format=torch.channels_last)


def gaps(tensor):
    return torch.stack([tensor, tensor + 1], -1)[..., 0]


def turned(tensor):
    return tensor.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)


LAYOUTS = st.tuples(*3 * [st.sampled_from([dense, channels_last, gaps, turned])])


def tensors(g, layouts=(dense,) * 3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(g.multiply_adds)
    shapes = g.x_shape, g.weight_shape, g.y_shape
    return [
        layout(torch.randn(shape, generator=generator, dtype=dtype))
        for shape, layout in zip(shapes, layouts, strict=True)
    ]


def calls(implementation, x, weight, grad, g):
    return (
        lambda: implementation.forward(x, weight, g),
        lambda: implementation.input_gradient(grad, weight, g),
        lambda: implementation.weight_gradient(grad, x, g),
    )


def results(implementation, *given):
    return [call() for call in calls(implementation, *given)]


def flops(call):
    """As torch counts them; it knows bmm, and baddbmm, but not that in place."""
    in_place = {torch.ops.aten.baddbmm_: lambda _, a, b, **rest: 2 * math.prod(a) * b[2]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        call()
    return counter.get_total_flops()


def largest(tensor):
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def agrees(implementation, g, layouts):
    """Against torch, in any memory layout, leaving the arguments as they were; and the adjoint test."""
    x, weight, grad = given = tensors(g, layouts)
    kept = [one.clone() for one in given]
    found = results(implementation, *given, g)
    for name, a, b in zip(RESULTS, found, results(TORCH, *given, g), strict=True):
        assert a.shape == b.shape, name
        assert a.dtype == b.dtype, name
        # where all that a window sees is padding, torch has 0 and a transform some 1e-16
        assert largest(a - b) <= 1e-12 * (largest(b) or 1), name
    assert all(torch.equal(a, b) for a, b in zip(given, kept, strict=True))
    y, dx, dw = found
    products = [float((a * b).sum()) for a, b in ((grad, y), (dx, x), (dw, weight))]
    scale = float(grad.norm() * x.norm() * weight.norm())
    assert max(products) - min(products) <= 1e-12 * scale


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in IMPLEMENTATIONS if name != "loops"])
def test_forward_and_both_gradients_are_torchs(name):
    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(geometries(), LAYOUTS)
    def every(g, layouts):
        agrees(IMPLEMENTATIONS[name], g, layouts)

    every()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(geometries(largest=5, channels=2, kernel=3), LAYOUTS)
def test_the_loops_in_python_are_the_definition(g, layouts):
    agrees(IMPLEMENTATIONS["loops"], g, layouts)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_no_images_at_all(implementation):
    g = Geometry(0, 4, 6, (7, 5), (3, 2), (2, 1), (1, 0), (1, 2), 2)
    y, dx, dw = results(implementation, *tensors(g), g)
    assert (y.shape, dx.shape, dw.shape) == (g.y_shape, g.x_shape, g.weight_shape)
    assert not dw.any()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_parameters_may_be_given_and_nothing_is_recorded(implementation):
    g = Geometry(2, 2, 3, (4, 4), (3, 3), padding=(1, 1))
    x, weight, grad = tensors(g)
    expected = results(TORCH, x, weight, grad, g)
    for a, b in zip(
        results(implementation, x.requires_grad_(), weight.requires_grad_(), grad, g), expected, strict=True
    ):
        torch.testing.assert_close(a.detach(), b, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "implementation",
    [implementation for name, implementation in IMPLEMENTATIONS.items() if name != "loops"],
    ids=[name for name in IMPLEMENTATIONS if name != "loops"],
)
def test_single_precision_is_as_good_as_torchs(implementation):
    # 1 152 terms in a sum and 1 024 in the kernels' gradient; a product in lower precision than float32 would be 1e-3
    # off
    g = Geometry(4, 128, 16, (16, 16), (3, 3), padding=(1, 1))
    x, weight, grad = tensors(g, dtype=torch.float32)
    exact = results(TORCH, x.double(), weight.double(), grad.double(), g)
    for a, b in zip(results(implementation, x, weight, grad, g), exact, strict=True):
        assert a.dtype == torch.float32
        assert largest(a - b) < 3e-6 * largest(b)


def test_a_transforms_error_is_relative_to_the_largest_result():
    g = Geometry(1, 3, 4, (32, 32), (3, 3))
    x, weight, _ = tensors(g, dtype=torch.float32)
    x[:, :, 16:] *= 1e-3  # the lower half is dark
    exact = TORCH.forward(x.double(), weight.double(), g)
    for implementation, least, most in ((im2col.IMPLEMENTATION, 0, 1e-6), (fourier.IMPLEMENTATION, 2e-5, 1e-3)):
        error = (implementation.forward(x, weight, g) - exact).abs()
        assert error.max() < 1e-6 * exact.abs().max()
        assert least <= error[:, :, 16:].max() / exact[:, :, 16:].abs().max() < most


@pytest.mark.parametrize("module", [im2col, shifted])
def test_several_chunks_give_what_one_gives(module, monkeypatch):
    g = Geometry(7, 4, 6, (9, 10), (3, 3), (2, 1), (1, 0), (1, 2), 2)
    given = tensors(g)
    whole = results(module.IMPLEMENTATION, *given, g)
    monkeypatch.setattr(im2col, "CHUNK", 3 * 8 * 4 * 9 * 5 * 6)  # three images of im2col's patches
    assert [part.stop for part in im2col.chunks(7, 8 * 4 * 9 * 5 * 6)] == [3, 6, 7]
    for a, b in zip(whole, results(module.IMPLEMENTATION, *given, g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


def test_a_chunk_holds_nothing_of_the_one_before(monkeypatch):
    # memory is used again: what is infinite in one image must not be seen in the next
    g = Geometry(3, 2, 2, (5, 5), (3, 3), padding=(1, 1))
    monkeypatch.setattr(im2col, "CHUNK", 1)
    x, weight, grad = tensors(g)
    x[0], grad[0] = torch.nan, torch.inf
    for implementation in (im2col.IMPLEMENTATION, shifted.IMPLEMENTATION):
        y, dx = implementation.forward(x, weight, g), implementation.input_gradient(grad, weight, g)
        torch.testing.assert_close(y[1:], TORCH.forward(x, weight, g)[1:], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(dx[1:], TORCH.input_gradient(grad, weight, g)[1:], rtol=1e-12, atol=1e-12)


def test_every_thread_has_its_images():
    before = torch.get_num_threads()
    g = Geometry(5, 3, 4, (6, 7), (3, 3), padding=(1, 1))
    given = tensors(g)
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            for a, b in zip(results(compiled.IMPLEMENTATION, *given, g), results(TORCH, *given, g), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    finally:
        torch.set_num_threads(before)


def test_what_is_compiled_is_what_python_runs():
    for function in (loops.convolve, loops.convolve_input, loops.convolve_weight):
        assert compiled.compiled(function).py_func is function


@pytest.mark.slow
def test_without_numba_the_extra_is_named():
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['numba'] = None\n"
            "import torch\nfrom smallvision.conv.compiled import IMPLEMENTATION\nfrom smallvision.conv.geometry import "
            "Geometry\n"
            "g = Geometry(1, 1, 1, (3, 3), (3, 3))\n"
            "try: IMPLEMENTATION.forward(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), g)\nexcept ImportError as "
            "error: print(error)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == (
        'compiled: this implementation needs numba; install it with pip install "smallvision[numba]", or use '
        "another implementation, such as im2col\n"
    )


GEOMETRIES = [
    Geometry(5, 6, 8, (18, 16), (3, 3), padding=(1, 1)),
    Geometry(5, 6, 8, (18, 16), (3, 3), padding=(1, 1), groups=2),
    Geometry(4, 6, 12, (19, 21), (3, 5), (2, 3), (0, 2), (2, 1)),
    Geometry(4, 6, 12, (19, 21), (3, 5), (2, 3), (0, 2), (2, 1), groups=3),
    Geometry(6, 10, 4, (14, 14), (1, 1)),
]


@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
@pytest.mark.parametrize("name", MATRICES)
def test_multiply_adds_as_torch_counts_them(name, g):
    implementation = IMPLEMENTATIONS[name]
    for call, cost in zip(calls(implementation, *tensors(g), g), implementation.costs(g, 8), strict=True):
        assert flops(call) == 2 * cost.multiply_adds == 2 * g.multiply_adds


@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
def test_multiply_adds_of_the_transforms_and_of_the_products_between(g):
    n, m = (fourier.fast_length(size + 2 * p) for size, p in zip(g.size, g.padding, strict=True))
    maps = g.batch * g.channels + g.filters * g.channels // g.groups + g.batch * g.filters
    for call, cost in zip(
        calls(fourier.IMPLEMENTATION, *tensors(g), g), fourier.IMPLEMENTATION.costs(g, 8), strict=True
    ):
        complex_products = flops(call) / 2
        assert cost.multiply_adds == pytest.approx(
            4 * complex_products + maps * 1.25 * n * m * math.log2(n * m), rel=1e-3
        )


def test_fast_lengths_are_scipys():
    from scipy.fft import next_fast_len

    # scipy's for real numbers: 5-smooth
    assert [fourier.fast_length(n) for n in range(1, 300)] == [next_fast_len(n, real=True) for n in range(1, 300)]


def test_the_loops_multiply_as_often_as_the_definition():
    counted = 0

    class One:
        def __mul__(self, other):
            nonlocal counted
            counted += 1
            return 1.0

    g = Geometry(2, 3, 2, (4, 5), (3, 2), (1, 2), (1, 0), (1, 2))
    for function, shapes in (
        (loops.convolve, ((2, 6, 5, 3), (3, 2, 3, 2), (2, *g.output, 2))),
        (loops.convolve_input, ((2, *g.output, 2), (3, 2, 2, 3), (2, 6, 5, 3))),
        (loops.convolve_weight, ((2, *g.output, 2), (2, 6, 5, 3), (3, 2, 3, 2))),
    ):
        counted, arrays = 0, [np.empty(shape, dtype=object) for shape in shapes]
        for array, value in zip(arrays, (One(), One(), 0.0), strict=True):
            array.fill(value)
        function(*arrays, *g.stride, *g.dilation)
        assert counted == g.multiply_adds == loops.IMPLEMENTATION.costs(g, 4)[0].multiply_adds
        assert arrays[2].sum() == counted  # each product was added once


@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
@pytest.mark.parametrize(
    ("name", "chunk"),
    [
        ("im2col", 2**22),
        ("im2col", 2**15),
        ("shifted", 2**22),
        ("shifted", 2**15),
        ("einsum", 0),
        ("compiled", 0),
        ("fft", 0),
    ],
)
def test_memory_is_what_is_stated(name, chunk, g, monkeypatch):
    monkeypatch.setattr(im2col, "CHUNK", chunk)
    implementation, given = IMPLEMENTATIONS[name], tensors(g, dtype=torch.float32)
    off = 2 if name == "fft" else 1.3  # what a transform makes within is not seen here, and is part of the estimate
    for what, call, cost in zip(RESULTS, calls(implementation, *given, g), implementation.costs(g, 4), strict=True):
        with Fresh(*given) as fresh:
            result = call()
        made = fresh.most - result.nbytes
        assert cost.bytes / off - 2048 <= made <= 1.3 * cost.bytes + 2048, what
