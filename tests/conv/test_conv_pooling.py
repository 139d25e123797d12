"""Pooling and its gradients against torch's, with ties, NaN and infinities; derivatives against finite differences."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from smallvision.conv.pooling import global_max, global_mean, max_pool2d, mean_pool2d
from smallvision.conv.sizes import pool_size

MANY = settings(max_examples=150, deadline=None, derandomize=True)
NAN, INF = float("nan"), float("inf")


def pairs(least, most):
    return st.one_of(st.integers(least, most), st.tuples(st.integers(least, most), st.integers(least, most)))


@st.composite
def cases(draw, dilated):
    """x's shape, and arguments that torch takes, too."""
    how = {"kernel": draw(pairs(1, 5)), "stride": draw(st.none() | pairs(1, 4)), "padding": draw(pairs(0, 2))}
    if dilated:
        how["dilation"] = draw(pairs(1, 3))
    ceil_mode, shape = (
        draw(st.booleans()),
        draw(st.tuples(*(st.integers(*ends) for ends in ((0, 2), (1, 3), (1, 11), (1, 11))))),
    )
    both = {
        name: (value, value) if isinstance(value, int) else value for name, value in how.items() if value is not None
    }
    for i in (0, 1):
        numbers = {name: value[i] for name, value in both.items()}
        try:
            count = pool_size(shape[2 + i], **numbers, ceil_mode=ceil_mode)
        except ValueError:
            assume(False)
        assume(not blind(shape[2 + i], count, **numbers))
    return shape, how | {"ceil_mode": ceil_mode}


def blind(size, count, kernel, stride=None, padding=0, dilation=1):
    """Whether a window sees no pixel, stepping over all of a small image: torch 2.13 then writes its gradient to memory
    outside of it."""
    return any(
        not any(0 <= i * (stride or kernel) - padding + k * dilation < size for k in range(kernel))
        for i in range(count)
    )


