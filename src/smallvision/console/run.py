"""What a run looks like on a terminal or in a notebook while it runs, and when it is done. rich only."""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console as Console
from rich.markup import escape
from rich.table import Table

from smallvision.metrics.metric import MEASURES, measured
from smallvision.tasks.reconstruction.wording import against_pca

if TYPE_CHECKING:
    from smallvision.comparison.runs import Compared
    from smallvision.training.run import Event

COLUMNS = (
    ("loss", "{:.4f}"),
    ("accuracy", "{:.2%}"),
    ("pair_accuracy", "{:.2%}"),
    ("mse", "{:.5f}"),
    ("kl", "{:.2f}"),
    ("head", "{:.4f}"),
)
# an autoencoder's further columns: key, header, format; shown where there are such figures, in place of the loss, which is one of them
RECONSTRUCTED = (
    ("psnr", "PSNR dB", "{:.2f}"),
    ("ssim", "SSIM", "{:.3f}"),
    ("noisy_mse", "noisy MSE", "{:.5f}"),
    ("kl", "KL", "{:.2f}"),
    ("elbo", "ELBO", "{:.1f}"),
)
# a verifier's columns beside its accuracy on pairs
VERIFIED = (
    ("auc", "AUC", "{:.4f}"),
    ("equal_error", "EER", "{:.2%}"),
    ("true_accept_1", "TAR", "{:.2%}"),
    ("calibration_error", "ECE", "{:.2%}"),
)


def follow(events: "Iterable[Event]", console: Console) -> Path:
    """Show a run while it runs: a bar with loss, the task's score, images/s and time left, and a line per epoch.

    Returns
    -------
    Path : of the finished run directory.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from smallvision.training import run

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
        TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    path = Path()
    seen, since = 0, 0.0
    with bar:
        line = bar.add_task("training", total=1, now="", start=True)
        for event in events:
            match event:
                case run.Prepared():
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
                    now = f"{_figures(event.values)}  {speed:,.0f} images/s"
                    bar.update(
                        line, total=event.steps, completed=event.step, now=now, description=f"epoch {event.epoch}"
                    )
                case run.EpochRecord():
                    parts = [f"[bold]epoch {event.epoch:>3}[/]", f"train {_figures(event.train)}"]
                    parts += [f"validation {_figures(event.validation)}"] if event.validation else []
                    parts += [f"test (watched) {_figures(event.test)}"] if event.test else []
                    console.print("   ".join([*parts, f"{event.seconds:.1f} s"]), highlight=False)
                    if event.alarm:
                        console.print(event.alarm, highlight=False, markup=False, style="bold yellow")
                case run.Scoring():
                    bar.update(line, description=f"scoring {event.split}", now="")
                case run.Finished():
                    path = event.path
    return path


def _prepared(event: Any) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in event.counts.items())
    totals = event.layers["totals"]
    shape = "x".join(str(n) for n in event.layers["input"])
    begun = f"; going on after {event.epoch} epochs" if event.epoch else ""
    return (
        f"{counts} images of {shape}; {totals['parameters']:,} parameters, {totals['multiply_adds']:,} multiply-adds an image; "
        f"{event.device}, {event.threads} threads{begun}"
    )


def _figures(values: dict[str, float]) -> str:
    known = [f"{name} {form.format(values[name])}" for name, form in COLUMNS if name in values]
    return " ".join(known)


def result_table(result: dict[str, Any], title: str) -> Table:
    """The scores of a finished run, a row per split, and what they cost; of an autoencoder, how far it is from PCA; of a verifier, from
    where on a pair is the same to it."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    rows: dict[str, dict[str, Any]] = {
        name: result[name] for name in ("train", "validation", "test", "unseen") if name in result
    }
    measure, beside = measured(next(iter(rows.values()))), ""
    if measure is MEASURES["verify"]:
        return _verified(table, rows, result)
    more = [(key, header, form) for key, header, form in RECONSTRUCTED if any(key in row for row in rows.values())]
    loss = measure.key == "accuracy"
    score = measure.name if loss else measure.key.upper()
    known = ("split", "images", "loss", score, "95 % interval") if loss else ("split", "images", score, "± (95 %)")
    for column in (*known, *(header for _, header, _ in more)):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, row in rows.items():
        interval = row.get(f"{measure.key}_interval")
        ends = f"{measure.number(interval[0])} - {measure.text(interval[1])}" if interval else ""
        if interval and not loss:  # Student's t: symmetric, and narrower so
            ends = measure.number((interval[1] - interval[0]) / 2)
        figures = [*([f"{row['loss']:.4f}"] if loss else []), measure.text(row[measure.key]), ends]
        table.add_row(split, f"{row['count']:,}", *figures, *(form.format(row[key]) for key, _, form in more))
        beside = f"{split} {score} is {against_pca(row)}\n" if "pca" in row else beside
    table.caption = beside + _cost(result)
    table.caption_justify = "left"
    return table


