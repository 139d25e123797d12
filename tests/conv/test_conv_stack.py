"""Whole stacks agree with torch in shapes, parameters and multiply-adds, fields with gradients; the notation is read or
refused."""

import re
from fractions import Fraction
from math import ceil, floor, prod

import pytest
import torch
from conv_torch import ACTIVATIONS, build, convs, images, maps, module, points, pools, transposeds, upsamples
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from smallvision.conv.stack import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flat,
    Global,
    Pool,
    Transposed,
    Unflatten,
    Upsample,
    parse,
    stack_text,
    trace,
)

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
often = settings(deadline=None, derandomize=True, max_examples=150)
heads = st.one_of(
    st.just([]),
    st.just([Flat(), Dense(5), BatchNorm(), Activation("softmax")]),
    st.sampled_from(["max", "mean"]).map(
        lambda kind: [Global(kind), Dense(12, bias=False), Unflatten((3, 2, 2)), Upsample((2, 1))]
    ),
)


def applied(shape, layers):
    """The steps up to the first layer that is refused, and the refusal."""
    steps = []
    for layer in layers:
        try:
            steps += trace(steps[-1].after if steps else shape, [layer])
        except ValueError as error:
            return steps, layer, str(error)
    return steps, None, ""


@given(images, st.lists(maps, max_size=5), heads)
@often
def test_a_stack_is_torchs_layer_by_layer(shape, layers, head):
    steps, refused, why = applied(shape, layers + head)
    values = torch.zeros(2, *shape)
    for step, layer in zip(steps, build(steps), strict=True):
        values = layer(values)
        assert values.shape[1:] == step.after, step
        assert {name: tuple(tensor.shape) for name, tensor in layer.named_parameters()} == step.weights
        assert sum(p.numel() for p in layer.parameters()) == step.parameters
    if refused:
        assert "\n" not in why
        with pytest.raises((RuntimeError, ValueError)):
            module(refused, steps[-1].after if steps else shape)(values)
    else:
        assert trace(shape, layers + head)[len(steps) :] == []


@pytest.mark.slow
@given(images, st.lists(st.one_of(convs, transposeds, pools, points), min_size=1, max_size=4))
@often
def test_multiply_adds_are_half_of_torchs_flops(shape, layers):
    steps, _, _ = applied(shape, layers)
    steps += trace(steps[-1].after if steps else shape, [Flat(), Dense(3)])
    network = build(steps)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    assert 2 * sum(step.multiply_adds for step in steps) == counter.get_total_flops()


def evaluated(formula):
    """Both sides of a printed formula, the left one computed from its text."""
    text, _, right = formula.partition(" less the one")[0].rstrip(",").rpartition(" = ")
    python = (
        text.replace("⌊", "floor(")
        .replace("⌈", "ceil(")
        .replace("⌋", ")")
        .replace("⌉", ")")
        .replace("·", "*")
        .replace("−", "-")
    )
    return eval(python, {"floor": floor, "ceil": ceil}), int(right)


@given(images, st.lists(st.one_of(convs, transposeds, pools, upsamples), min_size=1, max_size=4))
@often
def test_the_formulas_printed_are_true(shape, layers):
    for step in applied(shape, layers)[0]:
        for axis, size, (name, formula) in zip(("height", "width"), step.after[1:], step.formulas, strict=True):
            assert name == axis
            left, right = evaluated(formula)
            assert left == right
            assert right == size or formula.endswith(f", less the one that begins after the image = {size}")
            assert right - size in (0, 1)


def test_the_window_that_begins_after_the_image_is_told():
    (step,) = trace((1, 3, 4), [Pool(1, 2, ceil=True)])
    assert step.after == (1, 2, 2)
    assert step.formulas == (
        ("height", "⌈(3 + 2·0 − 1·(1 − 1) − 1) / 2⌉ + 1 = 2"),
        ("width", "⌈(4 + 2·0 − 1·(1 − 1) − 1) / 2⌉ + 1 = 3, less the one that begins after the image = 2"),
    )


# --- receptive fields


def tall(low, high, other=1):
    """A number for the height, with nothing happening along the width."""
    return st.integers(low, high).map(lambda n: (n, other))


