"""Is an implementation right? Random configurations in float64 against torch, finite differences, and the adjoint test.

- against torch: max |a - b| / max |b| of the output and of both gradients, b torch's.
- finite differences: (f(x + e) - f(x - e)) / 2 for f(x) = <g, forward(x, w)> against the entry of the gradient, e one
  unit in one entry. f is linear, so this is exact for a step of any length, and one as long as 1 leaves rounding the
  least to spoil.
- adjoint: <g, A x> = <A' g, x>, for A linear in the input and for A linear in the kernels (Claerbout 2014, "Geophysical
  image estimation by example", sec. 2.3, "the dot-product test"); no derivative and no other library is needed to see a
  wrong A'.

An implementation may have bounds of its own (`BOUNDS`), element by element, in place of 1e-12 of the largest element.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor

from smallvision.conv import library, winograd
from smallvision.conv.draw import EDGES, configurations
from smallvision.conv.geometry import Geometry
from smallvision.conv.implementation import Implementation

__all__ = ["BOUNDS", "LIMITS", "Finding", "Row", "check", "examine", "follow"]

Tensors = tuple[Tensor, Tensor, Tensor]  # x, weight, an output's gradient
RESULTS = ("forward", "input gradient", "weight gradient")
LIMITS = dict.fromkeys(RESULTS, 1e-12) | {"differences": 1e-10, "adjoint": 1e-12}
BOUNDS: dict[str, Callable[[Tensor, Tensor, Tensor, Geometry], Tensors]] = {"winograd": winograd.bounds}
MOST = {"loops": 5_000}  # multiply-adds of a configuration, for an implementation that is very slow
ENTRIES = 2  # of x and of weight, differentiated in each configuration
TRIES = 100  # configurations drawn for each one wanted, before giving up


@dataclass(frozen=True)
class Finding:
    """What one configuration showed."""

    errors: dict[str, float]  # keys of LIMITS: relative errors
    shares: dict[str, float]  # the same as shares of what is allowed: above 1 is wrong
    problem: str = ""  # why it cannot be compared at all: an exception, a wrong shape

    @property
    def failed(self) -> str:
        """What is wrong, in words; empty if nothing is."""
        return self.problem or ", ".join(
            f"{key} off by {self.errors[key]:.1e}" for key in LIMITS if self.shares[key] > 1
        )


@dataclass
class Row:
    """What the configurations so far showed of one implementation."""

    implementation: str  # its name
    wanted: int
    checked: int = 0
    refused: int = 0
    refusal: str = ""  # the first reason given
    missing: str = ""  # what is not installed
    worst: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))
    worst_at: dict[str, Geometry] = field(default_factory=dict)
    share: float = 0.0  # of what is allowed, the largest
    failures: int = 0
    failed: str = ""  # the smallest failing configuration: what is wrong,
    failed_at: tuple[Geometry, int] | None = None  # and where; give both to `examine` to see it again

    @property
    def again(self) -> str:
        """Python that shows the failure again."""
        if self.failed_at is None:
            return ""
        g, seed = self.failed_at
        return (
            f"examine({self.implementation!r}, Geometry.of({g.x_shape}, {g.weight_shape}, stride={g.stride}, "
            f"padding={g.padding}, "
            f"dilation={g.dilation}, groups={g.groups}), {seed})"
        )

    def add(self, finding: Finding, g: Geometry, seed: int) -> None:
        """Count one configuration's finding."""
        self.checked += 1
        for key, error in finding.errors.items():
            if error > self.worst[key]:
                self.worst[key], self.worst_at[key] = error, g
        self.share = max([self.share, *finding.shares.values()])
        if finding.failed:
            self.failures += 1
            if self.failed_at is None or g.multiply_adds < self.failed_at[0].multiply_adds:
                self.failed, self.failed_at = finding.failed, (g, seed)


def check(chosen: Sequence[Implementation], wanted: int = 200, seed: int = 0) -> list[Row]:
    """Check implementations; `follow` does one and shows how far it is.

    Parameters
    ----------
    chosen : implementations.
    wanted : configurations for each, at least 1; those it refuses are not counted among them.
    seed : decides them, the same for every implementation.

    Returns
    -------
    list of Row : one for each implementation.
    """
    return [list(follow(implementation, wanted, seed))[-1] for implementation in chosen]


def follow(implementation: Implementation, wanted: int = 200, seed: int = 0) -> Iterator[Row]:
    """Check one implementation; yields its row, the same object, after every configuration.

    Raises
    ------
    ValueError : nothing is to be checked.
    """
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise ValueError(f"configurations: {wanted!r}; expected a whole number >= 1, such as 200")
    row = Row(implementation.name, wanted)
    most = MOST.get(implementation.name)
    for number, g in enumerate(chain(EDGES, configurations(seed))):
        if row.checked >= wanted or number >= TRIES * wanted:
            break
        if most is not None and g.multiply_adds > most:
            continue
        if reason := implementation.refuses(g):
            row.refused += 1
            row.refusal = row.refusal or reason
            continue
        try:
            row.add(examine(implementation, g, number), g, number)
        except ImportError as error:
            row.missing = str(error)
            break
        yield row
    yield row


