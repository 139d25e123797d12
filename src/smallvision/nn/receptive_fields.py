"""Receptive fields: which part of the image one position of a map can depend on.

The arithmetic is Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", section 2,
carried through whatever operations a forward pass performs, so that it holds for functional code and branches too.
What an operation does to a field is looked up in a table; after an operation that is not in it, the field is not known.
The statistics that a group or layer normalisation takes over a whole map are not counted, as is usual.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smallvision.conv import Conv2d


@dataclass(frozen=True)
class Axis:
    """Position i of a map sees, along one axis of the image, pixels i * jump + start, `extent` of them.

    With jump 0 every position sees the same: what is left after pooling over the whole map. Pixels outside of the image
    are padding, and count: the field of a position in the middle is meant.
    """

    start: int
    extent: int
    jump: int

    def window(self, size: int, stride: int, padding: int, dilation: int = 1) -> "Axis":
        """After a convolution or pooling with windows of `size`."""
        start = self.start - padding * self.jump
        return Axis(start, self.extent + (size - 1) * dilation * self.jump, self.jump * stride)

    def whole(self, positions: int, pixels: int) -> "Axis":
        """After pooling over all `positions` into one: exactly those of the image's `pixels` that they see."""
        start, end = max(self.start, 0), min(self.start + (positions - 1) * self.jump + self.extent, pixels)
        return Axis(start, max(end - start, 0), 0)

    def union(self, other: "Axis", pixels: int) -> "Axis | None":
        """What a sum of both sees; None where no window that slides evenly describes it."""
        for one in (self, other):
            if one.jump == 0 and one.start <= 0 and one.start + one.extent >= pixels:
                return one  # whatever else is seen, there is no more of the image
        if self.jump != other.jump:
            return None
        start = min(self.start, other.start)
        return Axis(start, max(self.start + self.extent, other.start + other.extent) - start, self.jump)


Field = tuple[Axis, Axis]  # along the height and the width of the image
Rule = Callable[["Fields", tuple[Any, ...], dict[str, Any], Any], Field | None]