field_layers = st.one_of(
    st.builds(
        Conv, channels=st.just(1), kernel=tall(1, 4), stride=tall(1, 3), padding=tall(0, 2, 0), dilation=tall(1, 2)
    ),
    st.builds(Conv, channels=st.just(1), kernel=tall(1, 4), padding=st.just("same")),
    st.builds(Pool, kernel=tall(1, 3), stride=tall(1, 3), kind=st.just("mean")),
    st.builds(
        Transposed,
        channels=st.just(1),
        kernel=tall(1, 4),
        stride=tall(1, 3),
        padding=tall(0, 2, 0),
        dilation=tall(1, 3),
    ),
    st.builds(Upsample, tall(1, 3)),
)


def inner(span, size=81):
    return 27 < span[0] <= span[1] < size - 27


@pytest.mark.slow
@given(st.lists(field_layers, min_size=1, max_size=4))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_what_positions_see_is_what_has_a_gradient(layers):
    """With weights of one, a pixel has a gradient exactly if the position can depend on it. Inner positions: no border
    is near."""
    size = 81
    try:
        steps = trace((1, size, 1), layers)
    except ValueError:
        return
    if steps[-1].view is None:  # what is seen repeats itself too late to be followed
        assert (
            prod(
                one.stride[0] if isinstance(one, Transposed) else one.factor[0]
                for one in layers
                if isinstance(one, Transposed | Upsample)
            )
            > 64
        )
        return
    network = build(steps).double()
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 1)
    x = torch.zeros(1, 1, size, 1, dtype=torch.float64, requires_grad=True)
    line = network(x).flatten()
    axis = steps[-1].view.axes[0]
    middle = line.shape[0] // 2
    for place in range(max(middle - 6, 0), min(middle + 7, line.shape[0])):
        (gradient,) = torch.autograd.grad(line[place], x, retain_graph=True)
        seen = gradient.flatten().nonzero().flatten().tolist()
        told = axis.at(place)
        found = (seen[0], seen[-1]) if seen else None
        if told is None or inner(told) or (found and inner(found)):
            assert found == told


@pytest.mark.parametrize(
    ("stack", "size", "stride", "start"),
    [
        # Araujo, Norris & Sim 2019, the table of networks: AlexNet (v2) and VGG-16 after the last pooling
        (
            "3x224x224 conv(64,11,s=4) pool(3,2) conv(192,5,p=same) pool(3,2) conv(384,3,p=1) conv(384,3,p=1) "
            "conv(256,3,p=1) pool(3,2)",
            195,
            32,
            -64,
        ),
        (
            "3x224x224"
            + "".join(
                f"{f' conv({c},3,p=1) relu' * n} pool(2)" for c, n in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
            ),
            212,
            32,
            -90,
        ),
    ],
)
def test_published_receptive_fields(stack, size, stride, start):
    last = trace(*parse(stack))[-1]
    assert last.receptive_field == (size, size)
    assert last.stride == (stride, stride)
    assert last.start == (start, start)


def test_a_finer_map_than_the_image():
    steps = trace((1, 8, 8), [Transposed(1, 3, stride=2), Transposed(1, 2, stride=2)])
    assert [step.stride for step in steps] == [(Fraction(1, 2),) * 2, (Fraction(1, 4),) * 2]
    # With kernel 3 and stride 2, values see two pixels and one in turn.
    assert [step.receptive_field for step in steps] == [(2, 2), (2, 2)]
    assert [steps[0].view.axes[0].at(i) for i in range(4)] == [(-1, 0), (0, 0), (0, 1), (1, 1)]


def test_only_places_that_there_are_count():
    (step,) = trace((1, 1, 1), [Transposed(1, 3, stride=2, padding=1)])
    assert step.after == (1, 1, 1)
    assert step.receptive_field == (1, 1)  # a second place, were there one, would see two


def test_after_a_global_layer_the_image_is_seen_and_no_places_are_left():
    steps = trace((3, 9, 12), [Conv(4, 3, padding=1), Global("mean"), Dense(8), Unflatten((2, 2, 2)), Conv(1, 2)])
    assert [step.receptive_field for step in steps] == [(3, 3), (9, 12), (9, 12), (9, 12), (9, 12)]
    assert [step.stride for step in steps] == [(1, 1), None, None, (0, 0), (0, 0)]


