"""Sizes along an axis are torch's wherever torch has one, and what torch refuses is refused, with a cure that works."""

import itertools
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from smallvision.conv.sizes import conv_size, pair, pool_size, same_padding, transposed_size


def torchs(function, size, kernel, *numbers, **more):
    """The size torch makes of an axis, the other axis having one pixel; None if it refuses."""
    x = torch.zeros(1, 1, size, 1)
    try:
        return function(x, kernel, *numbers, **more).shape[2]
    except (RuntimeError, ValueError):
        return None


def torch_conv(size, kernel, stride, padding, dilation):
    return torchs(
        lambda x, k: functional.conv2d(x, torch.zeros(1, 1, k, 1), None, (stride, 1), (padding, 0), (dilation, 1)),
        size,
        kernel,
    )


def torch_transposed(size, kernel, stride, padding, more, dilation):
    return torchs(
        lambda x, k: functional.conv_transpose2d(
            x, torch.zeros(1, 1, k, 1), None, (stride, 1), (padding, 0), (more, 0), 1, (dilation, 1)
        ),
        size,
        kernel,
    )


def torch_max(size, kernel, stride, padding, dilation, ceil):
    return torchs(
        lambda x, k: functional.max_pool2d(
            x, (k, 1), None if stride is None else (stride, 1), (padding, 0), (dilation, 1), ceil
        ),
        size,
        kernel,
    )


def torch_mean(size, kernel, stride, padding, dilation, ceil):
    assert dilation == 1
    return torchs(
        lambda x, k: functional.avg_pool2d(x, (k, 1), None if stride is None else (stride, 1), (padding, 0), ceil),
        size,
        kernel,
    )


def ours(function, *numbers):
    try:
        return function(*numbers)
    except ValueError:
        return None


def grid(*ranges):
    return itertools.product(*ranges)


def test_convolution_everywhere():
    for numbers in grid(range(1, 12), range(1, 7), range(1, 4), range(5), range(1, 4)):
        assert ours(conv_size, *numbers) == torch_conv(*numbers), numbers


def test_transposed_everywhere():
    for numbers in grid(range(1, 8), range(1, 5), range(1, 4), range(5), range(4), range(1, 4)):
        assert ours(transposed_size, *numbers) == torch_transposed(*numbers), numbers


@pytest.mark.parametrize("ceil", [False, True])
def test_pooling_everywhere(ceil):
    for numbers in grid(range(1, 12), range(1, 7), [None, 1, 2, 3, 5, 8], range(5), range(1, 4)):
        size = ours(pool_size, *numbers, ceil)
        assert size == torch_max(*numbers, ceil), numbers
        if numbers[-1] == 1:
            assert size == torch_mean(*numbers, ceil), numbers


@given(
    st.integers(1, 5000),
    st.integers(1, 400),
    st.integers(1, 300),
    st.integers(0, 300),
    st.integers(1, 9),
    st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_large_numbers(size, kernel, stride, padding, dilation, ceil):
    assert ours(conv_size, size, kernel, stride, padding, dilation) == torch_conv(
        size, kernel, stride, padding, dilation
    )
    assert ours(pool_size, size, kernel, stride, padding, dilation, ceil) == torch_max(
        size, kernel, stride, padding, dilation, ceil
    )
    more = padding % 7
    small = size % 100 + 1
    assert ours(transposed_size, small, kernel, stride, padding, more, dilation) == torch_transposed(
        small, kernel, stride, padding, more, dilation
    )


@pytest.mark.parametrize("wrong", [0, -1, -7])
def test_what_torch_refuses_as_a_number(wrong):
    for place in range(1, 5):
        numbers = [5, 3, 2, 1, 1]
        numbers[place] = wrong
        if (place, wrong) != (3, 0):  # no padding is a padding
            assert torch_conv(*numbers) is None
            assert ours(conv_size, *numbers) is None
            assert torch_max(*numbers, False) is None
            assert ours(pool_size, *numbers) is None
            assert torch_transposed(*numbers[:4], 0, numbers[4]) is None
            assert ours(transposed_size, *numbers[:4], 0, numbers[4]) is None
    assert torch_conv(0, 1, 1, 1, 1) is None
    assert ours(conv_size, 0, 1, 1, 1, 1) is None


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (conv_size, ["size", "kernel", "stride", "padding", "dilation"]),
        (pool_size, ["size", "kernel", "stride", "padding", "dilation"]),
        (transposed_size, ["size", "kernel", "stride", "padding", "output_padding", "dilation"]),
    ],
)
@pytest.mark.parametrize("wrong", [True, 2.0, "3", (3, 3), -1])
def test_the_wrong_number_is_named(function, names, wrong):
    for name in names:
        good = dict.fromkeys(names, 2) | {"padding": 0, "output_padding": 0}
        with pytest.raises(ValueError, match=re.escape(repr(wrong))) as refused:
            function(**{key: value for key, value in good.items() if key in names} | {name: wrong}, axis="width")
        least = 0 if "padding" in name else 1
        called = "width" if name == "size" else name
        where = "" if name == "size" else " for width"
        assert str(refused.value) == f"{called}: {wrong!r}{where}; expected an integer >= {least}"


