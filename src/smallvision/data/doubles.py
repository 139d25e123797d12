"""Arithmetic in float64 on devices that have it; Apple's GPUs have none, and there it is done on the CPU."""

import torch
from torch import Tensor

WITHOUT = ("mps",)  # kinds of devices


def has_doubles(device: torch.device) -> bool:
    """Whether a device has tensors of float64."""
    return device.type not in WITHOUT


def home(values: Tensor) -> Tensor:
    """The tensor on a device that has float64: itself, or a copy of it on the CPU."""
    return values if has_doubles(values.device) else values.cpu()
