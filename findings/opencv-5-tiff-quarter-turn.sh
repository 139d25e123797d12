#!/usr/bin/env bash
# cv2.imread gives None for a TIFF whose Orientation is 5 to 8 (a quarter turn, or a transposition), unless the image
# is square, and with the flag IMREAD_IGNORE_ORIENTATION, too. It reads square ones, and Orientations 1 to 4. A
# program that skips the files for which imread gives None loses these.
#
# Expected: an upright image for every shape, as Pillow gives it.
# Versions: opencv-python-headless 5.0.0.93; Pillow 13.0.0 for comparison.
# Seen: 2 x 3 pixels: as Pillow for Orientations 1 to 4, and None for 5 to 8. 3 x 3 pixels: as Pillow for 1 to 8.
# References: TIFF 6.0, tag 274 (Orientation).
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


def read(width, height, orientation, flag):
    tiff("turned.tif", width, height, 8, bytes(range(width * height)), orientation=orientation)
    found = cv2.imread("turned.tif", flag)
    if found is None:
        return "None"
    return "as Pillow" if numpy.array_equal(found, numpy.asarray(Image.open("turned.tif"))) else "other"


cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
gray, unchanged = cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED
check("square, Orientation 1 to 8", [read(3, 3, turn, gray) for turn in range(1, 9)], ["as Pillow"] * 8)
check("3 wide, 2 high, gray", [read(3, 2, turn, gray) for turn in range(1, 9)], ["as Pillow"] * 4 + ["None"] * 4)
check(
    "3 wide, 2 high, colour",
    [
        cv2.imread("turned.tif", cv2.IMREAD_COLOR) is None,
        cv2.imread("turned.tif", cv2.IMREAD_IGNORE_ORIENTATION) is None,
    ],
    [True] * 2,
)
check(
    "3 wide, 2 high, unchanged", [read(3, 2, turn, unchanged) for turn in range(1, 9)], ["as Pillow"] * 4 + ["None"] * 4
)
print("The behaviour is as stated.")
PY