def test_where_nothing_is_claimed():
    steps = trace((2, 4, 6), [Flat(), Unflatten((2, 6, 4)), Conv(1, 1)])
    assert [step.receptive_field for step in steps] == [(1, 1), None, None]
    assert trace((2, 4, 6), [Flat(), Unflatten((2, 4, 6))])[-1].receptive_field == (1, 1)
    assert trace((5,), [Dense(4), Unflatten((1, 2, 2))])[-1].receptive_field is None
    assert trace((1, 4, 4), [Upsample(1000)])[-1].receptive_field is None


# --- known networks


@pytest.mark.parametrize(
    ("stack", "shape", "parameters", "multiply_adds"),
    [
        ("3x1024x768 conv(16, k=5, s=2, p=1)", (16, 511, 383), 1216, 234_855_600),  # R4.10
        ("3x1920x1080 conv(16, k=5, s=2, p=1)", (16, 959, 539), 1216, 620_281_200),
        ("3x5x5 pool(3, s=2)", (3, 2, 2), 0, 0),  # R5.1
        ("3x10x10 conv(5, k=3)", (5, 8, 8), 140, 8640),
        ("3x10x10 conv(5, k=3, p=same)", (5, 10, 10), 140, 13_500),
        # R3
        (
            "1x28x28 conv(10,5) pool(2) relu conv(20,5) pool(2) relu flat dense(128) relu dense(10)",
            (10,),
            47_658,
            506_240,
        ),
        # R4.8
        (
            "1x28x28 conv(16,3,p=1) relu pool(2) conv(32,3,p=1) relu pool(2) conv(64,3,p=1) relu pool(2) flat "
            "dense(10)",
            (10,),
            29_066,
            1 * 16 * 9 * 784 + 16 * 32 * 9 * 196 + 32 * 64 * 9 * 49 + 5760,
        ),
        # R4.15
        (
            "1x32x48 conv(16,3,p=1) conv(32,3,p=1) pool(2) conv(81,3,p=1) pool(2) global(mean) dense(10)",
            (10,),
            29_029,
            None,
        ),
        ("784 dense(128) relu dense(10)", (10,), 101_770, 101_632),
    ],
)
def test_known_networks(stack, shape, parameters, multiply_adds):
    steps = trace(*parse(stack))
    assert steps[-1].after == shape
    assert sum(step.parameters for step in steps) == parameters
    if multiply_adds is not None:
        assert sum(step.multiply_adds for step in steps) == multiply_adds


