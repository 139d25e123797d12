#!/usr/bin/env bash
# McNemar's test of two classifiers that give the same answers has p = 0 in mlxtend (by default) and in statsmodels
# (with exact=False): with the continuity correction, the square of |0 - 0| - 1 is divided by 0.
#
# Expected: p = 1, since no image speaks for a difference, or NaN.
# Versions: mlxtend 0.25.0, statsmodels 0.15.0.
# Seen: for the table [[10, 0], [0, 10]] chi-square is infinite and p is 0.0 in mlxtend, and p is 0.0 in statsmodels.
# Without the correction mlxtend gives NaN. The exact form gives 1.0 in both.
# References: mlxtend/evaluate/mcnemar.py: chi2 = (abs(b - c) - 1.0) ** 2 / n;
# statsmodels/stats/contingency_tables.py, mcnemar; Edwards 1948, Psychometrika 13, for the correction.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    mlxtend==0.25.0 statsmodels==0.15.0 numpy==2.4.6 scipy==1.17.1
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import math

import numpy
from mlxtend.evaluate import mcnemar, mcnemar_table
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


truth = numpy.arange(20) % 2
answers = numpy.where(numpy.arange(20) < 10, truth, 1 - truth)  # half right, and both models say the same
table = mcnemar_table(y_target=truth, y_model1=answers, y_model2=answers)
check("table", table.tolist(), [[10, 0], [0, 10]])
check("mlxtend, default", tuple(map(float, mcnemar(table))), (math.inf, 0.0))
check("mlxtend, exact", float(mcnemar(table, exact=True)[1]), 1.0)
check("mlxtend, uncorrected", math.isnan(mcnemar(table, corrected=False)[1]), True)
check("statsmodels, exact=False", float(statsmodels_mcnemar(table, exact=False).pvalue), 0.0)
check("statsmodels, exact", float(statsmodels_mcnemar(table).pvalue), 1.0)
print("The behaviour is as stated.")
PY