def cures(message):
    """The changes that a message offers, each a dict of arguments, with the direction in which they were bounded."""
    for offer in message.partition("; use ")[2].split(" or "):
        for name, sign, value, also in re.findall(r"(\w+) ([<>])= (\d+)(?: with padding (\d+))?", offer):
            yield name, sign, int(value), {"padding": int(also)} if also else {}


CURED = [
    (
        conv_size,
        ("size", "kernel", "stride", "padding", "dilation"),
        (range(1, 9), range(1, 9), [1, 3], range(3), range(1, 4)),
    ),
    (
        pool_size,
        ("size", "kernel", "stride", "padding", "dilation", "ceil_mode"),
        (range(1, 8), range(1, 9), [None, 1, 3], range(6), range(1, 4), [False, True]),
    ),
    (
        transposed_size,
        ("size", "kernel", "stride", "padding", "output_padding", "dilation"),
        (range(1, 5), range(1, 5), range(1, 4), range(7), range(5), range(1, 4)),
    ),
]


@pytest.mark.parametrize(("function", "names", "ranges"), CURED)
def test_every_cure_works_and_nothing_less_does(function, names, ranges):
    refused = 0
    for numbers in itertools.product(*ranges):
        asked = dict(zip(names, numbers, strict=True))
        try:
            function(**asked)
        except ValueError as error:
            message = str(error)
        else:
            continue
        refused += 1
        # a pooling's padding and size, or an output padding and the size, may both be wrong: then one after the other
        offered = list(cures(message))
        assert offered, message
        for name, sign, value, also in offered:
            changed = asked | {name: value} | also
            beyond = changed | {name: value + 1 if sign == "<" else value - 1}
            if message.startswith(("padding: ", "output_padding: ")):
                assert before_colon(function, changed) != message.partition(":")[0], (asked, message)
                assert before_colon(function, beyond) == message.partition(":")[0], (asked, message)
            else:
                function(**changed)
                with pytest.raises(ValueError, match=": "):
                    function(**beyond)
    assert refused > 100


def before_colon(function, numbers):
    try:
        function(**numbers)
    except ValueError as error:
        return str(error).partition(":")[0]
    return None


def test_what_the_errors_say():
    with pytest.raises(
        ValueError, match=r"^kernel: 5 does not fit into height 3 with padding 0; use kernel <= 3 or padding >= 1$"
    ):
        conv_size(3, 5, axis="height")
    with pytest.raises(
        ValueError,
        match=re.escape(
            "kernel: 3 (dilation 4: spans 9) does not fit into width 5 with padding 1; use kernel <= 2 or dilation <= "
            "3 or padding >= 2"
        ),
    ):
        conv_size(5, 3, 1, 1, 4, "width")
    with pytest.raises(
        ValueError,
        match=re.escape(
            "padding: 2 for size 8 is more than half of the pooling kernel 3; use padding <= 1 or kernel >= 4"
        ),
    ):
        pool_size(8, 3, 1, 2)
    with pytest.raises(
        ValueError,
        match=re.escape(
            "output_padding: 2 for size 3 must be less than stride 2 or dilation 1; use output_padding <= 1, or "
            "stride >= 3"
        ),
    ):
        transposed_size(3, 3, 2, 0, 2)
    with pytest.raises(
        ValueError,
        match=re.escape(
            "padding: 2 on both sides removes all 3 pixels that stride 1 and kernel 3 make from size 1; "
            "use padding <= 1"
        ),
    ):
        transposed_size(1, 3, 1, 2)


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_same_padding_is_torchs_also_where_it_is_odd(kernel, dilation):
    generator = torch.Generator().manual_seed(kernel)
    x, weight = torch.rand(1, 1, 9, 1, generator=generator), torch.rand(1, 1, kernel, 1, generator=generator)
    before, after = same_padding(kernel, dilation)
    padded = functional.pad(x, (0, 0, before, after))
    expected = functional.conv2d(x, weight, padding="same", dilation=(dilation, 1))
    torch.testing.assert_close(functional.conv2d(padded, weight, dilation=(dilation, 1)), expected)
    assert expected.shape == x.shape


@pytest.mark.parametrize("value", [True, 0, (1, 0), (1, 2, 3), "ab", None, 2.5, (1.0, 1)])
def test_what_is_no_pair(value):
    with pytest.raises(ValueError, match=r"^kernel: .*; expected an integer >= 1, or two \(height, width\)$"):
        pair(value, "kernel", 1)


def test_pairs():
    assert pair(3, "kernel", 1) == (3, 3)
    assert pair((3, 5), "kernel", 1) == (3, 5)
    assert pair([0, 2], "padding", 0) == (0, 2)
