"""Sizes agree with torch, and what does not fit is refused with a cure that works."""

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from smallvision.errors import BadInput
from smallvision.experiment.model.classifiers import Block
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import InputSpec, build
from smallvision.nn.shapes import block_shapes, groups

SPEC: TypeAdapter[Any] = TypeAdapter(ModelSpec)


def make(*blocks: dict[str, Any], shape=(1, 28, 28)):
    return build(SPEC.validate_python({"kind": "cnn", "blocks": list(blocks)}), InputSpec(shape, 3, (0.5,), (0.2,)), 0)


block = st.builds(
    lambda stride, same, **rest: Block(stride=1 if same else stride, **(rest | ({"padding": "same"} if same else {}))),
    stride=st.integers(1, 3),
    same=st.booleans(),
    channels=st.integers(1, 4),
    kernel=st.integers(1, 6),
    padding=st.integers(0, 3),
    pool=st.sampled_from([0, 2, 3]),
)


@given(st.lists(block, min_size=1, max_size=4), st.integers(1, 24), st.integers(1, 24))
@settings(deadline=None, max_examples=60)
def test_a_network_is_refused_or_has_the_shapes_that_were_computed(blocks, height, width):
    values = {"kind": "cnn", "blocks": [b.model_dump() for b in blocks]}
    try:
        shapes = block_shapes(blocks, (1, height, width))
    except BadInput as error:
        with pytest.raises(BadInput, match=re.escape(str(error))):
            build(SPEC.validate_python(values), InputSpec((1, height, width), 3, (0.5,), (0.2,)), 0)
        return
    model = build(SPEC.validate_python(values), InputSpec((1, height, width), 3, (0.5,), (0.2,)), 0)
    maps = torch.rand(2, 1, height, width)
    for layer, shape in zip(model.blocks, shapes, strict=True):
        maps = layer(maps)
        assert maps.shape[1:] == shape


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(0, 2), st.integers(0, 12))
@settings(deadline=None, max_examples=100)
def test_the_cure_for_what_does_not_fit_works_and_nothing_less_does(height, width, kernel, padding, pool):
    one = Block(channels=2, kernel=kernel, padding=padding, pool=pool)
    try:
        block_shapes([one], (1, height, width))
    except BadInput as error:
        key, most = re.search(r"use (kernel|pool) <= (\d+)", str(error)).groups()
        block_shapes(
            [one.model_copy(update={key: int(most), **({"pool": 0} if key == "kernel" else {})})], (1, height, width)
        )
        with pytest.raises(BadInput):
            block_shapes([one.model_copy(update={key: int(most) + 1})], (1, height, width))
        if more := re.search(r"padding >= (\d+)", str(error)):
            block_shapes([one.model_copy(update={"padding": int(more[1]), "pool": 0})], (1, height, width))
            with pytest.raises(BadInput):
                block_shapes([one.model_copy(update={"padding": int(more[1]) - 1, "pool": 0})], (1, height, width))


def test_a_kernel_that_does_not_fit_is_named_by_its_key():
    with pytest.raises(BadInput) as refused:
        make(
            {"channels": 10, "kernel": 5, "pool": 2},
            {"channels": 20, "kernel": 5, "pool": 2},
            {"channels": 30, "kernel": 3, "pool": 2},
            {"channels": 40, "kernel": 5},
        )
    assert str(refused.value) == (
        "model.blocks.3: kernel 5 (padding 0) does not fit into a map of 1x1 (30 channels); use kernel <= 1 or "
        "padding >= 2, or remove one pool before it"
    )


def test_a_pool_that_does_not_fit_is_named_by_its_key():
    with pytest.raises(BadInput) as refused:
        make({"channels": 10, "kernel": 5, "pool": 25})
    assert str(refused.value) == (
        "model.blocks.0: pool 25 does not fit into a map of 24x24 (10 channels), which its convolution makes from a "
        "map of 28x28 (1 channel); use pool <= 24, or 0 for no pooling"
    )


@pytest.mark.parametrize("channels", range(1, 40))
def test_group_normalization_splits_evenly_or_says_what_would(channels):
    g = groups(channels)
    if g is not None:
        assert 2 <= g <= 8
        assert channels % g == 0
        assert channels // g >= 2
        make({"channels": channels, "normalization": "group"})
        return
    with pytest.raises(BadInput, match=r"^model\.blocks\.0: \d+ channels? cannot be split evenly") as refused:
        make({"channels": channels, "normalization": "group"})
    assert groups(int(re.search(r"channels = (\d+)", str(refused.value))[1])) is not None


def test_mean_and_std_for_another_number_of_channels_are_refused():
    with pytest.raises(BadInput, match=r"^data\.normalize: 1 number for images of 3 channel"):
        make({"channels": 2}, shape=(3, 8, 8))
