#!/usr/bin/env bash
# Of equally near neighbours, IndexFlatL2 lists those first that were added first. IndexFlatIP keeps the same ones and
# lists them in reverse order, so that the nearest neighbour among equal vectors depends on the number of neighbours
# k. In data with duplicate images, precision at 1 changes with k.
#
# Expected: the same order in both indices, and a first neighbour that does not depend on k.
# Version: faiss-cpu 1.15.1.
# Seen: 300 equal vectors. L2: 0, 1, 2, ... for every k. Inner product: 0 for k = 1; 4, 3, 2, 1, 0 for k = 5; 119,
# 118, ... for k = 120.
# References: in issue 1201 of facebookresearch/faiss a maintainer says that no order is guaranteed for equal
# distances.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    faiss-cpu==1.15.1 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import faiss
import numpy


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


same = numpy.full((300, 8), 8**-0.5, numpy.float32)
distance, product = faiss.IndexFlatL2(8), faiss.IndexFlatIP(8)
distance.add(same)
product.add(same)


def neighbours(index, k):
    return index.search(same[:1], k)[1][0].tolist()


for k in (1, 5, 99, 120):
    check(f"L2, k = {k}", neighbours(distance, k)[:5], list(range(min(k, 5))))
    check(f"inner product, k = {k}", neighbours(product, k)[:5], list(range(k))[::-1][:5])
print("The behaviour is as stated.")
PY