# --- what cannot be applied


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (
            "3x1024x768 conv(16, k=5, s=2, p=1, in=8)",
            "conv(16, k=5, s=2, p=1, in=8) (layer 1): in: weights (16, 8, 5, 5) are for 8 channels, but the input "
            "3x1024x768 has 3; use in=3, or an input of 8x1024x768",
        ),
        (
            "3x9x9 relu conv(8, 3, g=8)",
            "conv(8, k=3, g=8) (layer 2): groups: 8 does not divide the 3 channels of the input 3x9x9; use one of 1",
        ),
        (
            "6x9x9 conv(12, 3, g=4)",
            "conv(12, k=3, g=4) (layer 1): groups: 4 does not divide the 6 channels of the input 6x9x9; "
            "use one of 1, 2, 3, 6",
        ),
        (
            "3x4x9 pool(2) conv(8, 3)",
            "conv(8, k=3) (layer 2): kernel: 3 does not fit into height 2 with padding 0; "
            "use kernel <= 2 or padding >= 1",
        ),
        (
            "3x9x9 pool(3, p=2)",
            "pool(3, p=2) (layer 1): padding: 2 for height 9 is more than half of the pooling kernel 3; "
            "use padding <= 1 or kernel >= 4",
        ),
        (
            "3x9x9 dense(10)",
            "dense(10) (layer 1): input: 3x9x9 is a feature map, but this layer needs a list of values; put flat or "
            "global(mean) before it",
        ),
        (
            "3x9x9 flat pool(2)",
            "pool(2) (layer 2): input: 243 is a list of values, but this layer needs a feature map; put "
            "unflatten(CxHxW) before it",
        ),
        (
            "3x9x9 unflatten(3x3x3)",
            ("unflatten(3x3x3) (layer 1): input: 3x9x9 is a feature map already; put flat before it"),
        ),
        (
            "99 unflatten(3x4x5)",
            "unflatten(3x4x5) (layer 1): shape: 3x4x5 has 60 values, but the input has 99; put dense(60) before it",
        ),
        (
            "99 dense(5, in=98)",
            "dense(5, in=98) (layer 1): in: weights (5, 98) are for 98 values, but the input has 99; use in=99, or "
            "leave it out",
        ),
        (
            "3x9x9 transposed(4, k=2, in=5)",
            "transposed(4, k=2, in=5) (layer 1): in: weights (5, 4, 2, 2) are for 5 channels, but the input 3x9x9 "
            "has 3; use in=3, or an input of 5x9x9",
        ),
    ],
)
def test_what_cannot_be_applied_says_why_and_what_would_fit(stack, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        trace(*parse(stack))


def test_torch_refuses_eight_channels_too():
    with pytest.raises(RuntimeError, match="channels"):
        torch.nn.Conv2d(8, 16, 5, 2, 1)(torch.zeros(1, 3, 10, 10))


@pytest.mark.parametrize("shape", [(), (3, 3), (1, 2, 3, 4), (3, 0, 3), (3, True, 3), (-1,), (2.0,)])
def test_what_is_no_shape(shape):
    with pytest.raises(ValueError, match=r"^shape: "):
        trace(shape, [])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv(0, 3),
        lambda: Conv(4, 0),
        lambda: Conv(4, 3, padding="valid"),
        lambda: Conv(4, 3, stride=2, padding="same"),
        lambda: Conv(4, 3, bias=1),
        lambda: Conv(4, 3, groups=3),
        lambda: Conv(4, 3, groups=2, inputs=3),
        lambda: Conv(4, 3, inputs=0),
        lambda: Conv(4, (3, 3, 3)),
        lambda: Conv(True, 3),
        lambda: Transposed(4, 3, output_padding=-1),
        lambda: Transposed(3, 3, groups=2),
        lambda: Pool(2, kind="min"),
        lambda: Pool(2, dilation=2, kind="mean"),
        lambda: Pool(2, ceil=1),
        lambda: Pool(0),
        lambda: Global("sum"),
        lambda: Dense(0),
        lambda: Dense(3, bias=None),
        lambda: Dense(3, inputs=0),
        lambda: Unflatten((2, 2)),
        lambda: Unflatten((2, 2, 0)),
        lambda: Unflatten(8),
        lambda: Upsample(0),
        lambda: Upsample(1.5),
        lambda: Dropout(1.5),
        lambda: Dropout("x"),
        lambda: Activation("rely"),
    ],
)
def test_a_layer_with_wrong_numbers_is_not_made(make):
    with pytest.raises(ValueError, match=r"^[a-z_]+: ") as refused:
        make()
    assert "\n" not in str(refused.value)


# --- the notation

others = [Flat(), Global("max"), Dense(3), Dense(4, False, 7), Unflatten((1, 2, 3)), Dropout(0), Dropout(0.1)]
written = st.one_of(
    maps, st.sampled_from(others), st.builds(Conv, st.just(4), st.integers(1, 9), inputs=st.just(8), groups=st.just(4))
)


@given(st.one_of(images, st.tuples(st.integers(1, 99))), st.lists(written, max_size=6))
@often
def test_what_is_written_reads_back(shape, layers):
    assert parse(stack_text(shape, layers)) == (shape, layers)


