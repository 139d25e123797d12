"""The decoder that mirrors an encoder: it ends at exactly the shape the encoder began with, whatever that is.

A layer with a stride rounds down, so several input sizes give one output size; which one it was, the output padding of
the transposed convolution says (Dumoulin & Visin 2016, section 4.6). Layer by layer, from the last to the first:

- conv becomes transposed with the same numbers and the channels it took. One that keeps the size by padding "same"
  stays such a convolution: with stride 1 the two are the same operation, and an odd padding can be had.
- pool becomes transposed with the window, stride and padding of the pooling, a kernel for each channel apart. It is
  chosen over upsampling since it comes back to every size; where ceil mode looked beyond the image, it pads more.
- global becomes unflatten and upsample; flat becomes unflatten; dense becomes the dense back; transposed, upsample and
  unflatten, in an encoder that has them, become conv, meanpool and flat.
- Layers that change no shape stand where they stood, between the same two layers, in their own order. Those at either
  end are left out: the encoder's last ones have been applied to the code already, and the decoder's output must be able
  to reach any target, which a last activation prevents.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from smallvision.conv.layers import Activation, BatchNorm, Dense, Dropout, Flat, Global, Layer, Shape, Unflatten
from smallvision.conv.sizes import pair
from smallvision.conv.stack import Step, trace
from smallvision.conv.windows import Conv, Pool, Transposed, Upsample

__all__ = ["mirror"]


def mirror(shape: Sequence[int], layers: Iterable[Layer]) -> tuple[Shape, list[Layer]]:
    """The mirrored stack of an encoder.

    Parameters
    ----------
    shape : what the encoder takes, (C, H, W) or (N,).
    layers : the encoder's.

    Returns
    -------
    tuple : the code's shape and the decoder's layers, so that trace(*mirror(shape, layers)) ends at `shape`.

    Raises
    ------
    ValueError : a layer of the encoder cannot be applied, or has no mirror.
    """
    encoder = trace(shape, layers)
    back: list[Layer] = []
    kept: list[Layer] = []  # between this layer and the one that comes after it in the encoder
    for number, step in reversed(list(enumerate(encoder, 1))):
        if isinstance(step.layer, Activation | BatchNorm | Dropout):
            kept.insert(0, step.layer)
            continue
        back += [*(kept if back else []), *_back(step, number)]
        kept = []
    return encoder[-1].after if encoder else tuple(shape), back


def _back(step: Step, number: int) -> list[Layer]:
    """The layers that make `step.before` of `step.after`."""
    layer, before, after = step.layer, step.before, step.after
    match layer:
        case Conv(padding="same"):
            return [Conv(before[0], layer.kernel, 1, "same", layer.dilation, layer.groups, layer.bias)]
        case Conv():
            padding = layer.paddings[0][0], layer.paddings[1][0]
            most = Transposed(before[0], layer.kernel, layer.stride, 0, 0, layer.dilation, layer.groups, layer.bias)
            return [_to_size(most, padding, after, before)]
        case Pool():
            most = Transposed(
                before[0], layer.kernel, layer.stride or layer.kernel, 0, 0, layer.dilation, groups=before[0]
            )
            return [_to_size(most, pair(layer.padding, "padding", 0), after, before)]
        case Transposed():
            conv = Conv(before[0], layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups, layer.bias)
            if conv.output(after) != before:
                raise ValueError(
                    f"{layer} (layer {number}): output_padding: it must be smaller than the stride, or no "
                    f"convolution leads back from {after[1]}x{after[2]} to {before[1]}x{before[2]}; use a smaller one"
                )
            return [conv]
        case Upsample():
            return [Pool(layer.factor, kind="mean")]
        case Global():
            return [Unflatten((before[0], 1, 1)), Upsample((before[1], before[2]))]
        case Flat():
            return [Unflatten((before[0], before[1], before[2]))] if len(before) == 3 else []
        case Unflatten():
            return [Flat()]
        case Dense():
            return [Dense(before[0], layer.bias)]
    raise ValueError(f"{layer} (layer {number}): a layer of this kind cannot be mirrored")


def _to_size(most: Transposed, padding: tuple[int, int], after: Shape, before: Shape) -> Transposed:
    """The layer with the padding, or what more it takes, and the output padding that make `before` of `after`."""
    missing = [b - (size - 2 * p) for b, size, p in zip(before[1:], most.output(after)[1:], padding, strict=True)]
    # 0 to stride - 1 pixels are missing; less than none where ceil mode looked beyond the padding, which is then so
    # much wider
    down, across = (p + max(0, (1 - n) // 2) for p, n in zip(padding, missing, strict=True))
    more_down, more_across = (n if n >= 0 else n % 2 for n in missing)
    return replace(most, padding=(down, across), output_padding=(more_down, more_across))
