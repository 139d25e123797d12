"""What is set for the process: refusals in words, and memory that a step frees kept for the next."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smallvision.errors import BadInput
from smallvision.training import device


def test_names():
    assert device.resolve("cpu") == torch.device("cpu")
    assert device.resolve("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(BadInput, match="gpu"):
        device.resolve("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="cuda"):
            device.resolve("cuda")


FAULTS = """
import resource, sys, torch
from smallvision.training import device
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    device.keep_freed_memory()
def step():
    for _ in range(3):
        torch.ones(40 * 2**18)  # 40 MB: above 32 MB glibc always asks the system, unless it is told otherwise
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept_for_the_next_step():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("kept", "given back")
    }
    assert faults["kept"] < 100 < faults["given back"]


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() != "x86_64", reason="reads what Linux says of an x86 processor"
)
def test_a_processor_without_bf16_is_said_beforehand():
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    cpu, wide = torch.device("cpu"), {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= set(flags)
    said = device.notes(cpu, "bf16")
    assert len(said) == (0 if wide else 1)
    assert all("recipe.precision=fp32" in note for note in said)
    assert device.notes(cpu, "fp32") == device.notes(torch.device("cuda"), "bf16") == ()
