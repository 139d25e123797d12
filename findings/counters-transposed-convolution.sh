#!/usr/bin/env bash
# torchinfo and thop count each weight of a transposed convolution once for each output pixel. It is used once for
# each input pixel, so with a stride of 2 the count is four times too large. Decoders of convolutional autoencoders
# are made of such layers.
#
# Expected: the number of weights times the number of input pixels, from all four counters.
# Versions: torchinfo 1.8.0, thop 0.1.1.post2209072238, fvcore 0.1.5.post20221221, torch 2.13.0.
# Seen: ConvTranspose2d(8, 4, 2, stride=2) on 4 x 4 pixels: 8 x 4 x 2 x 2 x 16 = 2048. fvcore and torch give 2048,
# torchinfo and thop give 8192. For a plain convolution all four agree.
# References: torchinfo/layer_info.py, calculate_macs, multiplies the parameters by the output size where "Conv" is in
# the name of the class; thop/profile.py counts nn.ConvTranspose2d by count_convNd.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchinfo==1.8.0 thop==0.1.1.post2209072238 fvcore==0.1.5.post20221221 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def counts(layer, image):
    with FlopCounterMode(display=False) as counter:
        layer(image)
    return {
        "torch": counter.get_total_flops() // 2,
        "fvcore": FlopCountAnalysis(layer, image).total(),
        "torchinfo": torchinfo.summary(layer, input_data=image, verbose=0).total_mult_adds,
        "thop": int(thop.profile(layer, (image,), verbose=False)[0]),
    }


right = 8 * 4 * 2 * 2 * 16
plain = counts(nn.Conv2d(8, 4, 2, stride=2, bias=False), torch.zeros(1, 8, 8, 8))
check("plain convolution, 8 x 8 to 4 x 4", plain, dict.fromkeys(plain, right))
transposed = counts(nn.ConvTranspose2d(8, 4, 2, stride=2, bias=False), torch.zeros(1, 8, 4, 4))
check(
    "transposed, 4 x 4 to 8 x 8",
    transposed,
    {"torch": right, "fvcore": right, "torchinfo": 4 * right, "thop": 4 * right},
)
print("The behaviour is as stated.")
PY
