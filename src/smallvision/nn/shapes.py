"""Sizes by integer arithmetic, before any layer is built, so that messages name what does not fit by its key."""

from collections.abc import Sequence
from math import prod
from typing import Literal

from smallvision.conv import conv_size
from smallvision.errors import BadInput, counted
from smallvision.experiment.model.classifiers import Block

Shape = tuple[int, int, int]  # (C, H, W)


def places(size: int, window: int, stride: int, padding: int | Literal["same"] = 0) -> int:
    """How many places a window has in `size` pixels (conv.conv_size); 0 where it does not fit."""
    if padding == "same":
        return size
    try:
        return conv_size(size, window, stride, padding)
    except ValueError:
        return 0


def block_shapes(blocks: Sequence[Block], shape: Shape) -> list[Shape]:
    """The shape (C, H, W) of the map after every block.

    Raises
    ------
    BadInput : naming the block by its key in the experiment, the map it gets, and what would fit.
    """
    pools = 0
    after = []
    for i, block in enumerate(blocks):
        key, (channels, height, width) = f"model.blocks.{i}", shape
        got, least = f"a map of {height}x{width} ({_channels(channels)})", min(height, width)
        less = ", or remove one pool before it" if pools else ""
        size = (
            places(height, block.kernel, block.stride, block.padding),
            places(width, block.kernel, block.stride, block.padding),
        )
        if min(size) < 1:
            assert block.padding != "same"  # that always fits
            raise BadInput(
                f"{key}: kernel {block.kernel} (padding {block.padding}) does not fit into {got}; use kernel <= "
                f"{least + 2 * block.padding} or padding >= {-(-(block.kernel - least) // 2)}{less}"
            )
        if block.pool:
            got = f"a map of {size[0]}x{size[1]} ({_channels(block.channels)}), which its convolution makes from {got}"
            size, least = _pooled(size, block), min(size)
            if min(size) < 1:
                raise BadInput(
                    f"{key}: pool {block.pool} does not fit into {got}; use pool <= {least}, or 0 for no pooling{less}"
                )
            pools += 1
        if block.normalization == "group" and groups(block.channels) is None:
            raise BadInput(
                f"{key}: {_channels(block.channels)} cannot be split evenly into 2 to 8 groups of 2 or more for "
                f"group normalization; use channels = {max(4, block.channels + 1)} (any even number from 4 upwards), "
                'or "batch"'
            )
        shape = (block.channels, *size)
        after.append(shape)
    return after


def map_values(blocks: Sequence[Block], shape: Shape) -> int:
    """How many values the convolutions of all blocks make of an image (C, H, W), before pooling."""
    total = 0
    for block, (_, height, width) in zip(blocks, [shape, *block_shapes(blocks, shape)], strict=False):
        sides = [places(side, block.kernel, block.stride, block.padding) for side in (height, width)]
        total += block.channels * prod(sides)
    return total


def _pooled(size: tuple[int, int], block: Block) -> tuple[int, int]:
    stride = block.pool_stride or block.pool
    return places(size[0], block.pool, stride), places(size[1], block.pool, stride)


def _channels(count: int) -> str:
    return counted(count, "channel")


def groups(channels: int) -> int | None:
    """How many groups group normalization makes of `channels`: the most, up to 8, that leave two channels to each.

    None where there are no such groups. (Wu & He 2018, 3.1, take 32 groups, for hundreds of channels.)
    """
    return next((g for g in range(min(8, channels // 2), 1, -1) if channels % g == 0), None)
