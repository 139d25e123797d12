"""Unfold against torch's and against its own loops; fold as its adjoint, by the dot-product test; arguments that do not
fit."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from smallvision.conv.patches import fold, fold_loops, unfold, unfold_loops
from smallvision.conv.sizes import conv_size

MANY = settings(max_examples=150, deadline=None, derandomize=True)
FEW = settings(max_examples=25, deadline=None, derandomize=True)


def pairs(least, most):
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def cases(draw, largest=12):
    """x's shape and the four pairs."""
    size, kernel, stride = draw(pairs(1, largest)), draw(pairs(1, 4)), draw(pairs(1, 4))
    padding, dilation = draw(pairs(0, 3)), draw(pairs(1, 3))
    assume(all(s + 2 * p >= d * (k - 1) + 1 for s, k, p, d in zip(size, kernel, padding, dilation, strict=True)))
    return (draw(st.integers(0, 3)), draw(st.integers(1, 3)), *size), (kernel, stride, padding, dilation)


def torchs(x, kernel, stride, padding, dilation):
    return F.unfold(x, kernel, dilation, padding, stride).transpose(1, 2)


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@MANY
@given(cases())
def test_unfold_is_the_transpose_of_torchs(case):
    shape, numbers = case
    x = normal(*shape)
    if shape[0] == 0:  # torch's refuses it
        patches = unfold(x, *numbers)
        assert patches.shape == (0, *unfold(normal(1, *shape[1:]), *numbers).shape[1:])
        return
    assert torch.equal(unfold(x, *numbers), torchs(x, *numbers))


@FEW
@given(cases(largest=6))
def test_the_loops_are_the_definition_of_both(case):
    (batch, *rest), numbers = case
    x = normal(min(batch, 2), *rest)
    patches = unfold_loops(x, *numbers)
    assert torch.equal(patches, unfold(x, *numbers))
    torch.testing.assert_close(
        fold_loops(patches, x.shape[2:], *numbers), fold(patches, x.shape[2:], *numbers), rtol=1e-14, atol=0
    )


@MANY
@given(cases())
def test_fold_is_the_adjoint_of_unfold(case):
    # <unfold(x), q> = <x, fold(q)>: no derivative and no other library takes part
    shape, numbers = case
    x = normal(*shape)
    q = normal(*unfold(x, *numbers).shape)
    left, right = (unfold(x, *numbers) * q).sum(), (x * fold(q, shape[2:], *numbers)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12 * float(q.norm() * x.norm()))


@MANY
@given(cases())
def test_fold_is_torchs(case):
    (batch, *rest), (kernel, stride, padding, dilation) = case
    x = normal(max(batch, 1), *rest)
    q = normal(*unfold(x, kernel, stride, padding, dilation).shape)
    theirs = F.fold(q.transpose(1, 2), x.shape[2:], kernel, dilation, padding, stride)
    torch.testing.assert_close(fold(q, x.shape[2:], kernel, stride, padding, dilation), theirs, rtol=1e-13, atol=1e-13)


def test_fold_of_unfold_counts_the_windows_of_each_pixel():
    x = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    seen = fold(unfold(x, 3, padding=1), (4, 4), 3, padding=1)
    row = torch.tensor([2.0, 3.0, 3.0, 2.0], dtype=torch.float64)
    assert torch.equal(seen[0, 0], row[:, None] * row)
    assert unfold(x, 3, padding=1).numel() == 9 * x.numel()  # the price: k k times the memory


def test_rows_are_places_and_columns_kernel_values():
    x = torch.arange(2.0 * 3 * 4).view(1, 2, 3, 4)
    patches = unfold(x, (2, 3))
    assert patches.shape == (1, 2 * 2, 2 * 2 * 3)
    assert torch.equal(patches[0, 3], x[0, :, 1:3, 1:4].flatten())  # (i, j) = (1, 1), order (c, k, l)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_any_memory_layout_and_any_number_type(layout):
    for dtype in (torch.float32, torch.float64, torch.int64):
        x = (100 * normal(2, 3, 6, 7)).to(dtype).to(memory_format=layout)
        kept = x.clone()
        patches = unfold(x, 3, 2, 1)
        assert patches.dtype == dtype
        assert torch.equal(patches.double(), torchs(x.double(), (3, 3), (2, 2), (1, 1), (1, 1)))
        fold(patches, (6, 7), 3, 2, 1)
        assert torch.equal(x, kept)


def test_torch_can_differentiate_both():
    x = normal(2, 2, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: unfold(x, (3, 2), (2, 1), 1), x)
    q = unfold(x, (3, 2), (2, 1), 1).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda q: fold(q, (5, 4), (3, 2), (2, 1), 1), q)


@pytest.mark.parametrize("function", [unfold, unfold_loops])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([[1.0]], 3), "x: list; expected a torch.Tensor (B, C, H, W)"),
        ((torch.zeros(3, 8, 8), 3), "x: shape (3, 8, 8) has 3 dimensions; expected 4"),
        ((torch.zeros(1, 0, 8, 8), 3), "x: shape (1, 0, 8, 8) has no channels"),
        ((torch.zeros(1, 1, 8, 8), 0), "kernel: 0; expected an integer >= 1"),
        ((torch.zeros(1, 1, 8, 8), (3, 3, 3)), "kernel: (3, 3, 3); expected"),
        ((torch.zeros(1, 1, 8, 8), 3, 0), "stride: 0; expected an integer >= 1"),
        ((torch.zeros(1, 1, 8, 8), 3, 1, -1), "padding: -1; expected an integer >= 0"),
        ((torch.zeros(1, 1, 8, 8), 3, 1, 0, 0), "dilation: 0; expected an integer >= 1"),
    ],
)
def test_what_cannot_be_unfolded_is_said(function, arguments, said):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message follows
        function(*arguments)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_kernel_too_large_is_refused_as_the_sizes_refuse_it():
    with pytest.raises(ValueError) as ours:  # noqa: PT011
        unfold(torch.zeros(1, 1, 8, 4), 5)
    with pytest.raises(ValueError) as sizes:  # noqa: PT011
        conv_size(4, 5, axis="width")
    assert str(ours.value) == str(sizes.value)


@pytest.mark.parametrize("function", [fold, fold_loops])
def test_what_cannot_be_folded_is_said(function):
    x = torch.zeros(2, 3, 6, 5)
    patches = unfold(x, 2)  # (2, 20, 12)
    for arguments, said in (
        ((patches[0], (6, 5), 2), "patches: shape (20, 12); expected a torch.Tensor (B, P, K), one patch in each row"),
        (([1], (6, 5), 2), "patches: list; expected a torch.Tensor (B, P, K)"),
        ((patches, (6,), 2), "size: (6,); expected an integer >= 1, or two (height, width)"),
        (
            (patches, 6, 2),
            "patches: shape (2, 20, 12); a 2x2 kernel has 5 x 5 positions on 6x6; expected (B, 25, C x 4)",
        ),
        ((patches[..., :-1], (6, 5), 2), "a 2x2 kernel has 5 x 4 positions on 6x5; expected (B, 20, C x 4)"),
        (
            (F.unfold(x, 2), (6, 5), 2),
            "expected (B, 20, C x 4); torch's unfold returns the transpose of this, so use patches.transpose(1, 2)",
        ),
        ((patches, (6, 5), 0), "kernel: 0; expected an integer >= 1"),
    ):
        with pytest.raises(ValueError) as refused:  # noqa: PT011
            function(*arguments)
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
