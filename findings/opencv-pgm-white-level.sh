#!/usr/bin/env bash
# A PGM file states the number that is white (maxval). Pillow scales by it. OpenCV does not, so that a white pixel of
# a file of 4 or 12 bits is nearly black: 15 of 255 in both, when they are read as 8-bit gray.
#
# Expected: white is 255, or 65535 in 16 bits.
# Versions: opencv-python-headless 5.0.0.93; Pillow 13.0.0 for comparison.
# Seen: maxval 15, numbers 0, 1, 7, 15: Pillow 0, 17, 119, 255; OpenCV 0, 1, 7, 15. maxval 4095, numbers 0, 1, 2047,
# 4095: Pillow 0, 16, 32759, 65535; OpenCV unchanged 0, 1, 2047, 4095, and as 8-bit gray 0, 0, 7, 15.
# References: the pgm page of Netpbm, by which black is 0 and white is maxval.
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


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


with open("four.pgm", "wb") as file:
    file.write(b"P5\n4 1\n15\n" + bytes([0, 1, 7, 15]))
with open("twelve.pgm", "wb") as file:
    file.write(b"P5\n4 1\n4095\n" + struct.pack(">4H", 0, 1, 2047, 4095))

check("maxval 15, Pillow", numpy.asarray(Image.open("four.pgm")).tolist(), [[0, 17, 119, 255]])
check("maxval 15, OpenCV gray", cv2.imread("four.pgm", cv2.IMREAD_GRAYSCALE).tolist(), [[0, 1, 7, 15]])
check("maxval 4095, Pillow", numpy.asarray(Image.open("twelve.pgm")).tolist(), [[0, 16, 32759, 65535]])
check("maxval 4095, OpenCV unchanged", cv2.imread("twelve.pgm", cv2.IMREAD_UNCHANGED).tolist(), [[0, 1, 2047, 4095]])
check("maxval 4095, OpenCV gray", cv2.imread("twelve.pgm", cv2.IMREAD_GRAYSCALE).tolist(), [[0, 0, 7, 15]])
print("The behaviour is as stated.")
PY
