"""The lines of a training: on a terminal a table that grows by a row an epoch, in a pipe or a file a line now and then.

A row fits the terminal: of many figures the less important ones are left out; the page of the run has all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from smallvision.training.run import EpochRecord

MOST_LINES = 20  # of a training in a pipe, beside the first and the last epoch
NARROWEST = 7  # characters of a figure: "100.00%"
SPLITS = {"train": "train", "validation": "validation", "test": "test (watched)"}
# What a narrow terminal does without: splits, and the places of their figures; 2 stands for all after the second.
LEAST_IMPORTANT = (
    *(("train", 2), ("test", 2), ("validation", 2), ("train", 1), ("test", 0), ("validation", 0), ("test", 1)),
)


@dataclass(frozen=True)
class _Column:
    """A figure of a split, as a column of the table."""

    split: str
    key: str
    form: str
    place: int  # among the figures of its split, the most important first

    def heading(self, short: bool) -> str:
        words = self.key.split("_")
        return words[0] if short else " ".join(words)

    def width(self, short: bool) -> int:
        return max(len(self.heading(short)), NARROWEST)


class EpochLines:
    """Prints the epochs of a training.

    Parameters
    ----------
    console : a terminal or notebook, where every epoch has its row, or a pipe, which has at most some MOST_LINES.
    progress : keys of the figures, the most important first, each with its format.
    epochs : how many epochs the recipe has.
    """

    def __init__(self, console: Console, progress: Sequence[tuple[str, str]], epochs: int) -> None:
        self.console, self.progress, self.epochs = console, progress, epochs
        self.every = 1 if console.is_terminal or console.is_jupyter else step(epochs)
        self.table = console.is_terminal or console.is_jupyter
        self.columns: list[_Column] = []
        self.short = False
        self.left: EpochRecord | None = None  # the last record, if it was not printed
        self.begun = False

    def add(self, record: "EpochRecord") -> None:
        """Print an epoch, if it is its turn; always where it has an alarm."""
        due = not self.begun or record.epoch % self.every == 0 or record.epoch == self.epochs or record.alarm
        self.left = None if due else record
        if due:
            self._print(record)
        if record.alarm:
            self.console.print(record.alarm, highlight=False, markup=False, style="bold yellow")

    def end(self) -> None:
        """Print the last epoch, if it was not its turn: training may stop early."""
        if self.left is not None:
            self._print(self.left)
            self.left = None

    def _print(self, record: "EpochRecord") -> None:
        splits = {split: getattr(record, split) for split in SPLITS if getattr(record, split)}
        if self.table and not self.begun:
            for line in self._begin(splits):
                self._say(line, "bold")
        self.begun = True
        self._say(self._row(record, splits) if self.table else self._sentence(record, splits))

    def _say(self, line: str, style: str = "") -> None:
        self.console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    def _sentence(self, record: "EpochRecord", splits: Mapping[str, Mapping[str, float]]) -> str:
        parts = [
            f"{SPLITS[split]} {figures(values, self.progress)}" for split, values in splits.items()
        ]  # whole, so that the line can be found on its own
        return "   ".join([f"epoch {record.epoch:>{len(str(self.epochs))}}", *parts, f"{record.seconds:.1f} s"])

    def _begin(self, splits: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
        """Choose the columns, and give the two lines above the table."""
        self.columns = [
            _Column(split, key, form, place)
            for split, values in splits.items()
            for place, (key, form) in enumerate((key, form) for key, form in self.progress if key in values)
        ]
        if self._width() > self.console.width:
            self.short = True
        for split, place in LEAST_IMPORTANT:
            if self._width() > self.console.width:
                self.columns = [one for one in self.columns if (one.split, min(one.place, 2)) != (split, place)]
        yield self._groups()
        yield self._joined("epoch", [one.heading(self.short) for one in self.columns], "seconds")

    def _width(self) -> int:
        return len(self._joined("", ["" for _ in self.columns], ""))

    def _joined(self, epoch: str, cells: Sequence[str], seconds: str) -> str:
        parts = [f"{epoch:>5}"]
        before = ""
        for column, cell in zip(self.columns, cells, strict=True):
            gap = "  " if column.split == before else "   "
            parts.append(f"{gap}{cell:>{column.width(self.short)}}")
            before = column.split
        return "".join([*parts, f"   {seconds:>7}"])

    def _groups(self) -> str:
        """The names of the splits over their figures."""
        line, place, before = "", 5, ""
        for column in self.columns:
            if column.split != before:
                line = f"{line:<{place + 3}}{SPLITS[column.split]}"
            place += column.width(self.short) + (2 if column.split == before else 3)
            before = column.split
        return line

    def _row(self, record: "EpochRecord", splits: Mapping[str, Mapping[str, float]]) -> str:
        cells = []
        for column in self.columns:
            value = splits.get(column.split, {}).get(column.key)
            cells.append("" if value is None else column.form.format(value))
        return self._joined(str(record.epoch), cells, f"{record.seconds:.1f}")


def step(epochs: int) -> int:
    """Every how many epochs a line is printed, so that there are at most MOST_LINES: 1, 2, 5, 10, 20, 50 and so on."""
    steps = (first * int(10**zeros) for zeros in range(len(str(epochs)) + 1) for first in (1, 2, 5))
    return next(one for one in steps if one * MOST_LINES >= epochs)


def figures(values: Mapping[str, float], progress: Sequence[tuple[str, str]]) -> str:
    """The figures of a split in a row: "loss 0.0522 accuracy 98.46%"."""
    return " ".join(f"{key.replace('_', ' ')} {form.format(values[key])}" for key, form in progress if key in values)
