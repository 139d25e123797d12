"""Writers of the published formats, from their descriptions, for the tests of what reads them."""

import struct

from smallvision.errors import BadInput


def idx_bytes(array):
    """The IDX format, written as its description says: big-endian header, then bytes."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def read_or_refused(reader, *arguments):
    """What a reader returns, or None when it refuses in one line; any other exception is a failure."""
    try:
        return reader(*arguments)
    except BadInput as error:
        text = str(error)
    assert text
    assert "\n" not in text
    return None
