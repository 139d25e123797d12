"""Shows a study on a terminal or in a notebook: one table of all runs while they run, then the results.

Uses rich only.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.markup import escape
from rich.text import Text

from smallvision.console.run import Console as OurConsole
from smallvision.console.table import TitledTable
from smallvision.errors import counted
from smallvision.experiment import Study
from smallvision.metrics.metric import Metric
from smallvision.stats.wording import least_line
from smallvision.study.plan import cases

if TYPE_CHECKING:
    from smallvision.runs.probes import ProbeRecord
    from smallvision.study.events import Estimated, Event, Moved, Planned, Row
    from smallvision.study.plan.jobs import Key
    from smallvision.study.read import StudyRecord

MOST_ROWS = 24  # of runs shown at a time: those under way, then the latest
WORDS = {"again": "again: its worker died", "elsewhere": "another process is doing it"}
PROBES = {"knn-cosine": "kNN (cosine)", "knn-euclidean": "kNN (Euclidean)", "linear": "linear"}
STYLES = {"running": "bold", "done": "green", "failed": "red", "waiting": "dim"}


@dataclass
class _Line:
    """A run as it is shown."""

    case: str
    seed: int
    epochs: int
    state: str = "waiting"
    epoch: int = 0
    share: float = 0.0
    score: str = ""  # on validation images
    touched: int = 0  # the later, the larger


@dataclass
class _Board:
    """All runs of a study as they are shown, and how far they are."""

    split: str
    metric: Metric
    lines: dict["Key", _Line] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    already: float = 0.0  # runs that were done before this session
    moves: int = 0
    probing: str = ""  # what is done now, once all runs are over

    def add(self, rows: Iterable["Row"]) -> None:
        for row in rows:
            if row.path is not None:
                job = row.job
                self.lines[job.key] = _Line(
                    job.what, job.seed, job.experiment.recipe.epochs, "done" if row.done else "waiting"
                )
                self.already += row.done
        cases = list(dict.fromkeys(line.case for line in self.lines.values()))
        self.lines = dict(sorted(self.lines.items(), key=lambda item: cases.index(item[1].case)))

    def move(self, event: "Moved") -> None:
        line = self.lines[event.job.key]
        self.moves += 1
        line.state, line.touched = event.state, self.moves
        line.epoch, line.share = max(line.epoch, event.epoch), max(line.share, event.share)
        if event.validation:
            line.score = self.metric.text(event.validation[self.metric.key])

    def __rich__(self) -> Group:
        """The table: runs under way and the latest that ended; all, when they are few.

        Below it, how far the study is.
        """
        table = TitledTable()
        for column in ("case", "seed", "epoch", "validation", "state"):
            table.add_column(column, justify="left" if column in ("case", "state") else "right")
        shown = list(self.lines.values())
        if len(shown) > MOST_ROWS:
            rank = {"running": 2, "failed": 1}
            latest = sorted(shown, key=lambda line: (-rank.get(line.state, 0), -line.touched))[:MOST_ROWS]
            shown = [line for line in shown if any(line is one for one in latest)]
        for line in shown:
            state = WORDS.get(line.state, line.state)
            style = STYLES.get(line.state, "yellow")
            table.add_row(
                escape(line.case), str(line.seed), f"{line.epoch}/{line.epochs}", line.score, f"[{style}]{state}[/]"
            )
        return Group(table, Text(self.summary(), style="dim"))

    def summary(self) -> str:
        """How many runs are done, what is left of the time, and who works."""
        count = {state: sum(line.state == state for line in self.lines.values()) for state in ("done", "failed")}
        parts = [f"{count['done']} of {counted(len(self.lines), 'run')} done"]
        parts += [f"{count['failed']} failed"] if count["failed"] else []
        through = (
            sum(1.0 if line.state in ("done", "failed") else line.share for line in self.lines.values()) - self.already
        )
        left = len(self.lines) - self.already - through
        if through > 0.2 and left > 0:
            parts.append(f"about {duration((time.monotonic() - self.began) * left / through)} left")
        parts += [self.probing] if self.probing else []
        return ", ".join(parts) + f"; {self.split}"


def follow(events: "Iterable[Event]", study: Study, console: Console) -> "StudyRecord":
    """Show a study while it runs: a table that changes on a terminal, else a line for every run that ends; then the
    result.

    Returns
    -------
    StudyRecord : of the finished study.
    """
    from rich.live import Live

    from smallvision.study.events import Added, Evaluated, Finished, Moved, Planned, Probed, Probing

    metric = cases.task(study).metric
    board, live, record = _Board("", metric), None, None
    status = console.status("getting ready: data, a step of each case, timed steps", spinner="line")
    status.start()
    try:
        for event in events:
            status.stop()
            match event:
                case Planned():
                    board = _Board(str(event.split or ""), metric)
                    board.add(event.rows)
                    for text in _opening(event, study):
                        console.print(text, highlight=False, soft_wrap=True)
                    if event.split and (console.is_terminal or console.is_jupyter):
                        live = Live(board, console=console, refresh_per_second=4, transient=True)
                        live.start()
                case Added():
                    board.add(event.rows)
                case Moved():
                    was = board.lines[event.job.key].state
                    board.move(event)
                    text = _ended(event, was, metric)
                    if isinstance(console, OurConsole):
                        console.progress(board.summary())
                    if text and (live is None or event.state == "failed"):
                        console.print(text, highlight=False, soft_wrap=True)
                case Evaluated():
                    if live is None:
                        said = _score(event.test, metric) if event.test else "there is no test split"
                        console.print(
                            f"test       {escape(event.job.what)}, seed {event.job.seed}: {said}", highlight=False
                        )
                case Probing():
                    board.probing = f"probing {event.job.what}, seed {event.job.seed}: {event.step}"
                case Probed():
                    board.probing = f"{event.job.what}, seed {event.job.seed} is probed"
                    if live is None:
                        name = f"{escape(event.job.what)}, seed {event.job.seed}"
                        console.print(f"probed     {name}: {_probed(event.record)}", highlight=False, soft_wrap=True)
                case Finished():
                    record = event.record
    finally:
        status.stop()
        if live is not None:
            live.stop()
    assert record is not None
    return record


def _probed(record: "ProbeRecord") -> str:
    """What the probes of a representation get right, in a line."""
    own = record.result["sources"][0]["probes"]
    said = ", ".join(f"{PROBES[one['kind']]} {100 * one['accuracy']:.2f} %" for one in own)
    return f"{said} of {record.result['counts']['shown']:,} {record.result['split']} images"


def _opening(event: "Planned", study: Study) -> list[str]:
    done = sum(row.done for row in event.rows)
    parts = [counted(len(event.rows), "run")] + ([f"{done} of them done already"] if done else [])
    lines = [f"[bold]{escape(study.name)}[/]: {escape(study.question or study.about)}"]
    lines += [f"note       {escape(note)}" for note in event.notes]
    lines.append(f"plan       {', '.join(parts)}" + (f"; {event.split} ({escape(event.why)})" if event.split else ""))
    return lines


def _ended(event: "Moved", was: str, metric: Metric) -> str:
    """A line for a run that has ended or was disturbed; "" for everything else."""
    name = f"{escape(event.job.what)}, seed {event.job.seed}"
    if event.state == "done" and was != "done" and event.validation:
        score, loss = _score(event.validation, metric), event.validation["loss"]
        return f"done       {name}: validation {score}, loss {loss:.4f}, {duration(event.seconds)}"
    if event.state in ("failed", "again"):
        what = "again" if event.state == "again" else "[red]failed[/]"
        why = f"its worker died ({event.message})" if event.state == "again" else event.message
        return f"{what}{' ' * (11 - len(event.state))}{name}: {escape(why)}"
    return (
        f"elsewhere  {name}: another process is doing it" if event.state == "elsewhere" and was != "elsewhere" else ""
    )


def result_table(record: "StudyRecord") -> Group:
    """A finished study: a row for each case, the best on validation, which cases met the test split, the answer,
    verdicts, confounders.
    """
    choice, baseline = record.result["choice"], record.result["baseline"]
    table = TitledTable(f"{escape(record.study.name)}: best on validation images is {escape(choice['winner'])}")
    metric = record.metric
    unit = metric.unit or metric.key
    table.add_column("case", min_width=14, overflow="fold")
    # The table fits into 80 columns. Scores of five digits leave no space for the multiply-adds, which the report has.
    costs = {"params": "parameters", "mult-adds": "multiply_adds"} if metric.digits < 4 else {"params": "parameters"}
    for column in ("runs", f"valid. {unit}", f"test {unit}", *costs, "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in record.table:
        name = escape(row["case"]) + (" [dim](baseline)[/]" if row["case"] == baseline else "")
        scores = [_spread(row.get(split), metric) for split in ("validation", "test")]
        table.add_row(
            name, str(len(row["runs"])), *scores, *(f"{row[key]:,}" for key in costs.values()), f"{row['seconds']:.1f}"
        )
    looks = max(run["looks"] for row in record.table for run in row["runs"])
    several = "; ± is the standard deviation over seeds" if any(len(row["runs"]) > 1 for row in record.table) else ""
    met = " and ".join(
        dict.fromkeys(
            ["the best", "the baseline"] if len(choice["met_test"]) > 1 else ["the best, which is the baseline,"]
        )
    )
    times = "once" if looks == 1 else f"up to {looks} times"
    said = f"only {met} met the test split, {times}{several}" if looks else f"there is no test split{several}"
    if record.probe_verdicts and record.probe_verdicts[0]["split"] == "test":
        said += "; after all choices the probes of all runs met it, too, once each"
    searched = [f"searched: {row['case']} with {_settings(row['settings'])}" for row in record.table if row["settings"]]
    edges = [
        Text(f"at an edge: {one['sentence']}", style="dim" if one["natural"] else "yellow") for one in record.edges
    ]
    told = record.result["answer"]
    of_answer = [one for one in record.verdicts if (one["pair"], one["split"]) == (told["pair"], told["split"])]
    least = [_least(one, metric) for one in of_answer if one["verdict"] == "not distinguishable"]
    others = [one for one in record.verdicts if (one["pair"], one["split"]) != (told["pair"], told["split"])]
    verdicts = [Text(f"{one['split']}: {' '.join([one['sentence'], *_equivalence(one)])}") for one in others]
    confounders = [
        Text(f"confounded: {line}", style="yellow")
        for line in dict.fromkeys(one["confound"] for one in record.verdicts)
        if line
    ]
    answer = Text(told["sentence"], style="bold")
    warned = [Text.assemble(("warning: ", "yellow"), line) for line in record.warnings]
    probed = [Text(f"{one['split']}: {one['sentence']}") for one in record.probe_verdicts if one.get("told")]
    left = len(record.probe_verdicts) - len(probed)
    rest = [Text(f"and {counted(left, 'more verdict')} by probes, in the report", style="dim")] if left else []
    return Group(
        table,
        *(Text(line, style="dim") for line in [*searched, *record.beside, said]),
        *edges,
        Text(""),
        answer,
        *(Text(line, style="dim") for line in least if line),
        *warned,
        *verdicts,
        *confounders,
        *probed,
        *rest,
    )


def _equivalence(verdict: Mapping[str, Any]) -> list[str]:
    found = verdict.get("equivalence")
    return [found["sentence"]] if found else []


def _least(verdict: Mapping[str, Any], metric: Metric) -> str:
    """The smallest difference that could be told on these images; "" where the study does not know it."""
    found, images = verdict.get("least_difference"), min(verdict["images"])
    return least_line(str(verdict["kind"]), found, float(verdict["confidence"]), images, metric.of)


def estimate_table(estimated: "Estimated") -> Group:
    """A dry run: what would be run, where, and how long it takes."""
    planned = estimated.planned
    table = TitledTable(escape(str(planned.path)))
    for column in ("case", "seed", "run", "seconds"):
        table.add_column(column, justify="left" if column in ("case", "run") else "right", overflow="fold")
    for row in planned.rows:
        key = row.job.key
        seconds = "done" if row.done else f"{estimated.seconds[key]:.1f}" if key in estimated.seconds else ""
        table.add_row(
            escape(row.job.what),
            str(row.job.seed),
            escape(row.path.name) if row.path else "[dim]known on the way[/]",
            seconds,
        )
    todo = sum(not row.done for row in planned.rows)
    notes = [Text(f"note: {note}", style="dim") for note in planned.notes]
    if planned.split:
        where = f"by {planned.split} ({planned.why})"
        said = f"{counted(todo, 'run')} in about {duration(estimated.total)} {where}; nothing was written"
    else:
        said = "nothing is left to be run; nothing was written"
    return Group(table, *notes, Text(said, style="dim"))


def duration(seconds: float) -> str:
    """Seconds as a person says them: 4.2 s, 3 min, 1 h 20 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in settings.items())


def _score(scores: Mapping[str, Any], metric: Metric) -> str:
    return f"{metric.name} {metric.text(scores[metric.key])}"


def _spread(scores: dict[str, Any] | None, metric: Metric) -> str:
    """The mean over seeds and its standard deviation, without a unit."""
    if not scores:
        return ""
    spread = scores[f"{metric.key}_sd"]
    return metric.number(scores[metric.key]) + (f" ± {metric.number(spread)}" if spread is not None else "")
