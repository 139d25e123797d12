"""What is set for the process: refusals in words, and memory that a step frees kept for the next."""

import platform
from pathlib import Path
from types import SimpleNamespace

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


def test_freed_memory_is_kept_for_the_next_step(monkeypatch):
    """mallopt(3): M_TRIM_THRESHOLD is -1 and M_MMAP_THRESHOLD is -3 in glibc's malloc.h."""
    calls = []
    monkeypatch.setattr(
        device.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *values: calls.append(values))
    )
    device.keep_freed_memory()
    assert sorted(calls) == [(-3, 2**30), (-1, 2**31 - 1)]
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: SimpleNamespace())
    device.keep_freed_memory()  # a C library without mallopt


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
