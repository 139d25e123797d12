#!/usr/bin/env bash
# Pillow exchanges the bytes of each number of a big-endian TIFF of floating-point numbers or signed integers that is
# compressed.
#
# Expected: the same numbers as from the same file without compression, which are right.
# Version: Pillow 13.0.0.
# Seen: 0, 1, 0.5 as floating-point numbers of 32 bits: right without compression; compressed 0, 4.6e-41, 8.8e-44, an
# image that is black all over. Signed integers 0, 1, 256 of 16 bits: 0, 256, 1; of 32 bits: 0, 16777216, 65536. Unsigned
# integers of 16 bits, and little-endian files, are right.
# References: TIFF 6.0, section 2 (byte order) and tag 339; PIL/TiffImagePlugin.py, TiffImageFile._setup: "libtiff always
# returns the bytes in native order", where the raw modes that end with ";16B" become native ones, and "I;16BS", "I;32BS"
# and "F;32BF" do not.
# In smallvision: these three are decoded in native order, too
# (tests/data/test_data_image_formats.py, test_numbers_of_a_tiff_keep_their_bytes_in_order).
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    pillow==13.0.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import struct
import sys
import zlib

import numpy
from PIL import Image


def tiff(name, bits, sample_format, data, deflated, order=">"):
    data = zlib.compress(data) if deflated else data
    tags = [
        (256, 3),
        (257, 1),
        (258, bits),
        (259, 8 if deflated else 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, len(data)),
        (339, sample_format),
    ]
    data += b"\0" * (len(data) % 2)
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
    head = (b"MM" if order == ">" else b"II") + struct.pack(order + "HI", 42, 8 + len(data))
    with open(name, "wb") as file:
        file.write(head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4))


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def exchanged(numbers):
    return numbers.byteswap().tolist()


if sys.byteorder != "little":
    raise SystemExit("this script is for a little-endian machine, where the exchange shows")
for bits, sample_format, numbers in (
    (16, 1, numpy.array([[0, 1, 256]], numpy.uint16)),
    (16, 2, numpy.array([[0, 1, 256]], numpy.int16)),
    (32, 2, numpy.array([[0, 1, 256]], numpy.int32)),
    (32, 3, numpy.array([[0, 1, 0.5]], numpy.float32)),
):
    for order in "<>":
        for deflated in (False, True):
            tiff("a.tif", bits, sample_format, numbers.astype(numbers.dtype.newbyteorder(order)).tobytes(), deflated, order)
            wrong = order == ">" and deflated and sample_format != 1
            what = f"{numbers.dtype}, {'big' if order == '>' else 'little'}-endian, {'deflated' if deflated else 'raw'}"
            expected = exchanged(numbers) if wrong else numbers.tolist()
            check(what + (", exchanged" if wrong else ""), numpy.asarray(Image.open("a.tif")).tolist(), expected)
print("The behaviour is as stated.")
PY
