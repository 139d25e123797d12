#!/usr/bin/env bash
# torchinfo counts a Linear layer that is applied to each token of a sequence as if it were applied once for each
# image, so that its multiply-adds are too few by the number of tokens.
#
# Expected: 7 tokens cost 7 times as much as one.
# Versions: torchinfo 1.8.0; torch 2.13.0, whose own counter is the comparison.
# Seen: Linear(16, 10, bias=False) on (1, 16): 160 from both. On (1, 7, 16): torchinfo gives 160, torch 1120. The same
# product as a convolution of size 1: 1120 from both.
# References: torchinfo/layer_info.py, calculate_macs: self.macs += self.output_size[0] * cur_params, for layers
# without "Conv" in their name.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchinfo==1.8.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import torch
import torchinfo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def counts(layer, image):
    with FlopCounterMode(display=False) as counter:
        layer(image)
    return counter.get_total_flops() // 2, torchinfo.summary(layer, input_data=image, verbose=0).total_mult_adds


linear = nn.Linear(16, 10, bias=False)
check("one vector: torch, torchinfo", counts(linear, torch.zeros(1, 16)), (160, 160))
check("seven tokens: torch, torchinfo", counts(linear, torch.zeros(1, 7, 16)), (1120, 160))
check(
    "seven tokens as a 1 x 1 convolution", counts(nn.Conv1d(16, 10, 1, bias=False), torch.zeros(1, 16, 7)), (1120, 1120)
)
print("The behaviour is as stated.")
PY
