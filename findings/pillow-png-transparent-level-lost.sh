#!/usr/bin/env bash
# Pillow keeps the transparent gray level or colour of a PNG (chunk tRNS) in the file's own numbers, while it brings
# gray of 2 and 4 bits, and RGB of 16 bits, to 8 bits. For these, and for gray of 16 bits, no pixel is transparent
# after convert("RGBA").
#
# Expected: the pixels of the level that tRNS names are transparent at every bit depth, as they are for gray of 1 and
# 8 bits and RGB of 8 bits.
# Version: Pillow 13.0.0.
# Seen: 4-bit gray with the transparent level 7: has_transparency_data is True, info["transparency"] is 7, the pixel
# is 119 (7 x 17), and its alpha is 255. Alpha is 255, too, for 2-bit gray, 16-bit gray and 16-bit RGB.
# References: PNG specification, 11.3.2.1 tRNS (numbers are compared in the file's own depth); PIL/PngImagePlugin.py,
# chunk_tRNS.
# In smallvision: transparent levels of every depth become white, and 16 bits are compared in all bits
# (tests/data/test_data_image_numbers.py, test_the_transparent_level_of_a_gray_png_is_white_at_every_depth,
# test_the_transparent_level_of_16_bits_is_compared_in_all_bits,
# test_the_transparent_colour_of_16_bits_is_compared_in_all_bits).
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    pillow==13.0.0
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import struct
import zlib

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


def alpha(name):
    image = Image.open(name)
    return (
        image.mode,
        image.info["transparency"],
        image.has_transparency_data,
        list(image.convert("RGBA").getchannel("A").tobytes()),
    )


# Two pixels each; the first has the level that tRNS names, and the right answer is alpha [0, 255].
png("gray1.png", 2, 1, 0, bytes([0b10_000000]), struct.pack(">H", 1))
png("gray2.png", 2, 2, 0, bytes([0b0110_0000]), struct.pack(">H", 1))
png("gray4.png", 2, 4, 0, bytes([0x7F]), struct.pack(">H", 7))
png("gray8.png", 2, 8, 0, bytes([7, 200]), struct.pack(">H", 7))
png("gray16.png", 2, 16, 0, struct.pack(">2H", 700, 20000), struct.pack(">H", 700))
png("rgb8.png", 2, 8, 2, bytes([1, 2, 3, 4, 5, 6]), struct.pack(">3H", 1, 2, 3))
png("rgb16.png", 2, 16, 2, struct.pack(">6H", 1000, 2000, 3000, 0, 0, 0), struct.pack(">3H", 1000, 2000, 3000))

check("1-bit gray, as it should be", alpha("gray1.png"), ("1", 255, True, [0, 255]))
check("8-bit gray, as it should be", alpha("gray8.png"), ("L", 7, True, [0, 255]))
check("8-bit RGB, as it should be", alpha("rgb8.png"), ("RGB", (1, 2, 3), True, [0, 255]))
check("2-bit gray, lost", alpha("gray2.png"), ("L", 1, True, [255, 255]))
check("4-bit gray, its first pixel", Image.open("gray4.png").getpixel((0, 0)), 7 * 17)
check("4-bit gray, lost", alpha("gray4.png"), ("L", 7, True, [255, 255]))
check("16-bit gray, lost", alpha("gray16.png"), ("I;16", 700, True, [255, 255]))
check("16-bit RGB, lost", alpha("rgb16.png"), ("RGB", (1000, 2000, 3000), True, [255, 255]))
print("The behaviour is as stated.")
PY
