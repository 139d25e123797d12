#!/usr/bin/env bash
# The score interval for two proportions fails where the proportions are 0 or 1. For the ratio of 0 of 10 to 10 of 10
# it is the single point 0.5, though the ratio is 0. For the difference of two proportions of 1, of two of 0, or of
# one of each, a ValueError is raised.
#
# Expected: an interval of the ratio that contains 0, and an interval of the difference of about -0.28 to 0.28
# (Newcombe's).
# Version: statsmodels 0.15.0.
# Seen: confint_proportions_2indep(0, 10, 10, 10, compare="ratio", method="score") gives (0.5, 0.5). (10, 10, 10, 10,
# compare="diff", method="score") raises ValueError; "newcomb" gives (-0.278, 0.278). "agresti-caffo" goes above 1
# (1.054) for 10 of 10 against 0 of 10.
# References: statsmodels/stats/proportion.py, _score_confint_inversion.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
from statsmodels.stats.proportion import confint_proportions_2indep


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


def interval(right, other, **how):
    try:
        return tuple(round(float(one), 3) for one in confint_proportions_2indep(right, 10, other, 10, **how))
    except ValueError:
        return "ValueError"


check("0 and 10 of 10, ratio", interval(0, 10, compare="ratio", method="score"), (0.5, 0.5))
check("5 and 3 of 10, difference, right", interval(5, 3, compare="diff", method="score"), (-0.226, 0.56))
check("10 and 10 of 10, difference", interval(10, 10, compare="diff", method="score"), "ValueError")
check("0 and 0 of 10, difference", interval(0, 0, compare="diff", method="score"), "ValueError")
check("10 and 0 of 10, difference", interval(10, 0, compare="diff", method="score"), "ValueError")
check("10 and 10 of 10, Newcombe, right", interval(10, 10, compare="diff", method="newcomb"), (-0.278, 0.278))
check("10 and 0 of 10, Agresti & Caffo", interval(10, 0, compare="diff", method="agresti-caffo"), (0.612, 1.054))
print("The behaviour is as stated.")
PY
