"""What is set for the process: refusals in words, and memory that a step frees kept for the next."""

import platform
import subprocess
import sys

import pytest
import torch

from smallvision.errors import BadInput
from smallvision.train import device


def test_names():
    assert device.resolve("cpu") == torch.device("cpu")
    assert device.resolve("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(BadInput, match="gpu"):
        device.resolve("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="not to be had here"):
            device.resolve("cuda")


FAULTS = """
import resource, sys, torch
from smallvision.train import device
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    device.keep_freed_memory()
def step():
    for _ in range(3):
        torch.ones(40 * 2**18)                # 40 MB: above 32 MB glibc always asks the system, unless it is told otherwise
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept_for_the_next_step():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("kept", "given back")
    }
    assert faults["kept"] < 100 < faults["given back"]
