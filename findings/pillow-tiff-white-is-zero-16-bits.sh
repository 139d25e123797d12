#!/usr/bin/env bash
# A gray TIFF may state that 0 is white (PhotometricInterpretation 0). Pillow inverts such an image if it has 8 bits,
# and leaves it a negative if it has 16 bits or floating-point numbers. OpenCV inverts 16 bits with IMREAD_GRAYSCALE,
# and not with IMREAD_UNCHANGED.
#
# Expected: 16 bits are inverted as 8 bits are.
# Versions: Pillow 13.0.0; opencv-python-headless 5.0.0.93.
# Seen: 0, 10, 255 (8 bits): Pillow gives 255, 245, 0. 0, 1000, 65535 (16 bits): Pillow gives 0, 1000, 65535; OpenCV
# unchanged gives 0, 1000, 65535, and as gray 255, 252, 0.
# References: TIFF 6.0, PhotometricInterpretation (262): 0 is WhiteIsZero; PIL/TiffImagePlugin.py, OPEN_INFO, where
# the entry of 0 with (8,) has the raw mode "L;I" and the entry of 0 with (16,) has "I;16".
# In smallvision: 16 bits are inverted, and floating-point numbers are refused in one line, since the file does not
# state which number is black (tests/data/test_data_image_numbers.py,
# test_a_tiff_of_16_bits_in_which_0_is_white_is_no_negative, test_a_tiff_of_floats_in_which_0_is_white_is_refused).
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


tiff("eight.tif", 3, 1, 8, bytes([0, 10, 255]), photometric=0)
tiff("sixteen.tif", 3, 1, 16, struct.pack("<3H", 0, 1000, 65535), photometric=0)
tiff("float.tif", 3, 1, 32, struct.pack("<3f", 0, 0.25, 1), photometric=0, sample_format=3)

check("8 bits, Pillow", numpy.asarray(Image.open("eight.tif")).tolist(), [[255, 245, 0]])
check("16 bits, Pillow", numpy.asarray(Image.open("sixteen.tif")).tolist(), [[0, 1000, 65535]])
check("floats, Pillow", numpy.asarray(Image.open("float.tif")).tolist(), [[0.0, 0.25, 1.0]])
check("8 bits, OpenCV unchanged", cv2.imread("eight.tif", cv2.IMREAD_UNCHANGED).tolist(), [[255, 245, 0]])
check("16 bits, OpenCV unchanged", cv2.imread("sixteen.tif", cv2.IMREAD_UNCHANGED).tolist(), [[0, 1000, 65535]])
check("16 bits, OpenCV gray", cv2.imread("sixteen.tif", cv2.IMREAD_GRAYSCALE).tolist(), [[255, 252, 0]])
print("The behaviour is as stated.")
PY
