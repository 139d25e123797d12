"""The chunks of a PNG file, without decoding its pixels (PNG specification, 5.3, 11.2.1 and 11.3)."""

import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 16_000_000  # bytes of a chunk that are read
_AT_ONCE = 1_048_576  # bytes of a chunk in memory
_MOST_TEXT = 1_048_576  # bytes of a compressed text; Pillow refuses files with more


def chunks(file: BinaryIO, names: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks that are called for, in the order of the file, up to the chunk IEND.

    Parameters
    ----------
    file : a PNG, opened for reading; it is read from its beginning and left wherever the last chunk ends.
    names : the names of four bytes each, such as b"tEXt".
    """
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":  # length and name; content and a checksum follow
        length = int.from_bytes(head[:4], "big")
        if head[4:] in names:
            content = file.read(min(length, _MOST))
            yield head[4:], content
            length -= len(content)
        file.seek(length + 4, 1)


def damaged(file: BinaryIO) -> str:
    """The name of the first chunk that is needed for the pixels and does not match its checksum; "" if there is none.

    Decoders stop at the last pixel, and so may not meet the checksum of the compressed pixels, nor look at those of
    chunks. A chunk that is cut short is left to the decoder, which says where the file ends.

    Parameters
    ----------
    file : a PNG, opened for reading; it is read from its beginning to the chunk IEND.
    """
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        left, needed = int.from_bytes(head[:4], "big"), head[4:5].isupper() or head[4:] == b"tRNS"
        if not needed:
            file.seek(left + 4, 1)
            continue
        checksum = zlib.crc32(head[4:])
        while left and (part := file.read(min(left, _AT_ONCE))):
            checksum, left = zlib.crc32(part, checksum), left - len(part)
        stated = file.read(4)
        if not left and len(stated) == 4 and int.from_bytes(stated, "big") != checksum:
            return head[4:].decode("latin-1")
    return ""


def depth_and_color(file: BinaryIO) -> tuple[int, int]:
    """Bits of a sample, and the colour type: 0 gray, 2 RGB, 3 palette, 4 gray with alpha, 6 RGB with alpha.

    Returns (0, 0) for a file that has no such chunk, which no decoder opens.
    """
    for _, content in chunks(file, (b"IHDR",)):
        if len(content) >= 10:
            return content[8], content[9]
    return 0, 0


def keyword(content: bytes) -> bytes:
    """The keyword of a chunk tEXt, zTXt or iTXt."""
    return content.partition(b"\0")[0]


def text(name: bytes, content: bytes) -> bytes:
    """The text of a chunk tEXt, zTXt or iTXt, inflated; empty where the chunk is damaged."""
    rest = content.partition(b"\0")[2]
    if name == b"tEXt":
        return rest
    if name == b"zTXt":  # the method of compression, of which there is one, and the compressed text
        return _inflated(rest[1:])
    compressed, rest = rest[:1] == b"\1", rest[2:]
    parts = rest.split(b"\0", 2)  # a language, the keyword in that language, and the text
    if len(parts) < 3:
        return b""
    return _inflated(parts[2]) if compressed else parts[2]


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, _MOST_TEXT)
    except zlib.error:
        return b""
