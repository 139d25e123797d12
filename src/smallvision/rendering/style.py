"""The style of every figure: colours that colour-blind readers tell apart (Okabe & Ito 2008), never colour alone."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
INK, FAINT = "#222222", "#D9DDE3"

# split: (colour, line, marker, name in a legend)
SPLITS: dict[str, tuple[str, str, str, str]] = {
    "train": (BLUE, "-", "o", "train (average while training)"),
    "validation": (VERMILION, "--", "s", "validation"),
    "test": (GREEN, "-.", "^", "test (watched)"),
}

# of the cases of a study, see `case_look`
COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, INK, "#56B4E9", "#8C8C8C")
LINES, MARKERS = ("-", "--", "-.", ":"), ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")

RC: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.composite_image": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "smallvision",
    "text.parse_math": False,
}

P = ParamSpec("P")
FAR = 60  # times that a loss falls before its axis becomes logarithmic


def styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """Draw in this style, leaving the reader's own matplotlib settings as they are."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context(RC):
            return draw(*args, **kwargs)

    return inner


def blank(width: float, height: float) -> "Figure":
    """An empty figure of width x height inches, without pyplot and so without a window or a memory of it."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def case_look(number: int) -> dict[str, Any]:
    """Colour, line and marker of a case by its number; no two of the first 88 are alike, and neighbours differ in all
    three.
    """
    return {"color": COLORS[number % 8], "linestyle": LINES[(number + number // 8) % 4], "marker": MARKERS[number % 11]}


def short(name: str, length: int = 18) -> str:
    """A class name for a figure: what cannot be drawn replaced, the middle of a long one left out."""
    clean = "".join(c if c.isprintable() and c != "\ufffd" else "?" for c in " ".join(name.split())) or "?"
    keep = (length - 1) // 2
    return clean if len(clean) <= length else f"{clean[: length - 1 - keep]}…{clean[-keep:]}"


def distinct(names: Sequence[str], length: int = 18) -> list[str]:
    """`short` for all names, numbered where two come out the same."""
    out = [short(name, length) for name in names]
    return [text if out.count(text) == 1 else f"{short(names[i], length - 4)} #{i}" for i, text in enumerate(out)]


def count(value: float, _position: int | None = None) -> str:
    """A number on an axis: 250, 12 k, 1.5 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"
