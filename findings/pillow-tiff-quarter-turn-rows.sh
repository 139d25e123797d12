#!/usr/bin/env bash
# Pillow opened by name an uncompressed TIFF whose Orientation (tag 274) is 5 to 8 and gives rows that are cut at the
# wrong place; opened as a file object, the same file is right.
#
# Expected: the upright image, both times; and a "size" that is that of the upright image, which Pillow gives from
# version 11 on before anything is decoded.
# Version: Pillow 13.0.0.
# Seen: 2 x 3 pixels 1 2 3 / 4 5 6 with Orientation 6 are upright as 4 1 / 5 2 / 6 3. Opened by name: 5 3 1 / 6 4 2,
# that is, the bytes cut into rows of two and then turned. The same for gray of 16 bits; right if compressed.
# References: TIFF 6.0, tag 274; PIL/ImageFile.py, ImageFile.load, which maps a file into memory with self.size, and
# PIL/TiffImagePlugin.py, TiffImageFile._setup, which has exchanged width and height of self.size by then.
# In smallvision: Pillow is given files without their names, and TIFFs without their turn, which is applied afterwards
# (tests/data/test_data_image_turns.py, test_tiff).
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    pillow==13.0.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import struct

import numpy
from PIL import Image


def tiff(name, width, height, bits, data, orientation):
    tags = [
        (256, 3, width),
        (257, 3, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (274, 3, orientation),
        (277, 3, 1),
        (278, 3, height),
        (279, 4, len(data)),
    ]
    data += b"\0" * (len(data) % 2)
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    with open(name, "wb") as file:
        file.write(
            b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)
        )


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


upright = [[4, 1], [5, 2], [6, 3]]
cut = [[5, 3, 1], [6, 4, 2]]
for bits, form in ((8, "<6B"), (16, "<6H")):
    tiff("turned.tif", 3, 2, bits, struct.pack(form, 1, 2, 3, 4, 5, 6), 6)
    with open("turned.tif", "rb") as file:
        check(f"{bits} bits, a file object", numpy.asarray(Image.open(file)).tolist(), upright)
    with Image.open("turned.tif") as image:
        check(f"{bits} bits, the size before decoding", image.size, (2, 3))
        check(f"{bits} bits, opened by name", numpy.asarray(image).tolist(), cut)
print("The behaviour is as stated.")
PY
