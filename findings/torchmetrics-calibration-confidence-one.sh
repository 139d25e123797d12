#!/usr/bin/env bash
# The calibration errors of torchmetrics put confidences of exactly 1 into a bin of their own, so that the error
# depends on which confidences are rounded to 1. In float32 the softmax of logits that are 20 apart is exactly 1.
#
# Expected: the last bin contains 1; with one bin, the error is |mean confidence - accuracy|.
# Versions: torchmetrics 1.9.0, torch 2.13.0.
# Seen: confidences 1, 1, 0.6, 0.6, of which the first, third and fourth are right, n_bins=1: 0.45, where |0.8 - 0.75|
# = 0.05. With 0.999999 in place of 1: 0.05.
# References: torchmetrics/functional/classification/calibration_error.py, _binning_bucketize, has n_bins + 1 bins;
# Guo et al. 2017, section 2, whose bins are ((m - 1) / M, m / M].
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def error(top, n_bins=1):
    confidence = torch.tensor([top, top, 0.6, 0.6])
    found = multiclass_calibration_error(
        torch.stack([confidence, 1 - confidence], 1), torch.tensor([0, 1, 0, 0]), 2, n_bins=n_bins
    )
    return round(found.item(), 3)


check("one bin, just below 1, right", error(1 - 1e-6), 0.05)
check("one bin, exactly 1", error(1.0), 0.45)
check(
    "one bin, binary",
    round(binary_calibration_error(torch.tensor([1.0, 1, 0.6, 0.6]), torch.tensor([1, 0, 1, 1]), n_bins=1).item(), 3),
    0.45,
)
sure = torch.softmax(torch.tensor([[0.0, 20.0]]), 1).max().item()
check("a softmax of logits 20 apart is exactly 1", sure, 1.0)
print("The behaviour is as stated.")
PY