def maps(shape, kind, seed):
    """Normal; few different values, so that many are equal; or those with NaN and infinities among them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "normal":
        return x
    x = x.round()
    if kind == "strange":
        which = torch.randint(6, shape, generator=generator)
        x = torch.where(which == 0, -INF, torch.where(which == 1, NAN, torch.where(which == 2, INF, x)))
    return x


def compare(ours, theirs, x):
    """Forward and gradient, the maps lying in memory one way or another."""
    layout = torch.channels_last if x.shape[2] % 2 else torch.contiguous_format
    one, other = (x.clone(memory_format=layout).requires_grad_() for _ in range(2))
    y, expected = ours(one), theirs(other)
    assert y.shape == expected.shape
    torch.testing.assert_close(y, expected, rtol=1e-13, atol=1e-13, equal_nan=True)
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    y.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-13, atol=1e-13, equal_nan=True)


KINDS = st.sampled_from(["normal", "ties", "strange"])


@pytest.mark.slow
@MANY
@given(cases(dilated=True), KINDS, st.integers(0, 99))
def test_maximum_and_its_gradient_are_torchs(case, kind, seed):
    shape, how = case
    theirs = {("kernel_size" if name == "kernel" else name): value for name, value in how.items()}
    compare(lambda x: max_pool2d(x, **how), lambda x: F.max_pool2d(x, **theirs), maps(shape, kind, seed))


@pytest.mark.slow
@MANY
@given(cases(dilated=False), KINDS, st.integers(0, 99), st.booleans())
def test_mean_and_its_gradient_are_torchs(case, kind, seed, count_include_pad):
    shape, how = case
    theirs = {("kernel_size" if name == "kernel" else name): value for name, value in how.items()}
    compare(
        lambda x: mean_pool2d(x, **how, count_include_pad=count_include_pad),
        lambda x: F.avg_pool2d(x, **theirs, count_include_pad=count_include_pad),
        maps(shape, kind, seed),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.tuples(*(st.integers(least, 5) for least in (0, 1, 1, 1))), KINDS, st.integers(0, 99))
def test_global_pooling_is_torchs(shape, kind, seed):
    x = maps(shape, kind, seed)
    assert global_max(x).shape == shape[:2]
    compare(global_max, lambda x: x.amax((2, 3)), x)
    compare(global_mean, lambda x: x.mean((2, 3)), x)


def test_ties_the_first_takes_all_or_all_share():
    x = torch.tensor([[[[1.0, 3.0, 3.0], [3.0, 0.0, 2.0]]]], requires_grad=True)
    max_pool2d(x, (2, 3)).sum().backward()
    assert x.grad.tolist() == [[[[0, 1, 0], [0, 0, 0]]]]  # row by row
    x.grad = None
    global_max(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[[[0, 1, 1], [1, 0, 0]]]]) / 3)


def test_padding_is_never_the_maximum():
    x = torch.full((1, 1, 3, 3), -INF, requires_grad=True)
    y = max_pool2d(x, 2, 1, 1)
    assert (y == -INF).all()
    y.sum().backward()
    assert x.grad.sum() == y.numel()  # all of the gradient reaches the image
    assert (max_pool2d(-torch.ones(1, 1, 2, 2), 3, 1, 1) == -1).all()


def test_a_window_that_sees_no_pixel_is_minus_infinity_and_has_no_gradient():
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    y = max_pool2d(x, (2, 1), 1, (1, 0), (3, 1))  # rows -1 and 2 of an image with rows 0 and 1
    assert y.tolist() == [[[[-INF, -INF]]]]
    y.sum().backward()
    assert not x.grad.any()


def test_what_counts_in_a_mean():
    x = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    assert mean_pool2d(x, 3, 3, 1)[0, 0].tolist() == [[4 / 9, 2 / 3], [2 / 3, 1]]
    assert (mean_pool2d(x, 3, 3, 1, count_include_pad=False) == 1).all()
    assert mean_pool2d(x[..., :3, :3], 2, 2, ceil_mode=True).eq(1).all()  # beyond the padding nothing counts


def distinct(*shape):
    """Values far enough apart that finite differences do not change which is the largest."""
    count = torch.Size(shape).numel()
    return (
        torch.randperm(count, generator=torch.Generator().manual_seed(0))
        .to(torch.float64)
        .view(shape)
        .div(4)
        .requires_grad_()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "pool",
    [
        lambda x: max_pool2d(x, 2),
        lambda x: max_pool2d(x, (3, 2), (2, 1), 1, (1, 2), True),
        lambda x: mean_pool2d(x, 2),
        lambda x: mean_pool2d(x, (3, 2), (2, 3), 1, True),
        lambda x: mean_pool2d(x, 3, 2, 1, True, False),
        global_max,
        global_mean,
    ],
)
def test_first_and_second_derivatives(pool):
    x = distinct(2, 2, 5, 6)
    assert gradcheck(pool, x)
    assert gradgradcheck(pool, x)
    # all of these are piecewise linear: the second derivative shows only behind something that is not
    assert gradgradcheck(lambda x: pool(x) ** 2, x)


def test_one_image_single_precision_and_no_images():
    x = maps((2, 3, 7, 6), "normal", 0)
    for pool in (lambda x: max_pool2d(x, 3, 2, 1), lambda x: mean_pool2d(x, 3, 2, 1)):
        assert torch.equal(pool(x[0]), pool(x)[0])
        assert pool(x.float()).dtype == torch.float32
        assert pool(x[:0]).shape == (0, 3, 4, 3)
        kept = x.clone()
        pool(x)
        assert torch.equal(x, kept)


@pytest.mark.parametrize("pool", [max_pool2d, mean_pool2d])
@pytest.mark.parametrize(
    ("x", "how", "said"),
    [
        ([[1.0]], {"kernel": 2}, "x: list; expected a torch.Tensor (B, C, H, W), or (C, H, W) for one image"),
        (torch.zeros(4, 4), {"kernel": 2}, "x: shape (4, 4); expected a torch.Tensor (B, C, H, W)"),
        (
            torch.zeros(1, 4, 4).byte(),
            {"kernel": 2},
            "x: torch.uint8 of shape (1, 4, 4); expected floating-point numbers, use x.float()",
        ),
        (torch.zeros(1, 1, 4, 4), {"kernel": 0}, "kernel: 0; expected an integer >= 1"),
        (torch.zeros(1, 1, 4, 4), {"kernel": 2, "stride": 0}, "stride: 0; expected an integer >= 1"),
        (torch.zeros(1, 1, 4, 4), {"kernel": 2, "padding": (0, -1)}, "padding: (0, -1); expected an integer >= 0"),
        (
            torch.zeros(1, 1, 4, 4),
            {"kernel": 3, "padding": 2},
            "padding: 2 for height 4 is more than half of the pooling kernel 3; use",
        ),
        (torch.zeros(1, 1, 4, 2), {"kernel": 3}, "width 2"),
    ],
)
def test_what_cannot_be_pooled_is_said(pool, x, how, said):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message follows
        pool(x, **how)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_dilation_of_none_is_refused():
    with pytest.raises(ValueError, match="dilation: 0; expected an integer >= 1"):
        max_pool2d(torch.zeros(1, 1, 4, 4), 2, dilation=0)
