"""Shows a run on a terminal or in a notebook: its progress, and its results. Uses rich only."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from rich import console as rich_console
from rich.markup import escape
from rich.text import Text

from smallvision.console.epochs import EpochLines, figures
from smallvision.console.table import TitledTable
from smallvision.errors import counted, printable, shown

WITHOUT_END = 100_000  # columns
WIDE = 110  # columns that the whole line of progress takes

if TYPE_CHECKING:
    from smallvision.comparison.runs import RunComparison
    from smallvision.tasks.base import Task
    from smallvision.training.run import Event


class Console(rich_console.Console):
    """rich's console, which shows control and invisible characters of any text as escapes, such as \\x1b.

    In a pipe or a file nothing is wrapped, whatever COLUMNS says: its lines are read by programs, or at another width.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if options.get("width") is None and not (self.is_terminal or self.is_jupyter):
            self.soft_wrap, self.width = True, WITHOUT_END

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich's own; all text passes through here, that of cells and titles included."""
        return super().render_str(printable(text, keep="\n\t"), **options)

    def progress(self, text: str) -> None:
        """Show how far the work is, where a line can change in place; see console/output.py. Here nothing happens."""


def follow(events: "Iterable[Event]", console: rich_console.Console) -> Path:
    """Show a run while it runs: a bar with loss, the task's score, images/s and time left, and a line per epoch.

    Returns
    -------
    Path : of the finished run directory.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from smallvision.training import run

    narrow = console.width < WIDE
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=10 if narrow else 24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}" + ("" if narrow else " steps")),
        TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    path = Path()
    columns: Sequence[tuple[str, str]] = ()
    epochs: EpochLines | None = None
    seen, since = 0, 0.0
    with bar, ExitStack() as at_the_end:
        line = bar.add_task("training", total=1, now="", start=True)
        for event in events:
            match event:
                case run.Started():
                    columns = event.progress
                    epochs = EpochLines(console, columns, event.epochs)
                    at_the_end.callback(epochs.end)
                    path = event.path
                    console.print(_prepared(event), highlight=False, markup=False)
                    for note in event.notes:
                        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
                case run.Progress():
                    elapsed = event.seconds - since
                    speed = (
                        (event.examples - seen) / elapsed
                        if elapsed > 0 and seen
                        else event.examples / max(event.seconds, 1e-9)
                    )
                    seen, since = event.examples, event.seconds
                    now = figures(event.values, columns[:2] if narrow else columns)
                    now += "" if narrow else f"  {speed:,.0f} images/s"
                    if isinstance(console, Console):
                        console.progress(f"epoch {event.epoch}, {event.step} of {event.steps} steps, {now}")
                    bar.update(
                        line, total=event.steps, completed=event.step, now=now, description=f"epoch {event.epoch}"
                    )
                case run.EpochRecord():
                    if epochs is not None:
                        epochs.add(event)
                case run.Scoring():
                    bar.update(line, description=f"scoring {event.split}", now="")
                case run.Finished():
                    path = event.path
    return path


def _prepared(event: Any) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in event.counts.items())
    totals = event.layers["totals"]
    shape = "x".join(str(n) for n in event.layers["input"])
    begun = f"; going on after {counted(event.epoch, 'epoch')}" if event.epoch else ""
    return (
        f"{counts} images of {shape}; {counted(totals['parameters'], 'parameter')}, {totals['multiply_adds']:,} "
        f"multiply-adds "
        "an image; "
        f"{event.device}, {counted(event.threads, 'thread')}{begun}"
    )


def result_table(task: "Task", result: dict[str, Any], title: str) -> TitledTable:
    """The scores of a finished run, a row for each split, and what the run cost."""
    scores = task.score_table(result)
    table = TitledTable(escape(title), escape("\n".join([*scores.caption, _cost(result)])))
    for place, column in enumerate(scores.columns):
        table.add_column(column, justify="right" if place else "left")
    for row in scores.rows:
        table.add_row(*map(escape, row))
    return table


def say_warnings(texts: Iterable[str], console: Console) -> None:
    """Why scores may mislead, a line each."""
    for text in texts:
        console.print(f"[yellow]warning:[/] {escape(text)}", highlight=False)


def _cost(result: dict[str, Any]) -> str:
    """What a run took."""
    return (
        f"{counted(result['parameters'], 'parameter')} ({result['bytes'] / 1e6:.2f} MB), "
        f"{counted(result['epochs'], 'epoch')} of "
        f"{result['seconds_per_epoch']:.2f} s, {result['images_per_second']:,.0f} images/s, {result['precision']}, "
        f"seed {result['seed']}"
    )


def comparison_table(found: "RunComparison") -> TitledTable:
    """The sides of a comparison: runs, seeds, accuracy on the images they were compared on, what stands beside it."""
    metric, rows = found.answers.metric, []
    for side in found.sides:
        spread = f" ± {metric.number(stdev(side.scores))}" if len(side.scores) > 1 else ""
        seeds = ", ".join(str(run.state["seed"]) for run in side.runs)
        row = {"experiment": side.name, "runs": len(side.scores), "seeds": seeds}
        beside = {f"{name} {metric.unit}": metric.number(value) for name, value in found.beside(side).items()}
        score = {f"{found.split} {metric.unit or metric.key}": f"{metric.number(fmean(side.scores))}{spread}"}
        rows.append({**row, **score, **beside})
    return rows_table(rows, f"{found.images:,} {found.split} {metric.of}")


def config_difference_lines(found: "RunComparison", shown: int = 6) -> list[str]:
    """For each side what its experiment differs in from the first side's, a line each."""
    first, *others = found.sides
    more = [f"; and {len(texts) - shown} more" if len(texts) > shown else "" for texts in found.config_differences]
    return [
        f"{side.name} differs from {first.name} in {'; '.join(texts[:shown])}{rest}"
        for side, texts, rest in zip(others, found.config_differences, more, strict=True)
    ]


def layers_table(layers: dict[str, Any]) -> TitledTable:
    """The layer table, narrow enough for 80 columns, with the totals below it."""
    rows = [
        {
            "type": row["type"],
            "output": row["output"],
            "parameters": row["parameters"],
            "mult-adds": row["multiply_adds"],
            "field": row["receptive_field"],
            "weights MB": f"{row['parameter_bytes'] / 1e6:.3f}",
            "output MB": f"{row['output_bytes'] / 1e6:.3f}",
        }
        for row in layers["rows"]
    ]
    table = rows_table(rows, "Layers")
    totals = layers["totals"]
    table.beneath = (
        f"{counted(totals['parameters'], 'parameter')} ({totals['parameter_bytes'] / 1e6:.3f} MB), "
        f"{totals['multiply_adds']:,} multiply-adds an image; field: receptive field in pixels of the image"
    )
    return table


def rows_table(rows: list[dict[str, Any]], title: str = "") -> TitledTable:
    """A list of dicts as a table; its columns are the first row's keys."""
    table = TitledTable(escape(title))
    for name in rows[0] if rows else ():
        number = all(
            isinstance(row.get(name), int | float | None) and not isinstance(row.get(name), bool) for row in rows
        )
        title = name.replace("_", " ")
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(_short(value)) for value in row.values()))
    return table


def _short(value: Any) -> Any:
    """A name in a cell is cut, a path is not."""
    return value if not isinstance(value, str) or "/" in value else shown(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "x".join(str(part) for part in value)
    return escape(str(value))
