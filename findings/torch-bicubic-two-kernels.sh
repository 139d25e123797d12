#!/usr/bin/env bash
# torch.nn.functional.interpolate(mode="bicubic") enlarges with another kernel when antialias=True, although an image
# that is enlarged needs no filter: the cubic has a = -0.75 without it, and a = -0.5 with it. Bilinear enlarging is
# the same with and without.
#
# Expected: antialias=True changes nothing when an image is enlarged.
# Version: torch 2.13.0, on a processor.
# Seen: of the four neighbours of a new pixel the two outer ones have the weights -0.1055 and -0.0352 without
# antialias, and -0.0703 and -0.0234 with it. Noise of 8 x 8 pixels enlarged twofold: bilinear is the same up to
# rounding, bicubic differs by more than 0.01.
# References: the documentation of antialias says that the result matches Pillow's for downsampling, and nothing about
# enlarging.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torch.nn.functional import interpolate


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def apart(mode):
    torch.manual_seed(0)
    image = torch.rand(1, 1, 8, 8)
    return (
        (interpolate(image, (16, 16), mode=mode, antialias=True) - interpolate(image, (16, 16), mode=mode))
        .abs()
        .max()
        .item()
    )


def weights(antialias):
    """What the four neighbours of a new pixel a quarter of the way between two old ones weigh, inside the image."""
    found = []
    for place in range(6, 10):
        image = torch.zeros(1, 1, 16, 16)
        image[..., place] = 1
        found.append(round(interpolate(image, (32, 32), mode="bicubic", antialias=antialias)[0, 0, 16, 15].item(), 4))
    return found


def cubic(a, distance):
    near, far = (
        (a + 2) * distance**3 - (a + 3) * distance**2 + 1,
        a * (distance**3 - 5 * distance**2 + 8 * distance - 4),
    )
    return round(near if distance <= 1 else far, 4)


distances = [1.25, 0.25, 0.75, 1.75]
check("bilinear is the same", apart("bilinear") < 1e-5, True)
check("bicubic is not", apart("bicubic") > 0.01, True)
check("without antialias, a = -0.75", weights(False), [cubic(-0.75, one) for one in distances])
check("with antialias, a = -0.5", weights(True), [cubic(-0.5, one) for one in distances])
print("The behaviour is as stated.")
PY