class Fields:
    """The field of every tensor of one forward pass that depends on the image.

    A tensor is known by where it lies in memory, since views come out as new objects; all are kept alive meanwhile, so
    that no address is used twice.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.height, self.width = pixels.shape[2], pixels.shape[3]
        self._known: dict[tuple[Any, ...], Field | None] = {}
        self._alive: list[Tensor] = []
        self._set(pixels, (Axis(0, 1, 1), Axis(0, 1, 1)))

    def __getitem__(self, tensor: Tensor) -> Field | None:
        """The field of a position of `tensor` (B, C, H, W); None where it is not known."""
        return self._known.get(_key(tensor))

    def extent(self, tensor: Tensor) -> int | None:
        """The side of the field in pixels; None where it is not known, not square, or `tensor` is not a map."""
        field = self[tensor]
        return field[0].extent if field and tensor.ndim == 4 and field[0].extent == field[1].extent else None

    def follow(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """Take note of one operation that was performed."""
        if not any(_key(tensor) in self._known for tensor in tensors_in((args, kwargs))):
            return  # it has nothing to do with the image
        name = operation._schema.name.removeprefix("aten::")
        in_place = operation._schema.is_mutable and name.endswith("_")
        rule = RULES.get(name.rstrip("_") if in_place else name)
        if rule is None and (torch.Tag.pointwise in operation.tags or (in_place and _pointwise(name.rstrip("_")))):
            rule = _elementwise
        field = rule(self, args, kwargs, out) if rule and (in_place or not operation._schema.is_mutable) else None
        if operation._schema.is_mutable:  # other views of what was overwritten: nothing is known now
            places = {_key(tensor)[0] for tensor in tensors_in((out, args[:1]))}
            for key in self._known:
                if key[0] in places:
                    self._known[key] = None
        for tensor in tensors_in(out):
            self._set(tensor, field if tensor.ndim == 4 else None)

    def convolved(self, pixels: Tensor, out: Tensor, layer: Conv2d) -> None:
        """Take note that `out` is what a convolution by hand made of `pixels`: its operations are too many to
        follow."""
        padding = layer._reversed_padding_repeated_twice[2::-2]  # above, and to the left
        self._set(out, _windows(self[pixels], layer.kernel_size, layer.stride, padding, layer.dilation))

    def _set(self, tensor: Tensor, field: Field | None) -> None:
        self._known[_key(tensor)] = field
        self._alive.append(tensor)

    def union(self, tensors: list[Tensor], out: Tensor) -> Field | None:
        """The field of an `out` whose every position is made of the same position of all `tensors` (broadcast)."""
        fields = []
        for tensor in tensors:
            if _key(tensor) not in self._known:
                continue  # a constant
            field = self[tensor]
            if field is None or tensor.ndim != 4:
                return None
            fields.append(
                [
                    axis.whole(1, pixels) if tensor.shape[d] < out.shape[d] else axis
                    for d, axis, pixels in zip((2, 3), field, (self.height, self.width), strict=True)
                ]
            )
        heights, widths = zip(*fields, strict=True)
        height, width = _union(heights, self.height), _union(widths, self.width)
        return (height, width) if height and width else None


def _union(axes: Sequence[Axis], pixels: int) -> Axis | None:
    joined: Axis | None = axes[0]
    for axis in axes[1:]:
        joined = joined.union(axis, pixels) if joined else None
    return joined


def _key(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def tensors_in(tree: Any) -> list[Tensor]:
    """Every tensor in nested tuples, lists and dicts, in order."""
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None)
    return packet is not None and torch.Tag.pointwise in getattr(packet, packet.overloads()[0]).tags


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str, default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _same(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    """Every position stays where it is: normalisations, copies."""
    return fields[args[0]] if tensors_in(out)[0].shape == args[0].shape else None


def _elementwise(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    return fields.union(tensors_in((args, kwargs)), tensors_in(out)[0])


def _copy(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    return fields.union([args[1]], out) if _key(args[1]) in fields._known else None


def _windows(field: Field | None, size: Any, stride: Any, padding: Any, dilation: Any = 1) -> Field | None:
    if field is None:
        return None
    down, across = zip(_pair(size), _pair(stride), _pair(padding), _pair(dilation), strict=True)
    return field[0].window(*down), field[1].window(*across)


def _convolution(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    pixels, weight, _, stride, padding, dilation, transposed = args[:7]
    plain = not transposed and weight.ndim == 4 and _key(weight) not in fields._known
    return _windows(fields[pixels], weight.shape[2:], stride, padding, dilation) if plain else None


def _pool(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    stride = _argument(args, kwargs, 2, "stride", []) or args[1]
    padding = _argument(args, kwargs, 3, "padding", 0)
    dilation = _argument(args, kwargs, 4, "dilation", 1) if len(tensors_in(out)) == 2 else 1  # the maximum's
    return _windows(fields[args[0]], args[1], stride, padding, dilation)


def _adaptive(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    sides = list(zip(args[0].shape[2:], tensors_in(out)[0].shape[2:], strict=True))
    if all(after == 1 for _, after in sides):
        return _whole(fields, args[0])
    size = [before // after for before, after in sides]
    return None if any(before % after for before, after in sides) else _windows(fields[args[0]], size, size, 0)


def _whole(fields: Fields, maps: Tensor, dims: tuple[int, ...] = (2, 3)) -> Field | None:
    field = fields[maps]
    if field is None:
        return None
    height, width = field
    return (
        height.whole(maps.shape[2], fields.height) if 2 in dims else height,
        width.whole(maps.shape[3], fields.width) if 3 in dims else width,
    )


def _reduction(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    dims = _argument(args, kwargs, 1, "dim", None)
    result = tensors_in(out)[0]
    if args[0].ndim != 4 or result.ndim != 4 or dims is None:
        return None  # it is not a map any more
    dims = tuple(d % 4 for d in ([dims] if isinstance(dims, int) else dims))
    return _whole(fields, args[0], dims) if 0 not in dims else None


def _softmax(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    return fields[args[0]] if args[0].ndim == 4 and args[1] % 4 == 1 else None


def _padding(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    field, pad = fields[args[0]], [*args[1], 0, 0, 0, 0][:4]  # left, right, top, bottom
    return (field[0].window(1, 1, pad[2]), field[1].window(1, 1, pad[0])) if field and len(args[1]) <= 6 else None


def _cat(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    return fields.union(list(args[0]), out) if _argument(args, kwargs, 1, "dim", 0) in (1, -3) else None


def _slice(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    d, begin, step = (_argument(args, kwargs, i, n, v) for i, n, v in ((1, "dim", 0), (2, "start", 0), (4, "step", 1)))
    field, d, begin = fields[args[0]], d % args[0].ndim, begin or 0
    if field is None or d < 2:
        return field
    begin = min(max(begin + args[0].shape[d] if begin < 0 else begin, 0), args[0].shape[d])
    moved = field[d - 2].window(1, step, -begin)
    return (moved, field[1]) if d == 2 else (field[0], moved)


def _split(fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Field | None:
    return fields[args[0]] if _argument(args, kwargs, 2, "dim", 0) in (0, 1, -3, -4) else None


RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pool,
    "avg_pool2d": _pool,
    "_adaptive_avg_pool2d": _adaptive,
    "adaptive_max_pool2d": _adaptive,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "var", "std", "logsumexp"), _reduction),
    **dict.fromkeys(("_softmax", "_log_softmax"), _softmax),
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _padding),
    "cat": _cat,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    **dict.fromkeys(
        (
            "native_batch_norm",
            "cudnn_batch_norm",
            "miopen_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "native_group_norm",
            "native_layer_norm",
            "_fused_rms_norm",
            "clone",
            "_to_copy",
            "alias",
            "detach",
            "view",
            "_unsafe_view",
            "native_dropout",
            "lift_fresh",
        ),
        _same,
    ),
    "expand": _elementwise,
    "copy": _copy,
}
