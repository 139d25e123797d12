"""The environment of a run, which is recorded, and the parts of it on which the bits of a run depend. No torch."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "scikit-learn", "scipy", "pillow", "matplotlib", "pydantic", "safetensors")

DECIDES_BITS = ("smallvision", "device", "device_name", "processor", "threads", "precision", "deterministic")


def describe(device: str, device_name: str, threads: int, precision: str, deterministic: bool) -> dict[str, Any]:
    """The content of `environment.json`; the arguments are as torch resolved them."""
    return {
        "smallvision": version("smallvision"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "packages": {name: _version(name) for name in PACKAGES},
        "device": device,
        "device_name": device_name,
        "threads": threads,
        "precision": precision,
        "deterministic": deterministic,
    }


def differences(recorded: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The differences of two environments on which bits depend, each as "threads: 2 then, 1 now"."""
    pairs = [(key, recorded.get(key), now.get(key)) for key in DECIDES_BITS]
    pairs.append(("torch", recorded.get("packages", {}).get("torch"), now["packages"]["torch"]))
    return [f"{key}: {then} then, {today} now" for key, then, today in pairs if then != today]


def processor() -> str:
    """The processor's own name."""
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
