#!/usr/bin/env bash
# safetensors.numpy.save stores an array that lies in memory column by column (as numpy.asfortranarray gives it, or a
# transposition), or that has gaps, with its values in other places: the shape is right, the values are wrong, and no
# error is raised.
#
# Expected: the values come back as they were, as with numpy.save, or the array is refused.
# Version: safetensors 0.8.0.
# Seen: [[1, 2, 3], [4, 5, 6]] in column order comes back as [[1, 4, 2], [5, 3, 6]], and arange(10)[::2] as 0, 1, 2,
# 3, 4.
# References: safetensors/numpy.py, _flatten, passes the address and the length of the memory, and no strides; issue
# 825 of safetensors.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    safetensors==0.8.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import numpy
from safetensors.numpy import load, save


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


rows = numpy.array([[1, 2, 3], [4, 5, 6]], dtype=numpy.float32)
columns = numpy.asfortranarray(rows)
assert (rows == columns).all() and columns.flags.f_contiguous
check("row order, right", load(save({"x": rows}))["x"].tolist(), [[1, 2, 3], [4, 5, 6]])
check("column order", load(save({"x": columns}))["x"].tolist(), [[1, 4, 2], [5, 3, 6]])
check("transposed", load(save({"x": rows.T}))["x"].tolist(), [[1, 2], [3, 4], [5, 6]])
check("every second", load(save({"x": numpy.arange(10)[::2]}))["x"].tolist(), [0, 1, 2, 3, 4])
print("The behaviour is as stated.")
PY
