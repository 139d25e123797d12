#!/usr/bin/env bash
# A PNG of gray with alpha opens in Pillow as "LA" if it has 8 bits, and as "RGBA" if it has 16. A program that
# decides by the mode, or by the number of channels, whether an image is gray takes the second one for a colour image.
#
# Expected: mode "LA" for both.
# Versions: Pillow 13.0.0; imageio 2.38.1, which reads PNG by Pillow.
# Seen: 8 bits: LA. 16 bits: RGBA, three equal channels and alpha, of 8 bits each (the high bytes). imageio gives the
# shapes (1, 2, 2) and (1, 2, 4).
# References: PNG specification, 11.2.1, colour type 4, bit depths 8 and 16; PIL/PngImagePlugin.py, _MODES, entry (16,
# 4), with the comment "LA;16B->LA not yet available".
# In smallvision: such a file is read as gray, by the colour type in its header
# (tests/data/test_data_image_numbers.py, test_gray_with_alpha_of_16_bits_is_gray).
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    pillow==13.0.0 imageio==2.38.1 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import struct
import zlib

import imageio.v3
from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, width, bits, colour, row, transparent=None):
    header = struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header)] + ([] if transparent is None else [(b"tRNS", transparent)])
    chunks += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    with open(name, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks))


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


png("gray-alpha-8.png", 2, 8, 4, bytes([128, 255, 18, 128]))
png("gray-alpha-16.png", 2, 16, 4, struct.pack(">4H", 0x80FF, 0xFFFF, 0x1234, 0x8000))

check("8 bits, mode", Image.open("gray-alpha-8.png").mode, "LA")
check("16 bits, mode", Image.open("gray-alpha-16.png").mode, "RGBA")
check("16 bits, bytes", list(Image.open("gray-alpha-16.png").tobytes()), [128, 128, 128, 255, 18, 18, 18, 128])
check("8 bits, imageio", imageio.v3.imread("gray-alpha-8.png").shape, (1, 2, 2))
check("16 bits, imageio", imageio.v3.imread("gray-alpha-16.png").shape, (1, 2, 4))
print("The behaviour is as stated.")
PY
