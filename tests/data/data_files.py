"""Writers of the published formats, from their descriptions, for the tests of what reads them."""

import struct


def idx_bytes(array):
    """The IDX format, written as its description says: big-endian header, then bytes."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
