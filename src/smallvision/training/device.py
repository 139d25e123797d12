"""The device, the threads, and the settings of torch that make results repeatable to the bit."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from smallvision.errors import BadInput, nearest

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
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
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
        torch.use_deterministic_algorithms(deterministic)
    return torch.get_num_threads()


def notes(device: torch.device, precision: str) -> tuple[str, ...]:
    """Notes on a precision that is slow on a device.

    oneDNN computes convolutions in bf16 if the processor has at least AVX-512 (or Arm's bf16). Otherwise it falls back
    to reference code, many times slower than fp32 (docs/results.md, "What was seen before").
    """
    if device.type != "cpu" or precision != "bf16" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return ()
    return (
        "this processor has no arithmetic for bf16, and to emulate it takes many times longer than fp32; "
        "recipe.precision=fp32 is quick here (and another run)",
    )


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next step, instead of returning it to the system.

    A step frees and takes again tens of megabytes of activations; by default glibc hands blocks of that size back, and
    every page of them is then faulted in and zeroed anew, up to 10 000 pages a step of R5's network. The thresholds
    are mallopt(3)'s. The process keeps its peak, no more; where the C library has no mallopt, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, 2**30)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Restore, at the end, the threads and kernel settings that the process had before."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    kernels, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (kernels.allow_tf32, kernels.benchmark, products.allow_tf32)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        kernels.allow_tf32, kernels.benchmark, products.allow_tf32 = before


def name_of(device: torch.device) -> str:
    """The accelerator's own name; for the CPU, the instruction set that torch's kernels use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else torch.backends.cpu.get_cpu_capability()
