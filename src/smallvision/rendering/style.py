"""The style of every figure: colours that colour-blind readers tell apart (Okabe & Ito 2008), never colour alone."""

import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
INK, FAINT = "#222222", "#D9DDE3"
CELLS = "cells"  # the gid of coloured cells, of their scale, and of text on them, which a dark page inverts together

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
    "text.usetex": False,
}

# of PNGs, for letters that DejaVu Sans has not (Chinese, Japanese, Korean, signs); those that are installed are used
OTHER_FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic"]
OTHER_FONTS += ["Malgun Gothic", "WenQuanYi Zen Hei", "Noto Emoji", "Segoe UI Symbol"]
SPACES = "\u00a0\u202f\u2009"

P = ParamSpec("P")
FAR = 60  # times that a loss falls before its axis becomes logarithmic


def styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """Draw in this style, leaving the reader's own matplotlib settings as they are."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        with drawing():
            return literal(draw(*args, **kwargs), draw)

    return inner


@contextmanager
def drawing(**changes: Any) -> Iterator[None]:
    """This style, with changes; without matplotlib's warnings, as of letters that no font here has."""
    import matplotlib

    settings: Any = {**RC, **changes}
    log, nowhere = logging.getLogger("matplotlib"), logging.NullHandler()  # of fonts; else Python prints it
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(matplotlib|mpl_toolkits|smallvision)\b")
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        log.addHandler(nowhere)
        try:
            yield
        finally:
            log.removeHandler(nowhere)


def literal(figure: "Figure", draw: "Callable[..., Figure]") -> "Figure":
    """A figure whose text is drawn as it is, also when it is drawn later under other settings.

    What stands in no text (control characters) is replaced. `draw` is the function that made the figure.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_text(printable(text.get_text()))
    figure.__dict__["_repr_png_"] = partial(png, figure)  # by which a notebook shows the last value of a cell
    return figure


def png(figure: "Figure") -> bytes:
    """A figure as a PNG of 100 dots an inch, by which it shows itself in a notebook."""
    out = io.BytesIO()
    save_png(figure, out, dpi=100)
    return out.getvalue()


def printable(text: str) -> str:
    """Text with "?" for what cannot be drawn; spaces and line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" or c in SPACES else "?" for c in text)


def legend(figure: "Figure", handles: Sequence[Any], names: Sequence[str], **options: Any) -> None:
    """A legend whose names are people's own; matplotlib would leave out those that begin with "_"."""
    made = figure.legend(handles, [f"name {place}" for place in range(len(names))], **options)
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set_text(name)


def save_png(figure: "Figure", out: Path | BinaryIO, dpi: int) -> None:
    """Write a figure as a PNG that says it is of smallvision. Raises OSError.

    Letters that the figure's font has not are taken from a font of this machine that has them, if there is one.
    """
    with drawing(**{"font.sans-serif": [*RC["font.sans-serif"], *_other_fonts()]}):
        figure.savefig(out, dpi=dpi, format="png", metadata={"Software": "smallvision"})


def _other_fonts() -> list[str]:
    from matplotlib import font_manager

    here = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in OTHER_FONTS if name in here]


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
    times = Counter(out)
    return [text if times[text] == 1 else f"{short(names[i], length - 4)} #{i}" for i, text in enumerate(out)]


def count(value: float, _position: int | None = None) -> str:
    """A number on an axis: 250, 12 k, 1.5 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"
