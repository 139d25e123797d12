#!/usr/bin/env bash
# torch.onnx.export of a network in train mode writes a file in neither mode: batch normalisation uses its running
# averages, as in eval mode, and dropout sets values to 0 at random, as in train mode. The answers of the exported
# network change from call to call.
#
# Expected: all layers in one mode, either the network's own, or eval mode, as the earlier exporter (dynamo=False) has
# it.
# Versions: torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
# Seen: equal rows go in. Batch normalisation gives what its running averages give (in train mode it would give 0).
# Dropout gives 0 for about half of the values, and for others at each call. With dynamo=False both are in eval mode.
# References: the documentation of torch.onnx.export, parameter training: "Deprecated option. Instead, set the
# training mode of the model before exporting."
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile --disable-pip-version-check \
    torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$work"

"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import numpy
import onnxruntime
import torch
from torch import nn


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        raise SystemExit(f"the behaviour has changed: {what}: expected {expected}, found {found}")


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(64)

    def forward(self, images):
        return self.drop(images + 1), self.norm(images * 2)


def answers(dynamo):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(Both().train(), (torch.ones(4, 64),), "network.onnx", dynamo=dynamo)
    session = onnxruntime.InferenceSession("network.onnx")
    return [session.run(None, {session.get_inputs()[0].name: numpy.ones((4, 64), numpy.float32)}) for _ in range(2)]


for dynamo, drops in ((True, True), (False, False)):
    (first, normed), (second, again) = answers(dynamo)
    check(
        f"dynamo={dynamo}: Dropout drops, differently each time",
        bool((first == 0).any() and (first != second).any()),
        drops,
    )
    check(
        f"dynamo={dynamo}: BatchNorm of equal rows is 0, as in train mode", bool(numpy.abs(normed).max() < 1e-3), False
    )
    check(
        f"dynamo={dynamo}: BatchNorm as in eval mode, by its averages 0 and 1",
        bool(numpy.abs(normed - 2).max() < 1e-3),
        True,
    )
    check(f"dynamo={dynamo}: BatchNorm gives the same each time", bool((normed == again).all()), True)
print("The behaviour is as stated.")
PY
