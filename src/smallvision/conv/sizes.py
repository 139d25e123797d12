"""How large a map is after a convolution, a transposed convolution or a pooling: integers only, one axis at a time.

The relations are those of Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", with dilation
as in their section 5.1; what is refused, and the rule of ceil mode, are torch's (held against it by the tests).
"""

__all__ = ["AXES", "Pair", "conv_size", "pair", "pool_size", "same_padding", "span", "transposed_size"]

Pair = int | tuple[int, int]
AXES = ("height", "width")


def pair(value: Pair, name: str, least: int) -> tuple[int, int]:
    """(height, width) of an integer or a pair, each at least `least`. Raises ValueError, naming the argument."""
    try:
        both = (value, value) if isinstance(value, int) else tuple(value)
    except TypeError:
        both = ()
    if len(both) != 2 or any(isinstance(n, bool) or not isinstance(n, int) or n < least for n in both):
        raise ValueError(f"{name}: {value!r}; expected an integer >= {least}, or two (height, width)")
    return both[0], both[1]


def span(kernel: int, dilation: int = 1) -> int:
    """From the first to the last value of a kernel, in pixels: dilation (kernel - 1) + 1."""
    return dilation * (kernel - 1) + 1


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """The padding (before, after) with which stride 1 keeps the size; an odd one goes after, as in torch.

    Raises ValueError if a number is not an integer >= 1.
    """
    _check("size", 1, kernel=kernel, dilation=dilation)
    both = span(kernel, dilation) - 1
    return both // 2, both - both // 2


def conv_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, axis: str = "size") -> int:
    """Size after a convolution: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Parameters
    ----------
    size, kernel, stride, dilation : at least 1.
    padding : on both sides, at least 0.
    axis : what `size` is called in an error, "height" for example.

    Raises
    ------
    ValueError : a number out of its range, or a kernel that spans more than the padded input; says what would fit.
    """
    _check(axis, 1, size=size, kernel=kernel, stride=stride, dilation=dilation)
    _check(axis, 0, padding=padding)
    padded = size + 2 * padding
    if span(kernel, dilation) > padded:
        raise _too_large(size, kernel, padding, dilation, padded, axis, f"kernel <= {(padded - 1) // dilation + 1}")
    return (padded - span(kernel, dilation)) // stride + 1


def pool_size(
    size: int,
    kernel: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
    axis: str = "size",
) -> int:
    """Size after a pooling: as a convolution's, or rounded up in ceil mode.

    In ceil mode a last window that would begin in the padding after the image is left out again, as it would see
    nothing; the windows before it may reach beyond that padding, by less than the stride.

    Parameters
    ----------
    size, kernel, stride, dilation : at least 1; stride None is the kernel.
    padding : on both sides, 0 to half the kernel (without its dilation), rounded down.
    ceil_mode : round up.
    axis : what `size` is called in an error.

    Raises
    ------
    ValueError : a number out of its range, or a kernel that spans more than there is; says what would fit.
    """
    tiles, stride = stride is None, kernel if stride is None else stride
    _check(axis, 1, size=size, kernel=kernel, stride=stride, dilation=dilation)
    _check(axis, 0, padding=padding)
    if padding > kernel // 2:
        raise ValueError(
            f"padding: {padding} for {axis} {size} is more than half of the pooling kernel {kernel}; "
            f"use padding <= {kernel // 2} or kernel >= {2 * padding}"
        )
    more = stride - 1 if ceil_mode else 0  # rounding up is adding this and rounding down
    padded = size + 2 * padding + more
    if span(kernel, dilation) > padded:

        def most(padding: int) -> int:  # the largest kernel that fits; the stride may go with it
            if tiles and ceil_mode:
                return (size + 2 * padding - 1) // (dilation - 1) + 1
            return (size + 2 * padding + more - 1) // dilation + 1

        fits = f"kernel <= {most(padding)}" if most(padding) >= 2 * padding else f"kernel <= {most(0)} with padding 0"
        raise _too_large(size, kernel, padding, dilation, padded, axis, fits, most_padding=kernel // 2)
    out = (padded - span(kernel, dilation)) // stride + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= size + padding else out


def transposed_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
    axis: str = "size",
) -> int:
    """Size after a transposed convolution: (size - 1) stride - 2 padding + dilation (kernel - 1) + output padding + 1.

    It is a size from which the convolution with the same numbers comes back to `size`; since that one rounds down,
    there are `stride` such sizes, and the output padding says which.

    Parameters
    ----------
    size, kernel, stride, dilation : at least 1.
    padding : taken away on both sides, at least 0.
    output_padding : added at the end, at least 0 and less than the stride or the dilation.
    axis : what `size` is called in an error.

    Raises
    ------
    ValueError : a number out of its range, or nothing left of the output; says what would fit.
    """
    _check(axis, 1, size=size, kernel=kernel, stride=stride, dilation=dilation)
    _check(axis, 0, padding=padding, output_padding=output_padding)
    most = max(stride, dilation) - 1
    if output_padding > most:
        raise ValueError(
            f"output_padding: {output_padding} for {axis} {size} must be less than stride {stride} or dilation "
            f"{dilation}; use output_padding <= {most}, or stride >= {output_padding + 1}"
        )
    whole = (size - 1) * stride + span(kernel, dilation) + output_padding
    if whole - 2 * padding < 1:
        raise ValueError(
            f"padding: {padding} on both sides removes all {whole} pixels that stride {stride} and kernel {kernel} "
            f"make from {axis} {size}; use padding <= {(whole - 1) // 2}"
        )
    return whole - 2 * padding


def _check(axis: str, least: int, **numbers: int) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            where = "" if name == "size" else f" for {axis}"
            raise ValueError(f"{axis if name == 'size' else name}: {value!r}{where}; expected an integer >= {least}")


def _too_large(
    size: int,
    kernel: int,
    padding: int,
    dilation: int,
    padded: int,
    axis: str,
    fits: str,
    most_padding: int | None = None,
) -> ValueError:
    """What to say when `span(kernel, dilation) > padded`, and what would fit."""
    cures = [fits]
    if dilation > 1 and padded >= kernel:
        cures.append(f"dilation <= {(padded - 1) // (kernel - 1)}")
    needed = padding - (padded - span(kernel, dilation)) // 2
    if most_padding is None or needed <= most_padding:
        cures.append(f"padding >= {needed}")
    spans = f" (dilation {dilation}: spans {span(kernel, dilation)})" if dilation > 1 else ""
    return ValueError(
        f"kernel: {kernel}{spans} does not fit into {axis} {size} with padding {padding}; use {' or '.join(cures)}"
    )
