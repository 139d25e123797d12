#!/usr/bin/env bash
# torchinfo, thop and ptflops (with its PyTorch backend) count 0 multiply-adds for a convolution whose weight is
# parametrised by torch.nn.utils.parametrizations.weight_norm. torch's own counter and fvcore count it as the plain
# convolution.
#
# Expected: the multiply-adds of the plain convolution, from all five.
# Versions: torchinfo 1.8.0, thop 0.1.1.post2209072238, ptflops 0.7.5, fvcore 0.1.5.post20221221, torch 2.13.0.
# Seen: Conv2d(3, 8, 3, padding=1) on 8 x 8 pixels: all five give 13824. With weight_norm, torch and fvcore give
# 13824, and torchinfo, thop and ptflops give 0.
# References: torch/nn/utils/parametrize.py changes the class of the module to ParametrizedConv2d, and moves its
# weight to another module; thop/profile.py chooses the rule by type(m).
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchinfo==1.8.0 thop==0.1.1.post2209072238 fvcore==0.1.5.post20221221 ptflops==0.7.5 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.flop_counter import FlopCounterMode


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def counts(make):
    image = torch.zeros(1, 3, 8, 8)
    with FlopCounterMode(display=False) as counter:
        make()(image)
    with contextlib.redirect_stdout(io.StringIO()):
        ptflops = get_model_complexity_info(
            nn.Sequential(make()), (3, 8, 8), as_strings=False, print_per_layer_stat=False, backend="pytorch"
        )[0]
    return {
        "torch": counter.get_total_flops() // 2,
        "fvcore": FlopCountAnalysis(make(), image).total(),
        "torchinfo": torchinfo.summary(nn.Sequential(make()), input_data=image, verbose=0).total_mult_adds,
        "thop": int(thop.profile(nn.Sequential(make()), (image,), verbose=False)[0]),
        "ptflops": int(ptflops),
    }


def plain():
    return nn.Conv2d(3, 8, 3, padding=1, bias=False)


right = 3 * 8 * 3 * 3 * 8 * 8
check("plain", counts(plain), dict.fromkeys(["torch", "fvcore", "torchinfo", "thop", "ptflops"], right))
check(
    "parametrised",
    counts(lambda: weight_norm(plain())),
    {"torch": right, "fvcore": right, "torchinfo": 0, "thop": 0, "ptflops": 0},
)
print("The behaviour is as stated.")
PY
