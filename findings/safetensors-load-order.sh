#!/usr/bin/env bash
# safetensors.numpy.load of the same bytes gives its dictionary in several orders within one process. load_file orders
# by name, and neither has the order of saving. A checksum of load(data).values(), or one vector made of them, is not
# reproducible, although all arrays are.
#
# Expected: the order of saving, as numpy.load and torch.load have it, or at least always the same one.
# Version: safetensors 0.8.0.
# Seen: 20 calls of load on one bytes object give several orders; load_file is sorted by name; the saved bytes are
# always the same.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    safetensors==0.8.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import numpy
from safetensors.numpy import load, load_file, save, save_file


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


names = list("zcabfed")
tensors = {name: numpy.zeros(2, numpy.float32) for name in names}
data = save(tensors)
save_file(tensors, "weights.safetensors")
orders = {tuple(load(data)) for _ in range(20)}
check("the bytes are the same each time", {save(tensors) for _ in range(20)} == {data}, True)
check("load_file", list(load_file("weights.safetensors")), sorted(names))
check("more than one order among 20 calls of load", len(orders) > 1, True)
check("order of saving among them by more than luck", sum(list(load(data)) == names for _ in range(20)) > 2, False)
print("The behaviour is as stated.")
PY
