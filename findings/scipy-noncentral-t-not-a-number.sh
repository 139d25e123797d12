#!/usr/bin/env bash
# scipy 1.17.1: the cdf of the noncentral t distribution is NaN at some points of its far tail, between points where it
# is a number.
# Expected: nct.cdf(x, df, nc) falls towards 0 as nc grows, and is 0 where it is too small for a number; its page
# (https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.nct.html) names no limit but df > 0 and nc real.
# Seen: for x = -2.3 and df = 4.5 it is 4.5e-24 at nc = 10, NaN at nc = 20, 2.5e-141 at nc = 36, NaN at nc = 38 and 0
# at nc = 60. The power of a two-sided t-test is sf(t) + cdf(-t): it becomes NaN as the difference grows, and a search
# for the sample size that compares it with a number does not end. smallvision integrates over the chi distribution
# instead (tests/stats/test_stats_power.py guards it).
# Output: number NaN number NaN number
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -qq --disable-pip-version-check "scipy==1.17.1" "numpy==2.4.6"
seen=$("$folder/venv/bin/python" - <<'PY'
import math

from scipy.stats import nct

found = [float(nct.cdf(-2.3, 4.5, nc)) for nc in (10, 20, 36, 38, 60)]
print(*("NaN" if math.isnan(one) else "number" for one in found))
PY
)
expected="number NaN number NaN number"
echo "scipy 1.17.1, nct.cdf(-2.3, 4.5, nc) at nc = 10, 20, 36, 38, 60: $seen"
[ "$seen" = "$expected" ] || { echo "the behaviour has changed: expected $expected, found $seen" >&2; exit 1; }
