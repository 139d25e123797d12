#!/usr/bin/env bash
# SMOTE on uint8 images makes images that are not between their two parents, without an error: the difference of two
# neighbours is taken in uint8, where it wraps at 256. The same pixels as int16 or float32 are interpolated right.
#
# Expected: every new value is between those of its two parents, rounded to uint8.
# Version: imbalanced-learn 0.14.2.
# Seen: images of the smaller class have the gray levels 200, 210 and 220. As uint8 the new ones have levels below 150
# and above 240; as int16 and float32 all are within 200 to 220.
# References: imblearn/over_sampling/_smote/base.py, _generate_samples: diffs = nn_data[nn_num[rows, cols]] - X[rows].
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import numpy
from imblearn.over_sampling import SMOTE


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


images = numpy.concatenate([numpy.arange(100, 130), [200, 210, 220]]).repeat(4).reshape(-1, 4)
classes = numpy.repeat([0, 1], [30, 3])


def made(kind):
    found = SMOTE(k_neighbors=2, random_state=0).fit_resample(images.astype(kind), classes)[0][len(images) :]
    assert len(found) == 27 and found.dtype == kind
    return float(found.min()), float(found.max())


low, high = made(numpy.uint8)
check(f"uint8, {low} to {high}, leaves 200 to 220 on both sides", low < 150 and high > 240, True)
for kind in (numpy.int16, numpy.float32):
    low, high = made(kind)
    check(f"{kind.__name__}, {low} to {high}, stays within 200 to 220", 200 <= low and high <= 220, True)
print("The behaviour is as stated.")
PY
