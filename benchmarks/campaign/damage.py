"""Damage to bytes, whatever they mean: cut, flipped, spliced, swapped; and fields of binary headers."""

import gzip
import random
import struct
import zlib
from collections.abc import Sequence

ODD = (0, 1, 2, 3, 4, 5, 7, 8, 10, 16, 32, 255, 256, 1000)  # values of fields that are wrong, but possible somewhere
EXTREME = (0, 2**31 - 1, 2**31, 2**32 - 1, 2**16 - 1, 2**16, 2**24, 2**28, 123_456_789)
MARK = 64  # bytes at the begin, where formats keep what they say of themselves


def truncated(draw: random.Random, data: bytes) -> bytes:
    """Cut: anywhere, near the begin, or near the end."""
    longest = len(data) - 1
    ends = (draw.randint(0, longest), draw.randint(0, min(MARK, longest)), longest - draw.randint(0, min(16, longest)))
    return data[: draw.choice(ends)]


def bit_flips(draw: random.Random, data: bytes) -> bytes:
    """One to eight bits turned over, half of the time among the first bytes."""
    out, within = bytearray(data), len(data) if draw.random() < 0.5 else min(MARK, len(data))
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        out[draw.randrange(within)] ^= 1 << draw.randrange(8)
    return bytes(out)


def spliced(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Begin of one file and end of another, a block of zeros or noise, a part left out, doubled or moved."""
    other = draw.choice([one for one in others if one] or [data])
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    way = draw.randrange(7)
    if way == 0:
        return data[:a] + other[draw.randrange(len(other)) :]
    if way == 1:
        return data[:a] + other[min(a, len(other)) :]
    if way == 2:
        return data[:a] + bytes(b - a) + data[b:]
    if way == 3:
        return data[:a] + draw.randbytes(b - a) + data[b:]
    if way == 4:
        return data[:a] + data[b:]
    if way == 5:
        return data[:b] + data[a:b] + data[b:]
    return data[b:] + data[:a] + data[a:b]


def swapped(draw: random.Random, strangers: Sequence[bytes]) -> bytes:
    """A file of another kind, whole or nearly so, packed or not, or no content at all."""
    other = draw.choice(strangers)
    way = draw.randrange(8)
    if way == 0:
        return b""
    if way == 1:
        return gzip.compress(other, mtime=0)
    if way == 2:
        return other + draw.choice(strangers)
    if way == 3:
        return other[: draw.randrange(len(other) + 1)]
    return other


def fields(draw: random.Random, data: bytes, values: Sequence[int], within: int = MARK) -> bytes:
    """One or two numbers of 1, 2 or 4 bytes in a binary header replaced."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2))):
        form = draw.choice(("B", "<H", ">H", "<I", ">I"))
        size = struct.calcsize(form)
        at = draw.randrange(max(1, min(within, len(data)) - size))
        out[at : at + size] = struct.pack(form, draw.choice(values) % 2 ** (8 * size))
    return bytes(out[: len(data)])


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, (name, content)."""
    out, at = [], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        out.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return out


def png(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks, each with the right checksum."""
    packed = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def png_fields(draw: random.Random, data: bytes, values: Sequence[int]) -> bytes:
    """A field of a PNG's header replaced, or a chunk changed, left out, doubled or moved; all checksums are right."""
    chunks = png_chunks(data)
    way, at = draw.randrange(5), draw.randrange(len(chunks))
    if way < 2:
        width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
        new = [width, height, *rest]
        place = draw.randrange(len(new))
        new[place] = draw.choice(values) % (2**32 if place < 2 else 256)
        chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *new))
    elif way == 2:
        del chunks[at]
    elif way == 3:
        chunks.insert(draw.randrange(len(chunks) + 1), chunks[at])
    else:
        name, content = chunks[at]
        chunks[at] = (name, fields(draw, content, values) if content else draw.randbytes(4))
    return png(chunks)
