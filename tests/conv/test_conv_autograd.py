"""conv2d, conv_transpose2d and the autograd Functions beneath, against torch and finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from smallvision import conv
from smallvision.conv.geometry import Geometry
from smallvision.conv.implementations import IMPLEMENTATIONS

SETTINGS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 3), "padding": (0, 2), "dilation": (2, 1)},
    {"padding": 1, "groups": 2},
    {"padding": "same", "dilation": 3},
    {"padding": "valid"},
]


def leaves(*shapes, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def close(a, b, bound=1e-12):
    a, b = a.detach(), b.detach()
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= bound * float(b.abs().max()), (a, b)


@st.composite
def calls(draw):
    two = lambda low, high: (draw(st.integers(low, high)), draw(st.integers(low, high)))  # noqa: E731
    groups, kernel, stride, padding, dilation = draw(st.integers(1, 3)), two(1, 4), two(1, 3), two(0, 3), two(1, 3)
    size = [
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 10))
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    shapes = (draw(st.integers(1, 3)), channels, *size), (filters, channels // groups, *kernel), (filters,)
    return shapes, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(calls(), st.booleans(), st.integers(0, 2**32))
def test_values_and_gradients_are_torchs(call, biased, seed):
    shapes, how = call
    tensors = leaves(*shapes[: 2 + biased], seed=seed)
    ours, theirs = conv.conv2d(*tensors, **how), F.conv2d(*tensors, **how)
    close(ours, theirs)
    grad = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for a, b in zip(torch.autograd.grad(ours, tensors, grad), torch.autograd.grad(theirs, tensors, grad), strict=True):
        close(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("how", SETTINGS, ids=str)
def test_gradients_of_gradients_by_finite_differences(how):
    x, weight, bias = leaves((2, 4, 6, 5), (2, 4 // how.get("groups", 1), 2, 2), (2,))
    function = lambda *tensors: conv.conv2d(*tensors, **how)  # noqa: E731
    assert torch.autograd.gradcheck(function, (x, weight, bias))
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in IMPLEMENTATIONS if name != "torch"])
def test_every_implementation_has_gradients_to_the_second_order(name):
    g = Geometry(2, 2, 4, (4, 5), (3, 3), padding=(1, 1), groups=2)
    x, weight, bias = leaves(g.x_shape, g.weight_shape, (4,))
    function = lambda *tensors: conv.Conv2dFunction.apply(*tensors, g, IMPLEMENTATIONS[name])  # noqa: E731
    assert torch.autograd.gradcheck(function, (x, weight, bias))
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


def test_a_third_derivative_is_torchs():
    def third(function):
        x, weight = leaves((1, 2, 5, 5), (3, 2, 3, 3))
        value = function(x, weight, padding=1).pow(4).sum()
        for tensor in (x, weight, x):
            (grad,) = torch.autograd.grad(value, tensor, create_graph=True)
            value = grad.pow(2).sum()
        return value

    torch.testing.assert_close(third(conv.conv2d), third(F.conv2d), rtol=1e-12, atol=0)


def test_only_gradients_that_are_needed_are_computed():
    x, weight = leaves((1, 1, 4, 4), (1, 1, 3, 3))
    used = []
    spy = conv.Implementation(
        "spy",
        "",
        IMPLEMENTATIONS["im2col"].forward,
        lambda *a: (used.append("x"), IMPLEMENTATIONS["im2col"].input_gradient(*a))[1],
        lambda *a: (used.append("w"), IMPLEMENTATIONS["im2col"].weight_gradient(*a))[1],
        IMPLEMENTATIONS["im2col"].costs,
    )
    conv.Conv2dFunction.apply(x.detach(), weight, None, Geometry(1, 1, 1, (4, 4), (3, 3)), spy).sum().backward()
    assert used == ["w"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(calls(), st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(0, 2**32))
def test_transposed_convolution_is_torchs(call, output_padding, seed):
    ((batch, _, *size), (filters, per_group, *kernel), _), how = call
    limits = zip(output_padding, how["stride"], how["dilation"], strict=True)
    how = how | {"output_padding": tuple(min(more, max(s, d) - 1) for more, s, d in limits)}
    tensors = leaves((batch, filters, *size), (filters, per_group, *kernel), (per_group * how["groups"],), seed=seed)
    try:
        theirs = F.conv_transpose2d(*tensors, **how)
    except RuntimeError:  # nothing is left of it
        with pytest.raises(ValueError, match=r"padding|kernel"):
            conv.conv_transpose2d(*tensors, **how)
        return
    ours = conv.conv_transpose2d(*tensors, **how)
    close(ours, theirs)
    grad = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for a, b in zip(torch.autograd.grad(ours, tensors, grad), torch.autograd.grad(theirs, tensors, grad), strict=True):
        close(a, b)


@pytest.mark.slow
def test_transposed_convolution_is_the_adjoint():
    z, weight = leaves((2, 3, 9, 8), (4, 3, 3, 2))
    how = {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2)}
    y = conv.conv2d(z, weight, **how)
    (x,) = leaves(y.shape, seed=5)
    back = conv.conv_transpose2d(x, weight, output_padding=(0, 2), **how)
    assert back.shape == z.shape
    torch.testing.assert_close((x * y).sum(), (back * z).sum(), rtol=1e-12, atol=0)
    assert torch.autograd.gradgradcheck(
        lambda x, w: conv.conv_transpose2d(x, w, output_padding=(0, 2), **how), (x, weight)
    )


def test_one_image_without_a_batch():
    x, weight, bias = leaves((3, 6, 6), (2, 3, 3, 3), (2,))
    close(conv.conv2d(x, weight, bias, padding="same"), F.conv2d(x, weight, bias, padding="same"))
    (y,) = leaves((2, 4, 4))
    close(conv.conv_transpose2d(y, weight), F.conv_transpose2d(y, weight))


def test_an_empty_batch():
    x, weight, bias = leaves((0, 3, 6, 6), (2, 3, 3, 3), (2,))
    y = conv.conv2d(x, weight, bias)
    y.sum().backward()
    assert y.shape == (0, 2, 4, 4)
    assert x.grad.shape == x.shape
    assert not weight.grad.any()
    assert not bias.grad.any()


@pytest.mark.parametrize("transposed", [False, True])
def test_autocast_lowers_it_as_torchs(transposed):
    x, weight, bias = leaves((4, 8, 8, 8), (8, 8, 3, 3), (8,), dtype=torch.float32)
    ours, theirs = (conv.conv_transpose2d, F.conv_transpose2d) if transposed else (conv.conv2d, F.conv2d)
    with torch.autocast("cpu", torch.bfloat16):
        a, b = ours(x, weight, bias, padding=1), theirs(x, weight, bias, padding=1)
    assert a.dtype == b.dtype == torch.bfloat16
    close(a, b, 0.02)
    grads = [torch.autograd.grad(y.float().pow(2).sum(), (x, weight, bias)) for y in (a, b)]
    for one, other in zip(*grads, strict=True):
        assert one.dtype == other.dtype == torch.float32
        close(one, other, 0.03)


def test_functional_gradients_and_deep_copies_of_the_graph_work():
    x, weight = leaves((2, 2, 5, 5), (3, 2, 3, 3))
    loss = lambda function: lambda w: function(x, w).square().sum()  # noqa: E731
    close(torch.func.grad(loss(conv.conv2d))(weight.detach()), torch.func.grad(loss(F.conv2d))(weight.detach()))


X, W, B = torch.zeros(2, 3, 8, 8), torch.zeros(4, 3, 3, 3), torch.zeros(4)


@pytest.mark.parametrize(
    ("arguments", "how", "said"),
    [
        (
            (torch.zeros(2, 8, 8, 8), W),
            {},
            r"weight: shape \(4, 3, 3, 3\) is for 3 channels, but x has 8.*weight of shape \(4, 8, 3, 3\)",
        ),
        ((X, torch.zeros(4, 3, 9, 3)), {}, r"kernel.*9.*height.*8"),
        ((X, W, torch.zeros(3)), {}, r"bias: shape \(3,\); expected \(4,\)"),
        ((X, W), {"groups": 2}, r"groups: 2 does not divide the 3 channels"),
        ((X, torch.zeros(4, 1, 3, 3)), {"groups": 3}, r"groups: 3 does not divide the 4 kernels"),
        ((X, W), {"groups": 0}, r"groups: 0; expected an integer >= 1"),
        ((X, W), {"stride": 0}, r"stride: 0"),
        ((X, W), {"stride": (1, 2, 3)}, r"stride: \(1, 2, 3\)"),
        ((X, W), {"dilation": -1}, r"dilation: -1"),
        ((X, W), {"dilation": 4}, r"kernel.*dilation 4"),
        ((X, W), {"padding": -1}, r"padding: -1"),
        ((X, W), {"padding": 1.5}, r"padding: 1.5"),
        ((X, W), {"padding": "full"}, r"padding: 'full'; expected"),
        ((X, W), {"padding": "same", "stride": 2}, r'padding: "same" needs stride 1'),
        ((X[0, 0], W), {}, r"x: shape \(8, 8\) has 2 dimensions; expected 4"),
        ((X, W[0]), {}, r"weight: shape \(3, 3, 3\) has 3 dimensions"),
        ((X, W.double()), {}, r"weight: it is torch.float64, but x is torch.float32"),
        ((X.long(), W), {}, r"x: torch.int64.*x.float\(\)"),
        ((X.numpy(), W), {}, r"x: ndarray; expected a torch.Tensor"),
        ((X, W.to("meta")), {}, r"weight: it is on meta, but x is on cpu"),
    ],
    ids=str,
)
def test_wrong_arguments_are_named_in_one_line(arguments, how, said):
    with pytest.raises(ValueError, match=said) as error:
        conv.conv2d(*arguments, **how)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "how", "said"),
    [
        ((X, W), {}, r"weight: shape \(4, 3, 3, 3\) takes 4 channels, but x has 3"),
        ((X, torch.zeros(3, 2, 3, 3), B), {}, r"bias: shape \(4,\); expected \(2,\)"),
        ((X, torch.zeros(3, 2, 3, 3)), {"output_padding": 1}, r"output_padding"),
        ((X, torch.zeros(3, 2, 1, 1)), {"padding": 4}, r"padding"),
        ((X, torch.zeros(3, 2, 3, 3)), {"groups": 2}, r"groups"),
        ((X, W[0]), {}, r"expected \(B, C, H, W\) and"),
    ],
    ids=str,
)
def test_wrong_arguments_of_the_transposed_one_too(arguments, how, said):
    with pytest.raises(ValueError, match=said) as error:
        conv.conv_transpose2d(*arguments, **how)
    assert "\n" not in str(error.value)


def test_names_of_the_version_before_still_work_with_a_warning():
    for old, new in (("RUNGS", "IMPLEMENTATIONS"), ("Rung", "Implementation")):
        with pytest.warns(DeprecationWarning, match=rf"conv\.{old} is now smallvision\.conv\.{new}; "):
            former = getattr(conv, old)
        assert former is getattr(conv, new)


@pytest.mark.parametrize("name", conv.__all__)
def test_every_public_name_is_there(name):
    assert name in dir(conv)
    assert callable(getattr(conv, name)) or name == "IMPLEMENTATIONS"
