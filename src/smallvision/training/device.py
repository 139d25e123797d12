"""The device, the threads, and the settings of torch that make results repeatable to the bit."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch

from smallvision.errors import BadInput, nearest

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
GLIBC_THRESHOLD = 128 * 1024  # the default of both
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve(name: str) -> torch.device:
    """The device of a name; "auto" is the first of cuda, mps and cpu that is here. Raises BadInput."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if name not in present:
        raise BadInput(f'--device: got "{name}"; {nearest(name, DEVICES)}')
    if not present[name]:
        raise BadInput(
            f'--device: "{name}" is not available here; use {", ".join(kind for kind, here in present.items() if here)}'
        )
    return torch.device(name)


def settle(device: torch.device, threads: int | None, precision: str, deterministic: bool) -> int:
    """Set threads, exact fp32 and deterministic kernels for this process.

    Parameters
    ----------
    device : where the network will run.
    threads : of the CPU; None leaves torch's choice (one per physical core).
    precision : "bf16" is refused on a CUDA device that has none.
    deterministic : on CUDA, deterministic kernels only (a kernel without a deterministic form then fails by name).

    Returns
    -------
    int : the threads in use.

    Raises
    ------
    BadInput : threads below 1, or a precision the device does not have.
    """
    if threads is not None:
        most = 4 * (os.cpu_count() or 1)
        if not 1 <= threads <= most:
            raise BadInput(f"--threads: got {threads}; expected 1 to {most}")
        torch.set_num_threads(threads)
    if device.type == "cpu":
        keep_freed_memory()
    if device.type == "cuda":
        if precision == "bf16" and not torch.cuda.is_bf16_supported():
            raise BadInput(
                f'recipe.precision: "bf16" is not supported by {torch.cuda.get_device_name(device)}; use "fp32"'
            )
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = not deterministic
        os.environ.setdefault(WORKSPACE, ":4096:8")  # cuBLAS is deterministic only with it
        torch.use_deterministic_algorithms(deterministic)
    return torch.get_num_threads()


def notes(device: torch.device, precision: str) -> tuple[str, ...]:
    """Notes on a precision that is slow on a device.

    oneDNN computes convolutions in bf16 if the processor has at least AVX-512 (or Arm's bf16). Otherwise it falls back
    to reference code, many times slower than fp32 (docs/results/seen-before.md).
    """
    if device.type != "cpu" or precision != "bf16" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return ()
    return (
        "this processor cannot compute in bf16, and emulating it takes many times longer than fp32; "
        "recipe.precision=fp32 is fast here (but it is another run)",
    )


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next step, instead of returning it to the system.

    A step frees and takes again tens of megabytes of activations; by default glibc hands blocks of that size back, and
    every page of them is then faulted in and zeroed anew, up to 10 000 pages a step of R5's network. The thresholds
    are mallopt(3)'s. The process keeps its peak, no more, until `settings_kept` ends; where the C library has no
    mallopt, nothing happens.
    """
    if _malloc(2**30, 2**31 - 1):
        _kept.memory = True


def give_memory_back() -> None:
    """Set glibc's own thresholds again, and return what is free to the system.

    mallopt cannot be asked what was set before. One thing remains: glibc no longer raises the thresholds by itself, as
    it does in a process in which they were never set.
    """
    if _malloc(GLIBC_THRESHOLD, GLIBC_THRESHOLD):
        with suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)
    _kept.memory = False


def _malloc(largest_reused: int, kept: int) -> bool:
    """Set the size of blocks from which glibc maps each by itself, and how much free memory it keeps; False without
    mallopt.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mallopt(M_MMAP_THRESHOLD, largest_reused)
    mallopt(M_TRIM_THRESHOLD, kept)
    return True


@dataclass
class _Kept:
    """Whether glibc keeps freed memory: `keep_freed_memory` was called, and `give_memory_back` not since."""

    memory: bool = False


_kept = _Kept()


@contextmanager
def settings_kept() -> Iterator[None]:
    """Restore, at the end, everything that `settle` changes for the whole process: threads, deterministic kernels,
    precision of products, cuBLAS's environment variable, and what glibc does with freed memory.

    Python ends it as well when a generator that is inside is closed.
    """
    threads, memory, workspace = torch.get_num_threads(), _kept.memory, os.environ.get(WORKSPACE)
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    kernels, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (kernels.allow_tf32, kernels.benchmark, products.allow_tf32)
    precision = torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        if (kernels.allow_tf32, kernels.benchmark, products.allow_tf32) != before:
            kernels.allow_tf32, kernels.benchmark, products.allow_tf32 = before
        if torch.get_float32_matmul_precision() != precision:  # "medium" allows TF32 as "high" does
            torch.set_float32_matmul_precision(precision)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
        else:
            os.environ[WORKSPACE] = workspace
        if _kept.memory and not memory:
            give_memory_back()


def name_of(device: torch.device) -> str:
    """The accelerator's own name; for the CPU, the instruction set that torch's kernels use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else torch.backends.cpu.get_cpu_capability()
