"""Shows `smallvision conv check` and `smallvision conv bench` on a terminal of at least 80 columns. Uses rich only."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from smallvision.console.table import TitledTable

if TYPE_CHECKING:
    from smallvision.conv.check import Row

NARROW = {"input gradient": "input\ngrad.", "weight gradient": "weight\ngrad.", "differences": "finite\ndiff."}
BENCH = (
    "rung",
    "forward\nms",
    "backward\nms",
    "both\nms",
    "forward\n/ torch",
    "both\n/ torch",
    "peak\nMB",
    "stated\nMB",
    "GMAC/s",
)


def show_check(console: Console, rows: "Sequence[Row]", keys: Iterable[str], bounded: Container[str]) -> None:
    """One table of the largest errors, then what was refused, is missing or failed.

    Parameters
    ----------
    rows : of smallvision.conv.check.
    keys : of the errors, in the order of their columns.
    bounded : names of the rungs that have bounds of their own.
    """
    keys, lines = list(keys), []
    for row in rows:
        verdict = "missing" if row.missing else "FAILED" if row.failures else "ok" if row.checked else "refused"
        errors = (
            [f"{row.worst[key]:.1e}" if row.worst[key] else "0" for key in keys] if row.checked else ["-" for _ in keys]
        )
        lines.append([row.implementation, f"{row.checked:,}", f"{row.refused:,}", *errors, verdict])
    heads = ["rung", "cases", "re-\nfused", *(NARROW.get(key, key) for key in keys), "verdict"]
    console.print(_table("Largest relative error, float64", heads, lines, left=("rung", "verdict")))
    for row in rows:
        for text in _notes(row, row.implementation in bounded):
            console.print(text, highlight=False, soft_wrap=True, markup=False)


def _notes(row: "Row", bounded: bool) -> Iterator[str]:
    if row.missing:
        yield f"{row.implementation}: {row.missing}"
    if row.refused:
        offered = row.refused + row.checked
        yield f"{row.implementation} refused {row.refused:,} of {offered:,}, for example: {row.refusal}"
    if bounded and row.checked and not row.failures:
        yield (
            f"{row.implementation}: allowed is what rounding in its transforms can do; "
            f"at most {row.share:.0%} of that was seen"
        )
    if row.failures:
        yield f"{row.implementation} FAILED in {row.failures:,} of {row.checked:,}; the smallest of them: {row.failed}"
        yield "    from smallvision.conv.geometry import Geometry"
        yield "    from smallvision.conv.check import examine"
        yield f"    {row.again}"


def bench_table(found: Mapping[str, Any], about: Mapping[str, Any]) -> TitledTable:
    """What was measured at one shape, as conv-bench.json has it."""
    lines = []
    for row in found["rows"]:
        if row["shape"] != about["shape"]:
            continue
        if row["reason"]:
            lines.append([row["rung"], *["-"] * (len(BENCH) - 1)])
            continue
        sliced = "~" if row["share"] < 1 else ""
        times = [sliced + _three(row["milliseconds"][key]) for key in ("forward", "backward", "total")]
        ratios = [sliced + _three(row["ratio"][key]) for key in ("forward", "total")]
        peak = _three(max(row["memory_bytes"]) / 1e6) if row["memory_bytes"] else "-"
        stated = "-" if row["rung"].startswith("torch") else _three(max(row["stated_bytes"]) / 1e6)  # it does not tell
        lines.append([row["rung"], *times, *ratios, peak, stated, sliced + _three(row["gigamacs_per_second"]["total"])])
    words = f"({about['about']}), " if about["about"] else ""
    return _table(
        f"{about['shape']}   {words}{_three(about['multiply_adds'] / 1e6)} M multiply-adds",
        BENCH,
        lines,
        left=("rung",),
    )


def show_bench_end(console: Console, found: Mapping[str, Any], unsteady: int) -> None:
    """What went wrong, what the columns are, and the machine's matrix product; `unsteady` rows were disturbed."""
    rows, environment = found["rows"], found["environment"]
    reasons = dict.fromkeys((row["rung"], row["reason"]) for row in rows if row["reason"])
    for name, reason in reasons:  # the same one for several shapes once
        console.print(f"{name}: {reason}", highlight=False, soft_wrap=True, markup=False)
    done = sum(row["reason"] is None for row in rows)
    if done:
        console.print(
            f"Median of {found['rounds']} rounds; torch is timed again in each of them, and ratios are taken within. "
            "peak: the most "
            "memory that forward, input gradient or weight gradient needs beside what it is given and returns, as "
            "measured; stated: by "
            "its formula. GMAC/s: 10^9 multiply-adds of the definition a second, forward and backward. ~ from a slice "
            "of the work. - not "
            "for this shape, or not known.",
            highlight=False,
            style="dim",
        )
    if unsteady:
        console.print(
            f"[yellow]note:[/] in {unsteady} of {done} rows the rounds differ by more than half: other work was "
            "running. "
            "Measure again when it is done, with more rounds or fewer threads.",
            highlight=False,
        )
    if found["matmul"]:
        best = found["matmul"]["gigamacs_per_second"]
        console.print(
            f"matrix product, the most: {best['torch']:.1f} GMAC/s by torch, {best['numpy']:.1f} by numpy; "
            f"{environment['processor']}, threads: {environment['threads']}",
            highlight=False,
            markup=False,
        )


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str]) -> TitledTable:
    table = TitledTable(escape(title))
    for head in heads:
        table.add_column(head, justify="left" if head in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _three(value: float) -> str:
    """Three figures; thousands from 10 k on."""
    if value >= 9999.5:
        return f"{_three(value / 1000)}k"
    if value >= 99.95 or not value:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 9.995 else 2 if value >= 0.9995 else 3}f}"
