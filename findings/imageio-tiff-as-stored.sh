#!/usr/bin/env bash
# imageio.v3.imread chooses its tifffile plugin for a TIFF, and that plugin gives the stored numbers: it does not turn
# the image upright and does not invert it where 0 is white. With plugin="pillow" the same call does both.
#
# Expected: the same pixels from both plugins, as neither call asks for a rotation.
# Versions: imageio 2.38.1, tifffile 2026.3.3, Pillow 13.0.0.
# Seen: 2 x 3 pixels with Orientation 6: shape (2, 3) by default, (3, 2) with plugin="pillow". 0, 10, 255 in a file in
# which 0 is white: 0, 10, 255 by default, and 255, 245, 0 with plugin="pillow".
# References: imageio/config/extensions.py lists tifffile first for ".tif"; TIFF 6.0, tags 274 (Orientation) and 262
# (PhotometricInterpretation); imageio's Pillow plugin has the parameter rotate, False by default.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    imageio==2.38.1 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import struct

import imageio.v3


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


def read(name, **how):
    found = imageio.v3.imread(name, **how)
    return found.shape, found.tolist()


tiff("turned.tif", 3, 2, 8, bytes([0, 40, 80, 120, 160, 200]), orientation=6)
tiff("negative.tif", 3, 1, 8, bytes([0, 10, 255]), photometric=0)
check("Orientation 6, by itself", read("turned.tif"), ((2, 3), [[0, 40, 80], [120, 160, 200]]))
check("Orientation 6, plugin pillow", read("turned.tif", plugin="pillow"), ((3, 2), [[120, 0], [160, 40], [200, 80]]))
check("0 is white, by itself", read("negative.tif"), ((1, 3), [[0, 10, 255]]))
check("0 is white, plugin pillow", read("negative.tif", plugin="pillow"), ((1, 3), [[255, 245, 0]]))
print("The behaviour is as stated.")
PY
