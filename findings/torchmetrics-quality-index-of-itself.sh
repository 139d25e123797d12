#!/usr/bin/env bash
# The universal image quality index of an image and itself is 1 by its definition. torchmetrics gives less where the
# image has flat parts: each flat window counts as 0.
#
# Expected: 1 for any image and itself.
# Versions: torchmetrics 1.9.0, torch 2.13.0.
# Seen: noise of 28 x 28 pixels: 1.0. A square of noise of 12 x 12 pixels on black: between 0.9 and 0.99. Flat gray:
# 0.0.
# References: Wang and Bovik 2002, IEEE Signal Processing Letters 9; torchmetrics/functional/image/uqi.py, whose
# numerator is 0 where the covariance is.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torchmetrics.functional.image import universal_image_quality_index as quality


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


torch.manual_seed(0)
noise = torch.rand(1, 1, 28, 28)
digit = torch.zeros(1, 1, 28, 28)
digit[..., 8:20, 8:20] = torch.rand(12, 12)
flat = torch.full((1, 1, 28, 28), 0.5)
check("noise and itself, right", round(quality(noise, noise).item(), 3), 1.0)
check("digit and itself, below 0.99", 0.9 < quality(digit, digit).item() < 0.99, True)
check("flat and itself", quality(flat, flat).item(), 0.0)
print("The behaviour is as stated.")
PY
