"""Shows shape arithmetic on a terminal: stacks with their formulas, and the settings that were found.

rich only.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from textwrap import fill
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from smallvision.console.run import rows_table

if TYPE_CHECKING:
    from smallvision.conv.solve import Setting, Solutions
    from smallvision.conv.stack import Step

FEW = 5  # of each list, shown if nobody says how many: the simplest are those that people use
ORDER = (
    "simplest first: no dilation, no gaps between windows, no {}, little padding, few pixels {}, a small kernel, a "
    "small stride"
)
ASCII = str.maketrans({"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "·": "*", "−": "-", "─": "-"})


def show_stack(console: Console, shape: Sequence[int], steps: "Sequence[Step]", formulas: bool = True) -> None:
    """A row for each layer, beneath it how its sizes come about; and the totals."""
    heads = ["layer", "output", "parameters", "multiply-adds", "field"]
    rows = [
        [
            str(step.layer),
            _times(step.after),
            _count(step.parameters),
            _count(step.multiply_adds),
            _times(step.receptive_field),
        ]
        for step in steps
    ]
    total = [
        "total",
        "",
        f"{sum(step.parameters for step in steps):,}",
        f"{sum(step.multiply_adds for step in steps):,}",
        "",
    ]
    first = ["input", _times(shape), "", "", ""]
    fields = any(row[-1] for row in rows)
    lines = [line if fields else line[:-1] for line in (heads, first, *rows, total)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[0] = max(12, min(widths[0], console.width - sum(widths[1:]) - 2 * (len(widths) - 1)))
    rule = "─" * min(sum(widths) + 2 * (len(widths) - 1), console.width)

    console.print(_row(lines[0], widths, "bold"))
    _say(console, rule)
    console.print(_row(lines[1], widths))
    for step, line in zip(steps, lines[2:], strict=False):
        console.print(_row(line, widths))
        for name, formula in _beneath(step) if formulas else ():
            _say(console, fill(f"    {name:<15}{formula}", max(console.width, 40), subsequent_indent=" " * 19), "dim")
    _say(console, rule)
    console.print(_row(lines[-1], widths, "bold"))
    about = ["multiply-adds: for one image"]
    about += ["field: height x width of what a value can depend on, in pixels of the input"] if fields else []
    _say(console, "; ".join(about), "dim")


def show_solutions(console: Console, found: "Solutions", limit: int | None = FEW) -> None:
    """The settings along each axis, and those of both axes together; where there are none, why.

    Parameters
    ----------
    limit : how many of each list are shown, the simplest first; None for all.
    """
    square = len(set(found.source)) == len(set(found.target)) == 1
    for i, axis in enumerate(["height and width"] if square else ["height", "width"]):
        before, after, settings, reason = found.source[i], found.target[i], found.axes[i], found.reasons[i]
        if reason:
            _say(console, f"{axis}: {as_options(reason)}")
            continue
        _settings(
            console, found, settings, f"{axis} {before} to {after}: {_some(found.op, len(settings))}", limit, square
        )
        formula = found.layer(settings[0], settings[0]).formulas((1, before, before))[0][1]
        _say(console, f"the first: {formula}\n", "dim")
    if not square and all(found.axes):
        _together(console, found, limit)
    if any(found.axes):
        words = ("output padding", "not reached") if found.op == "transposed" else ("ceil mode", "unused")
        _say(console, ORDER.format(*words), "dim")


def as_options(text: str) -> str:
    """With the arguments of `solve` as the options they are on the command line."""
    return re.sub(r"\bmax_([a-z]+)", r"--max-\1", text)


def _together(console: Console, found: "Solutions", limit: int | None) -> None:
    """One layer for a height and a width that ask for different things."""
    if both := found.both:
        _settings(console, found, both, f"both axes alike: {_some(found.op, len(both))}", limit, True)
    else:
        _say(console, f"no {_some(found.op, 1)[2:]} with the same numbers for both axes")
    shown = list(islice(found.pairs(), limit))
    rows = [
        {"layer (height x width)": _layer(found, *two), _unused(found): _times(one.unused for one in two)}
        for two in shown
    ]
    _title(console, f"numbers for each axis: {len(shown):,} of {found.count_pairs():,} {_some(found.op, 2)[2:]}")
    console.print(rows_table(rows))


def _settings(
    console: Console, found: "Solutions", settings: "Sequence[Setting]", title: str, limit: int | None, layer: bool
) -> None:
    rows = [_setting(found, one, layer) for one in settings[:limit]]
    _title(console, title)
    console.print(rows_table(rows))
    if len(settings) > len(rows):
        _say(console, f"and {len(settings) - len(rows):,} more, less simple; --all shows them", "dim")


def _setting(found: "Solutions", one: "Setting", layer: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"kernel": one.kernel, "stride": one.stride, "padding": one.padding}
    if any(setting.dilation > 1 for axis in found.axes for setting in axis):
        row["dilation"] = one.dilation
    if found.op == "transposed":
        row["output padding"] = one.output_padding
    if found.op == "pool":
        row["ceil mode"] = {True: "yes", False: "no", None: "either"}[one.ceil]
    row[_unused(found)] = one.unused
    if layer:
        row["layer"] = _layer(found, one, one)
    return row


def _unused(found: "Solutions") -> str:
    return "pixels not reached" if found.op == "transposed" else "pixels unused"


def _layer(found: "Solutions", height: "Setting", width: "Setting") -> str:
    text = str(found.layer(height, width))
    return text if found.op == "pool" else text.replace("(1, ", "(C, ", 1)  # for any number of channels


def _some(op: str, count: int) -> str:
    name = {"conv": "convolution", "pool": "pooling", "transposed": "transposed convolution"}[op]
    return f"{count:,} {name}{'s' if count != 1 else ''}"


def _beneath(step: "Step") -> Iterator[tuple[str, str]]:
    """What stands beneath a layer: names and formulas."""
    if len(step.formulas) == 2 and step.formulas[0][1] == step.formulas[1][1]:
        yield "height, width", step.formulas[0][1]
    else:
        yield from step.formulas
    if step.weights:
        yield (
            "weights",
            ", ".join(("bias " if name == "bias" else "") + str(shape) for name, shape in step.weights.items()),
        )
    if step.formulas and step.stride and any(step.stride):
        yield (
            "places",
            f"{_alike(step.stride, ' x ')} pixel{'s' if max(step.stride) > 1 else ''} apart; the first sees "
            f"{_first(step)}",
        )


def _first(step: "Step") -> str:
    height, width = (step.view.axes[i].at(0) for i in (0, 1)) if step.view else (None, None)
    if not (height and width):
        return "none"
    rows, columns = f"{height[0]} to {height[1]}", f"{width[0]} to {width[1]}"
    return rows if rows == columns else f"rows {rows}, columns {columns}"


def _alike(values: tuple[Any, Any], between: str) -> str:
    return str(values[0]) if values[0] == values[1] else f"{values[0]}{between}{values[1]}"


def _times(shape: Iterable[int] | None) -> str:
    return "x".join(map(str, shape or ()))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _row(cells: Sequence[str], widths: Sequence[int], style: str = "") -> Table:
    row = Table.grid(padding=(0, 2, 0, 0))
    for i, width in enumerate(widths):
        row.add_column(width=width, justify="left" if i < 2 else "right", overflow="fold")
    row.add_row(*(Text(cell, style) for cell in cells))
    return row


def _title(console: Console, text: str) -> None:
    """Prints a title above a table; rich would wrap the table's own title at its width."""
    _say(console, text, "italic")


def _say(console: Console, text: str, style: str = "") -> None:
    """A line, in ASCII where the terminal knows nothing else."""
    plain = text if console.encoding.startswith("utf") else text.translate(ASCII)
    console.print(Text(plain, style), highlight=False)