def examine(implementation: Implementation | str, g: Geometry, seed: int = 0) -> Finding:
    """Check one configuration.

    Parameters
    ----------
    implementation : the implementation, or its name in the table.
    g : the configuration.
    seed : decides the tensors' values, and how they lie in memory.

    Raises
    ------
    ImportError : the implementation needs what is not installed.
    """
    if isinstance(implementation, str):
        from smallvision.conv import implementations

        implementation = implementations.named(implementation)
    x, weight, grad = given = tensors(g, seed)
    kept = [one.clone() for one in given]
    try:
        results = (
            implementation.forward(x, weight, g),
            implementation.input_gradient(grad, weight, g),
            implementation.weight_gradient(grad, x, g),
        )
        if problem := _problem(results, g, x.dtype):
            return Finding({}, {}, problem)
        differences = [list(_differences(implementation, given, g, place, seed)) for place in (0, 1)]
    except ImportError:
        raise
    except Exception as error:
        return Finding({}, {}, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])
    if not all(torch.equal(before, now) for before, now in zip(kept, given, strict=True)):
        return Finding({}, {}, "it changes its arguments")
    expected = (
        library.forward(x, weight, g),
        library.input_gradient(grad, weight, g),
        library.weight_gradient(grad, x, g),
    )
    errors = {name: _error(a, b) for name, a, b in zip(RESULTS, results, expected, strict=True)}
    backs = list(zip(results[1:], expected[1:], strict=True))
    errors["differences"] = max(
        (
            _largest((back.reshape(-1)[entry] - slope).abs()) / (_largest(b.abs()) or 1.0)
            for (back, b), slopes in zip(backs, differences, strict=True)
            for entry, slope in slopes
        ),
        default=0.0,
    )
    scale = float(grad.norm() * expected[0].norm()) or 1.0
    sums = [
        ((grad * results[0]).sum() - (back * v).sum()).abs() for back, v in zip(results[1:], (x, weight), strict=True)
    ]
    errors["adjoint"] = max(_largest(one) / scale for one in sums)
    shares = {key: error / LIMITS[key] for key, error in errors.items()}
    if implementation.name in BOUNDS:
        limits = zip(BOUNDS[implementation.name](x, weight, grad, g), _rounding(x, weight, grad, g), strict=True)
        for name, a, b, (own, torchs) in zip(RESULTS, results, expected, limits, strict=True):
            shares[name] = _largest((a - b).abs() / (own + torchs).clamp(min=torch.finfo(x.dtype).tiny))
    return Finding(errors, shares)


def tensors(g: Geometry, seed: int) -> Tensors:
    """x, weight and an output's gradient, normal in float64; dense, channels last or with gaps between, as people's
    tensors are."""
    generator = torch.Generator().manual_seed(seed)

    def one(shape: tuple[int, int, int, int], kind: int) -> Tensor:
        if kind == 2:
            return torch.randn(*shape[:3], 2 * shape[3], generator=generator, dtype=torch.float64)[..., ::2]
        dense = torch.randn(shape, generator=generator, dtype=torch.float64)
        return dense.contiguous(memory_format=torch.channels_last) if kind else dense

    return one(g.x_shape, seed % 3), one(g.weight_shape, seed // 3 % 3), one(g.y_shape, seed // 9 % 3)


def _problem(results: Tensors, g: Geometry, dtype: torch.dtype) -> str:
    """Which result has not the right shape and precision; empty if all have."""
    for name, found, shape in zip(RESULTS, results, (g.y_shape, g.x_shape, g.weight_shape), strict=True):
        if tuple(found.shape) != shape or found.dtype != dtype:
            return f"{name}: {found.dtype} {tuple(found.shape)} instead of {dtype} {shape}"
    return ""


def _largest(values: Tensor) -> float:
    """The largest of values >= 0; infinite where one is not a number."""
    return float(values.nan_to_num(nan=math.inf, posinf=math.inf).max()) if values.numel() else 0.0


def _error(a: Tensor, b: Tensor) -> float:
    """max |a - b| / max |b|; the difference itself where b is 0, as where windows see padding only."""
    return _largest((a - b).abs()) / (_largest(b.abs()) or 1.0)


def _differences(
    implementation: Implementation, given: Tensors, g: Geometry, place: int, seed: int
) -> Iterator[tuple[int, Tensor]]:
    """Central differences of <grad, forward(x, weight)> in a few entries of x (place 0) or weight (1): (entry, slope)
    of each."""
    grad, count = given[2], given[place].numel()
    entries = torch.randint(max(count, 1), (ENTRIES if count else 0,), generator=torch.Generator().manual_seed(seed))
    for entry in entries.tolist():
        sides = []
        for step in (1.0, -1.0):
            moved = [one.clone(memory_format=torch.contiguous_format) for one in given[:2]]
            moved[place].view(-1)[entry] += step
            sides.append((grad * implementation.forward(moved[0], moved[1], g)).sum())
        yield entry, (sides[0] - sides[1]) / 2


def _rounding(x: Tensor, weight: Tensor, grad: Tensor, g: Geometry) -> Iterator[Tensor]:
    """How far rounding can take torch's own three results, which sum products one by one, from the exact ones (Higham
    2002, 3.1)."""
    x, weight, grad = x.abs(), weight.abs(), grad.abs()
    absolute = (
        library.forward(x, weight, g),
        library.input_gradient(grad, weight, g),
        library.weight_gradient(grad, x, g),
    )
    taps = g.kernel[0] * g.kernel[1]
    terms = g.channels // g.groups * taps, g.filters // g.groups * taps, g.batch * g.output[0] * g.output[1]
    unit = torch.finfo(x.dtype).eps / 2
    return (n * unit / (1 - n * unit) * result for n, result in zip(terms, absolute, strict=True))
