#!/usr/bin/env bash
# multipletests with one p value that is NaN: the method of Benjamini and Hochberg rejects hypotheses although every
# corrected p is NaN, and other ones than without the NaN; Holm's method counts the NaN as a test, so that the
# corrected values are larger. No error is raised.
#
# Expected: the NaN stays and the others are corrected as if it were absent, or it is refused, as
# scipy.stats.false_discovery_control does.
# Versions: statsmodels 0.15.0; SciPy 1.17.1 for comparison.
# Seen: p = 0.01, NaN, 0.02, 0.04: fdr_bh rejects [True, False, True, False], and all corrected values are NaN;
# without the NaN it rejects all three. holm corrects to 0.04, NaN, 0.06, 0.08; without the NaN to 0.03, 0.04, 0.04.
# References: statsmodels/stats/multitest.py, multipletests and fdrcorrection.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import numpy
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def corrected(values, method):
    reject, p = multipletests(values, method=method)[:2]
    return reject.tolist(), [round(float(one), 3) for one in p]


complete, missing = [0.01, 0.02, 0.04], [0.01, numpy.nan, 0.02, 0.04]
check("fdr_bh, complete", corrected(complete, "fdr_bh"), ([True, True, True], [0.03, 0.03, 0.04]))
check("fdr_bh, one missing", str(corrected(missing, "fdr_bh")), "([True, False, True, False], [nan, nan, nan, nan])")
check("holm, complete", corrected(complete, "holm"), ([True, True, True], [0.03, 0.04, 0.04]))
check("holm, one missing", str(corrected(missing, "holm")), "([True, False, False, False], [0.04, nan, 0.06, 0.08])")
try:
    false_discovery_control(missing)
    refused = False
except ValueError:
    refused = True
check("scipy refuses it", refused, True)
print("The behaviour is as stated.")
PY