def test_short_long_and_torchs_names_are_the_same():
    same = [Conv(16, (5, 3), 2, 1, groups=4, bias=False)]
    for text in (
        "conv(16, k=5x3, s=2, p=1, g=4, bias=no)",
        "CONV( 16 ,5x3, stride=2, padding = 1,groups=4,bias=False )",
        "conv2d(16,K=5×3,s=2x2,p=1x1,g=4,bias=no)",
        "conv (channels=16, kernel=5x3, s=2, p=1, groups=4, bias=no)",
    ):
        assert parse(f"3x9x9 {text}") == ((3, 9, 9), same)
    assert parse("3x9x9\n  pool(3,2)\tmaxpool(3, s=2) maxpool2d(3,2)")[1] == [Pool(3, 2)] * 3
    assert parse("9x9x9 avgpool(2) meanpool(2)")[1] == [Pool(2, kind="mean")] * 2
    assert parse("9x9x9 flatten linear(3) dense(3)")[1] == [Flat(), Dense(3), Dense(3)]
    assert parse("9x9x9 pool(2)relu()pool(2, ceil=yes)")[1] == [Pool(2), Activation("relu"), Pool(2, ceil=True)]
    assert parse("12") == ((12,), [])
    assert parse("1x2x3 transposed(4, 3, op=1x0)")[1] == [Transposed(4, 3, output_padding=(1, 0))]
    assert [str(layer) for layer in parse("1x9x9 " + " ".join(ACTIVATIONS))[1]] == list(ACTIVATIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'stack: empty; expected a shape and layers, such as "3x32x32 conv(16, k=3) relu pool(2)"'),
        ("conv(16)", 'shape: "conv"; expected channels x height x width, such as 3x32x32'),
        ("32x32 relu", 'shape: "32x32" has two sizes; put the channels before them: 1x32x32 or 3x32x32'),
        ("16x3x32x32", 'shape: "16x3x32x32" has four sizes; leave out the batch: 3x32x32'),
        ("3x0x3", 'shape: "3x0x3"; expected integers >= 1'),
        ("3x٣x3", 'shape: "3x\\u0663x3"; expected channels x height x width'),
        ("3x8x8 cnv(16)", 'stack: character 7, "cnv": there is no such layer; did you mean "conv"?'),
        ("3x8x8 relu drop out", 'stack: character 12, "drop": there is no such layer; did you mean "dropout"?'),
        ("3x8x8 qqqq", 'stack: character 7, "qqqq": there is no such layer; known: conv, transposed, pool'),
        ("3x8x8 conv(16", 'stack: character 7, "conv": its bracket is not closed'),
        ("3x8x8 conv(16 relu(3)", 'stack: character 7, "conv": there is a second bracket at character 19'),
        ("3x8x8 )", 'stack: character 7, ")": there is no layer before this bracket'),
        ("3x8x8 pool(2))", 'stack: character 14, ")": there is no layer before this bracket'),
        ("3x8x8 conv(k=3)", 'stack: character 7, "conv(k=3)": channels is missing; write it, as in conv(16, k=3)'),
        ("3x8x8 conv(3)", 'stack: character 7, "conv(3)": kernel is missing; write it, as in conv(16, k=3)'),
        (
            "3x8x8 conv(3, 3, 2)",
            'argument 3: "2"; conv takes 2 without a name; write it as one of channels, k (kernel), s (stride)',
        ),
        ("3x8x8 conv(3, 3, pading=2)", 'argument 3: conv has no "pading"; did you mean "padding"?'),
        (
            "3x8x8 meanpool(2, d=2)",
            "dilation: mean pooling has no dilation; leave it out, or use max pooling, pool(...)",
        ),
        ("3x8x8 meanpool(2, kind=max)", 'argument 2: meanpool has no "kind"; known: k (kernel), s (stride)'),
        ("3x8x8 relu(2)", 'stack: character 7, "relu(2)": argument 1: "2"; relu takes no arguments'),
        ("3x8x8 relu(x=2)", 'argument 1: relu has no "x"; leave it out, because this layer takes no arguments'),
        ("3x8x8 conv(3, k=3, k=5)", "argument 3: k is given twice"),
        ("3x8x8 conv(3, k=3,)", 'argument 3: ""; expected a value or name=value, as in conv(16, k=3)'),
        ("3x8x8 conv(3, k==3)", 'argument 2: "k==3"; expected a value or name=value'),
        (
            "3x8x8 conv(3, k=0)",
            'stack: character 7, "conv(3, k=0)": kernel: 0; expected an integer >= 1, or two (height, width)',
        ),
        ("3x8x8 conv(3, k=-2)", "kernel: -2; expected an integer >= 1"),
        ("3x8x8 conv(3, k=2.5)", "kernel: 2.5; expected an integer >= 1"),
        ("3x8x8 conv(3, 3, p=full)", "padding: 'full'; expected an integer >= 0, two (height, width), or same"),
        (
            "3x8x8 conv(3, 3, s=2, p=same)",
            "padding: same works with stride 1 only; use s=1, or padding in numbers, such as p=1",
        ),
        ("3x8x8 conv(3, 3, bias=perhaps)", "bias: 'perhaps'; expected yes or no"),
        ("3x8x8 conv(9, 3, g=2)", "groups: 2 does not divide the 9 output channels; use one of 1, 3, 9"),
        ("3x8x8 conv(1234567890123456789, 3)", 'value: "1234567890123456789" has a number of more than 18 digits'),
        ("3x8x8 dropout(2)", "p: 2; expected a probability, from 0 to 1"),
        ("3x8x8 global(sum)", "kind: 'sum'; expected max or mean"),
    ],
)
def test_what_cannot_be_read_is_located(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", [None, 3, b"3x8x8", ["3x8x8"]])
def test_what_is_no_text(text):
    with pytest.raises(ValueError, match=r"^stack: \w+; expected text"):
        parse(text)


alphabet = st.text(st.sampled_from(list("3x8×(),=. \n-_kspdcovrelu0" + "٣é\ud800\x00\u2028")), max_size=40)


@pytest.mark.slow
@given(
    st.one_of(
        st.text(max_size=40), alphabet, alphabet.map("3x8x8 conv".__add__), alphabet.map("3x8x8 conv(4, k=".__add__)
    )
)
@settings(deadline=None, derandomize=True, max_examples=600)
def test_anything_is_read_or_refused_in_one_line(text):
    message = ""
    try:
        trace(*parse(text))
    except ValueError as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 600


HUGE = 10**18 - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        f"{HUGE}x{HUGE}x{HUGE} relu",
        f"3x{HUGE}x{HUGE} flat",
        f"3x8x8 conv({HUGE}, k=1)",
        f"3x8x8 conv(1, k={HUGE}, p={HUGE}, d={HUGE})",
        f"3x8x8 conv(1, k={HUGE}, p=same, d={HUGE})",
        f"3x8x8 conv(4, k=3, g={HUGE})",
        f"{HUGE - 1}x1x1 conv({HUGE - 1}, k=1, g={HUGE - 2})",
        f"3x8x8 pool({HUGE})",
        "3x8x8" + f" upsample({HUGE})" * 50,
        "1x1x1" + f" pool(1, s={HUGE})" * 5000,
        "1x1x1" + f" transposed(1, 1, s={HUGE})" * 5000 + " dense(1)",
        "3x8x8 " + "(" * 100_000,
        "3x8x8 " + "conv(" * 100_000,
        "3x8x8 conv(" + "1," * 100_000,
        "3x8x8 " + "q" * 1_000_000,
        "3x8x8 conv(4, k=" + "9" * 100_000 + ")",
        "3x8x8 dropout(0." + "9" * 100_000 + ")",
        "9" * 100_000,
        "x".join(["9"] * 100_000),
        "3x8x8" + " relu" * 10_001,
    ],
)
def test_hostile_stacks_are_refused_in_one_short_line(text):
    with pytest.raises(ValueError, match=": ") as refused:
        trace(*parse(text))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 600


@pytest.mark.slow
def test_ten_thousand_layers_are_followed():
    steps = trace(*parse("3x8x8" + " conv(3, k=3, p=1) relu" * 5000))
    assert steps[-1].after == (3, 8, 8)
    assert steps[-1].receptive_field == (10_001, 10_001)
    assert sum(step.parameters for step in steps) == 5000 * (3 * 3 * 9 + 3)
    steps = trace(*parse("3x8x8" + " upsample(64) pool(64) transposed(1, k=1, s=64) conv(1, k=3, s=63)" * 2500))
    assert steps[-1].after == (1, 8, 8)
    assert steps[-1].receptive_field is None  # what is seen repeats itself too late