def _verified(table: Table, rows: dict[str, dict[str, Any]], result: dict[str, Any]) -> Table:
    """A verifier's scores; the classes of "unseen" were kept out of training."""
    measure, fitted = MEASURES["verify"], result["verifier"]
    table.padding = (0, 1, 0, 0)
    for column in ("split", "images", "on pairs", "95 % interval", *(header for _, header, _ in VERIFIED)):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, row in rows.items():
        ends = row.get("intervals", {}).get(measure.key)
        between = f"{measure.number(ends[0])} - {measure.text(ends[1])}" if ends else ""
        figures = (form.format(row[key]) if key in row else "" for key, _, form in VERIFIED)
        table.add_row(split, f"{row['count']:,}", measure.text(row[measure.key]), between, *figures)
    table.caption = (
        f"a pair is the same from a probability of {fitted['threshold']:.1%} on, by {fitted['pairs']:,.0f} validation pairs\n"
        "on pairs: accuracy, by guessing 50 %; EER: equal error rate; TAR: true accepts\nat 1 % false accepts; ECE: calibration error\n"
        f"{_cost(result)}"
    )
    table.caption_justify = "left"
    return table


def _cost(result: dict[str, Any]) -> str:
    """What a run took."""
    return (
        f"{result['parameters']:,} parameters ({result['bytes'] / 1e6:.2f} MB), {result['epochs']} epochs of "
        f"{result['seconds_per_epoch']:.2f} s, {result['images_per_second']:,.0f} images/s, {result['precision']}, seed {result['seed']}"
    )


def compared_table(found: "Compared") -> Table:
    """The sides of a comparison: runs, seeds, accuracy on the images they were compared on."""
    measure, rows = found.answers.measure, []
    for side in found.sides:
        spread = f" ± {measure.number(stdev(side.scores))}" if len(side.scores) > 1 else ""
        seeds = ", ".join(str(run.state["seed"]) for run in side.runs)
        row = {"experiment": side.name, "runs": len(side.scores), "seeds": seeds}
        rows.append(
            {**row, f"{found.split} {measure.unit or measure.key}": f"{measure.number(fmean(side.scores))}{spread}"}
        )
    return rows_table(rows, f"{found.images:,} {found.split} {measure.of}")


def differing_lines(found: "Compared", shown: int = 6) -> list[str]:
    """For each side what its experiment differs in from the first side's, a line each."""
    first, *others = found.sides
    more = [f"; and {len(texts) - shown} more" if len(texts) > shown else "" for texts in found.differing]
    return [
        f"{side.name} differs from {first.name} in {'; '.join(texts[:shown])}{rest}"
        for side, texts, rest in zip(others, found.differing, more, strict=True)
    ]


def layers_table(layers: dict[str, Any]) -> Table:
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
    table.caption = (
        f"{totals['parameters']:,} parameters ({totals['parameter_bytes'] / 1e6:.3f} MB), "
        f"{totals['multiply_adds']:,} multiply-adds an image; field: receptive field in pixels of the image"
    )
    table.caption_justify = "left"
    return table


def rows_table(rows: list[dict[str, Any]], title: str = "") -> Table:
    """A list of dicts as a table; its columns are the first row's keys."""
    table = Table(
        title=escape(title) or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for name in rows[0] if rows else ():
        number = all(
            isinstance(row.get(name), int | float | None) and not isinstance(row.get(name), bool) for row in rows
        )
        title = name.replace("_", " ")
        if name == "about":  # prose takes what the figures leave, and is cut there
            table.expand = True
            table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


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
