#!/usr/bin/env bash
# Pillow reads a TIFF of signed bytes as unsigned ones (-1 becomes 255) and a TIFF of unsigned 32-bit numbers as
# signed ones (4294967295 becomes -1), both without an error. Signed 16-bit numbers are read right.
#
# Expected: -1 stays negative and 4294967295 positive, or the file is refused.
# Versions: Pillow 13.0.0; opencv-python-headless 5.0.0.93, which reads both right, for comparison.
# Seen: -128, -1, 0, 127: mode L, 128, 255, 0, 127. 0, 1, 2147483653, 4294967295: mode I, 0, 1, -2147483643, -1.
# References: TIFF 6.0, section 19, SampleFormat (339): 1 is unsigned, 2 is signed; PIL/TiffImagePlugin.py, OPEN_INFO,
# entries of (2,) with (8,) and of (1,) with (32,).
# In smallvision: negative bytes are refused in one line, and so are unsigned 32-bit numbers above 65535
# (tests/data/test_data_image_numbers.py, test_a_tiff_of_negative_bytes_is_refused,
# test_a_tiff_of_unsigned_32_bits_is_refused_with_its_own_numbers).
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import struct

import cv2
import numpy
from PIL import Image


def tiff(name, width, height, bits, data, photometric=1, sample_format=1, orientation=1):
    tags = [
        (256, 3, width),
        (257, 3, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (274, 3, orientation),
        (277, 3, 1),
        (278, 3, height),
        (279, 4, len(data)),
        (339, 3, sample_format),
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


def pillow(name):
    image = Image.open(name)
    return image.mode, numpy.asarray(image).tolist()


tiff("signed8.tif", 4, 1, 8, struct.pack("<4b", -128, -1, 0, 127), sample_format=2)
tiff("signed16.tif", 4, 1, 16, struct.pack("<4h", -128, -1, 0, 127), sample_format=2)
tiff("unsigned32.tif", 4, 1, 32, struct.pack("<4I", 0, 1, 2**31 + 5, 2**32 - 1))

check("int16, Pillow, right", pillow("signed16.tif"), ("I", [[-128, -1, 0, 127]]))
check("int8, Pillow", pillow("signed8.tif"), ("L", [[128, 255, 0, 127]]))
check("int8, OpenCV, right", cv2.imread("signed8.tif", cv2.IMREAD_UNCHANGED).tolist(), [[-128, -1, 0, 127]])
check("uint32, Pillow", pillow("unsigned32.tif"), ("I", [[0, 1, -2147483643, -1]]))
check(
    "uint32, OpenCV, right",
    cv2.imread("unsigned32.tif", cv2.IMREAD_UNCHANGED).tolist(),
    [[0, 1, 2147483653, 4294967295]],
)
print("The behaviour is as stated.")
PY
