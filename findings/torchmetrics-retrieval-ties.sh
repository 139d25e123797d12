#!/usr/bin/env bash
# RetrievalMAP of items with equal scores depends on the place of the right item in the batch, and not in the order of
# the input. A network that gives all images the same representation has a mean average precision that depends on the
# order of the images alone.
#
# Expected: the same value wherever the right item is (scikit-learn's average_precision_score: 0.25).
# Versions: torchmetrics 1.9.0, torch 2.13.0 on a processor; scikit-learn 1.9.1 for comparison.
# Seen: four items of score 0.5, of which one is right. If it is the first, 1/3; the second, 1/4; the third, 1; the
# last, 1/2. scikit-learn gives 0.25 for each.
# References: torchmetrics/functional/retrieval/average_precision.py sorts by torch.topk, whose documentation states
# no order of equal elements.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 torchmetrics==1.9.0 scikit-learn==1.9.1 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from sklearn.metrics import average_precision_score
from torchmetrics.retrieval import RetrievalMAP


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


query, equal = torch.zeros(4, dtype=torch.long), torch.full((4,), 0.5)
found = {}
for place in range(4):
    right = torch.tensor([int(one == place) for one in range(4)])
    found[place] = round(RetrievalMAP()(equal, right, indexes=query).item(), 3)
    check(f"scikit-learn, right one at place {place}", float(average_precision_score(right, equal)), 0.25)
print("torchmetrics, by place:", found)
check("torchmetrics, by place: several values", len(set(found.values())) > 1, True)
check("torchmetrics: the order of the input decides", found == {0: 1.0, 1: 0.5, 2: 0.333, 3: 0.25}, False)
print("The behaviour is as stated.")
PY
