"""A decoder returns to exactly the encoder's input, built with torch and run."""

import re
from itertools import pairwise

import pytest
import torch
from conv_torch import build, convs, images, points, pools, transposeds, upsamples
from hypothesis import given, settings
from hypothesis import strategies as st

from smallvision.conv.mirror import mirror
from smallvision.conv.stack import Activation, Conv, Dense, Flat, Pool, Transposed, Upsample, parse, stack_text, trace

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
heads = st.sampled_from(
    [
        "",
        "flat dense(20) relu dense(3)",
        "global(mean)",
        "global(max) dense(4) tanh",
        "flat",
        "flat dense(6) unflatten(3x2x1)",
    ]
)


def there_and_back(shape, layers):
    """The shape of a code and of what is made of it, by torch."""
    encoder = trace(shape, layers)
    code, decoder = mirror(shape, layers)
    with torch.no_grad():
        values = build(encoder)(torch.zeros(2, *shape))
        assert values.shape[1:] == code
        back = build(trace(code, decoder))(values)
    assert back.shape[1:] == shape
    assert trace(code, decoder)[-1:] == [] or trace(code, decoder)[-1].after == shape
    return decoder


@pytest.mark.slow
@given(images, st.lists(st.one_of(convs, convs, pools, pools, points), max_size=5), heads)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_random_encoders(shape, layers, head):
    layers = layers + parse(f"1x1x1 {head}")[1]
    try:
        trace(shape, layers)
    except ValueError:
        return
    there_and_back(shape, layers)


@given(images, st.lists(st.one_of(convs, pools, transposeds, upsamples), max_size=4))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_encoders_that_enlarge_too(shape, layers):
    try:
        trace(shape, layers)
    except ValueError:
        return
    ups = [one for one in layers if isinstance(one, Transposed)]
    if any(more >= stride for one in ups for more, stride in zip(one.output_padding, one.stride, strict=True)):
        with pytest.raises(
            ValueError,
            match=r"^transposed\(.*\) \(layer \d\): output_padding: it must be smaller than the stride, or no conv",
        ):
            mirror(shape, layers)
    else:
        there_and_back(shape, layers)


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoder",
    [
        "conv(16, k=3, s=2, p=1) relu conv(32, k=3, s=2, p=1) relu conv(64, k=4, s=3)",
        "conv(8, k=3, p=same) relu pool(2) conv(16, k=4, p=same) relu meanpool(3, s=2, p=1) conv(4, k=1)",
        "pool(3, s=2, ceil=yes) conv(8, k=2) pool(2, ceil=yes) pool(2, s=3, ceil=yes)",
        "conv(8, k=3x1, s=2x3, p=1x0, d=2x1) pool(2x1, s=1x2) flat dense(10)",
    ],
)
def test_every_size_comes_back(encoder):
    comes = 0
    for height, width in [(n, n) for n in range(1, 41)] + [(17, n) for n in range(1, 41, 3)]:
        shape, layers = parse(f"3x{height}x{width} {encoder}")
        try:
            trace(shape, layers)
        except ValueError:
            continue
        there_and_back(shape, layers)
        comes += 1
    assert comes > 25


def test_what_each_layer_becomes():
    shape, layers = parse(
        "3x33x41 conv(16, k=3, s=2, p=1) batchnorm relu conv(32, k=4, p=same) relu pool(3, s=2, ceil=yes) dropout(0.1) "
        "conv(8, k=3, s=3, g=2, bias=no) relu flat dense(100) relu dense(32, bias=no) relu"
    )
    assert stack_text(*mirror(shape, layers)) == (
        "32 dense(100, bias=no) relu dense(48) unflatten(8x2x3) relu transposed(32, k=3, s=3, op=2x1, g=2, bias=no) "
        "dropout(0.1) "
        "transposed(32, k=3, s=2, g=32) relu conv(16, k=4, p=same) batchnorm relu transposed(3, k=3, s=2, p=1)"
    )
    assert stack_text(*mirror(*parse("5x6x7 batchnorm conv(4, 3) global(max) softmax"))) == (
        "4 unflatten(4x1x1) upsample(4x5) transposed(5, k=3)"
    )
    assert mirror((4, 5, 5), [Transposed(2, 3, 2, 1, 1), Upsample(2)]) == (
        (2, 20, 20),
        [Pool(2, kind="mean"), Conv(4, 3, 2, 1)],
    )


def test_the_output_is_linear_and_no_two_activations_meet():
    _, decoder = mirror(*parse("1x28x28 conv(8, 3, s=2) relu conv(8, 3, s=2) relu flat dense(9) relu"))
    kinds = [isinstance(layer, Activation) for layer in decoder]
    assert not kinds[-1]
    assert not kinds[0]
    assert not any(a and b for a, b in pairwise(kinds))


def test_what_has_no_shape_to_come_back_from():
    assert mirror((3, 4, 4), []) == ((3, 4, 4), [])
    assert mirror((12,), [Flat(), Dense(3), Activation("relu")]) == ((3,), [Dense(12)])
    with pytest.raises(ValueError, match=r"^conv\(4, k=9\) \(layer 2\): kernel: 9 does not fit into height 8"):
        mirror(*parse("3x8x8 relu conv(4, 9)"))
    with pytest.raises(
        ValueError,
        match=re.escape(
            "transposed(1, k=3, s=2, op=2, d=3) (layer 1): output_padding: it must be smaller than the stride, or no "
            "convolution leads back from 17x17 to 5x5; use a smaller one"
        ),
    ):
        mirror(*parse("1x5x5 transposed(1, k=3, s=2, op=2, d=3)"))
