#!/usr/bin/env bash
# White of a 12-bit gray TIFF is 4095 in Pillow, in a mode of 16 bits ("I;16"), and 65520 in OpenCV. A program that
# takes 65535 for white in "I;16" makes such an image sixteen times too dark.
#
# Expected: the same number in both.
# Versions: Pillow 13.0.0, opencv-python-headless 5.0.0.93.
# Seen: 0, 1, 2048, 4095: Pillow gives mode I;16 and 0, 1, 2048, 4095; OpenCV unchanged gives uint16 0, 16, 32768,
# 65520, and None as 8-bit gray. The tag BitsPerSample of the opened Pillow image is (12,).
# References: PIL/TiffImagePlugin.py, OPEN_INFO, entry of (12,): ("I;16", "I;12").
# In smallvision: 4095 is white in a TIFF of 12 bits (tests/data/test_data_image_numbers.py,
# test_4095_is_white_in_a_tiff_of_12_bits).
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


cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
tiff("twelve.tif", 4, 1, 12, bytes([0x00, 0x00, 0x01, 0x80, 0x0F, 0xFF]))  # 000 001 800 FFF, two samples in three bytes
image = Image.open("twelve.tif")
unchanged = cv2.imread("twelve.tif", cv2.IMREAD_UNCHANGED)
check("Pillow", (image.mode, numpy.asarray(image).tolist()), ("I;16", [[0, 1, 2048, 4095]]))
check("Pillow, BitsPerSample", image.tag_v2[258], (12,))
check("OpenCV unchanged", (str(unchanged.dtype), unchanged.tolist()), ("uint16", [[0, 16, 32768, 65520]]))
check("OpenCV gray", cv2.imread("twelve.tif", cv2.IMREAD_GRAYSCALE), None)
print("The behaviour is as stated.")
PY
