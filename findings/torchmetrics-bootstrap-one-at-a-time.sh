#!/usr/bin/env bash
# BootStrapper(sampling_strategy="multinomial") resamples within each update. Updated with one image at a time it
# draws that one image each time, and its standard error is exactly 0. With "poisson" the division into updates does
# not matter so.
#
# Expected: the standard error of all images together, however they are divided ("true bootstrapping", as the
# documentation says of "multinomial").
# Versions: torchmetrics 1.9.0, torch 2.13.0.
# Seen: 200 images with an accuracy of one half, whose standard error is 0.035. Multinomial: between 0.02 and 0.05 in
# one update, 0.0 in 200 updates of one image. Poisson: between 0.02 and 0.05 in both.
# References: torchmetrics/wrappers/bootstrapping.py, _bootstrap_sampler: torch.multinomial(torch.ones(size),
# num_samples=size, replacement=True), where size is that of the update.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torchmetrics.classification import BinaryAccuracy
from torchmetrics.wrappers import BootStrapper


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


right = torch.arange(200) % 2
ones = torch.ones_like(right)


def standard_error(strategy, together):
    torch.manual_seed(0)
    metric = BootStrapper(BinaryAccuracy(), num_bootstraps=50, sampling_strategy=strategy)
    for first in range(0, len(right), together):
        metric.update(right[first : first + together], ones[first : first + together])
    return metric.compute()["std"].item()


for strategy, together, low, high in (
    ("multinomial", 200, 0.02, 0.05),
    ("poisson", 1, 0.02, 0.05),
    ("poisson", 200, 0.02, 0.05),
):
    check(
        f"{strategy}, {together} at a time, between {low} and {high}",
        low < standard_error(strategy, together) < high,
        True,
    )
check("multinomial, one at a time", standard_error("multinomial", 1), 0.0)
print("The behaviour is as stated.")
PY
