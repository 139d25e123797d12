"""A network passed in, as a run uses it: a copy of the module, or made by its class or function under a seed."""

import copy
import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from smallvision.errors import BadInput, first_line

OWN = ("_parameters", "_buffers", "_modules")  # what of a module is always copied
CURE = "pass an instance, or a function without arguments that makes one (lambda: ...)"


def network(given: nn.Module | Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network of its own for a run, on the CPU.

    Parameters
    ----------
    given : a module, which is copied with its weights; or a class or function that makes one when called without
        arguments.
    seed : of torch's, numpy's and Python's random numbers while it is made; their states are as before afterwards.

    Raises
    ------
    BadInput : the class or function needs arguments, fails, or makes no nn.Module; a module that cannot be copied.
    """
    if isinstance(given, nn.Module):
        return copied(given).cpu()
    name = getattr(given, "__qualname__", type(given).__name__)
    python, numbers = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices=devices):
            torch.default_generator.manual_seed(seed)
            if devices:
                torch.cuda.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            found = given()
    except BadInput:
        raise
    except Exception as error:  # anything can happen in code that is not ours
        first = first_line(error)
        raise BadInput(f"model: {name}() cannot make the network ({type(error).__name__}: {first}); {CURE}") from error
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
    if not isinstance(found, nn.Module):
        raise BadInput(f"model: {name}() returned a {type(found).__name__}; expected an nn.Module")
    return copied(found).cpu()  # it may have given away one that its owner keeps


def copied(module: nn.Module) -> nn.Module:
    """A copy of a module, weights and all; attributes that cannot be copied (an open file, a lock) are shared with it.

    Raises
    ------
    BadInput : weights that cannot be copied, as those that a computation made.
    """
    try:
        return copy.deepcopy(module)
    except Exception:  # which attribute it was is found out below
        shared = {}
        for part in module.modules():
            for name, value in vars(part).items():
                if name not in OWN and not isinstance(value, Tensor) and not _can_be_copied(value):
                    shared[id(value)] = value
    try:
        return copy.deepcopy(module, shared)
    except Exception as error:
        first = first_line(error)
        raise BadInput(
            f"model: a {type(module).__name__} cannot be copied ({first}); pass a function that makes it"
        ) from error


def _can_be_copied(value: object) -> bool:
    try:
        copy.deepcopy(value)
    except Exception:
        return False
    return True
