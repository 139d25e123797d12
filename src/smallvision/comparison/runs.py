"""Finished runs compared honestly, from their files alone: which differences are real, and what else differs. No torch.

Runs of one experiment are one side, whatever their seeds. Every side is compared with the first; the verdict's rule is
that of `stats/verdict.py`. Images are paired by their ids, so sides may have had them in another order, or at another
size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from smallvision.comparison.confounders import config_differences, confounder
from smallvision.comparison.disagreements import MOST, Disagreement, disagreements
from smallvision.comparison.predictions import AlignedPredictions, common, gather
from smallvision.errors import BadInput
from smallvision.experiment.text import flat
from smallvision.rendering.cards import card
from smallvision.runs.read import RunRecord, read_run
from smallvision.runs.unfinished import not_finished
from smallvision.stats.comparison import Comparison, Verdict
from smallvision.stats.verdict import compare_runs, compare_values, judge
from smallvision.tasks import DEFAULT_METRIC, task_of, warnings

__all__ = ["RunComparison", "Side", "compare"]


@dataclass(frozen=True)
class Side:
    """The runs of one experiment."""

    name: str
    runs: tuple[RunRecord, ...]
    scores: tuple[float, ...]  # of each run: accuracy from 0 to 1, or the task's own score


@dataclass(frozen=True, repr=False)
class RunComparison:
    """What `compare` found; `verdicts` and `confounders` go with `sides[1:]`, each against `sides[0]`."""

    split: str  # "test", or "validation" where no test split was met
    images: int  # or pairs of them, see `answers.metric.of`
    sides: tuple[Side, ...]
    answers: AlignedPredictions  # of every side, image by image
    # for each of `sides[1:]` the keys in which its experiment differs from the first side's: "recipe.epochs: 3 against
    # 2", the first's last
    config_differences: tuple[tuple[str, ...], ...]
    confounders: tuple[str, ...]  # a line for each of `sides[1:]`, empty where only the question differs
    verdicts: tuple[Verdict, ...]

    def __repr__(self) -> str:
        return f"RunComparison({' '.join(verdict.sentence for verdict in self.verdicts)})"

    def _repr_html_(self) -> str:
        """A card for a notebook: each verdict, what confounds it, and warnings."""
        metric = self.answers.metric
        lines = [(side.name, f"{self.split} {metric.text(fmean(side.scores))}") for side in self.sides]
        lines += [("verdict", verdict.sentence) for verdict in self.verdicts]
        lines += [("confounded", text) for text in self.confounders if text]
        return card(f"{self.images:,} {self.split} {metric.of}", lines, [f"warning: {text}" for text in self.warnings])

    @property
    def warnings(self) -> list[str]:
        """Why the scores may mislead, a line each: of the images once, of a side with its name; mostly none."""
        named = [(side.name, run) for side in self.sides for run in side.runs]
        return warnings.of_many(named, task_of(named[0][1].experiment), (self.split,))

    def beside(self, side: Side) -> dict[str, float]:
        """Figures that have to stand beside the score of a side, by name, as means over its runs; mostly none.

        They are those of the whole split that the runs were scored on.
        """
        task = task_of(side.runs[0].experiment)
        found = [task.beside((run.result or {}).get(self.split) or {}) for run in side.runs]
        names = [name for name in found[0] if all(name in one for one in found)]
        return {name: fmean(one[name] for one in found) for name in names}

    def disagreements(self, side: int = 1, most: int = MOST) -> tuple[Disagreement, ...]:
        """The images on which `sides[side]` and the first side disagree, see `disagreements.disagreements`."""
        return disagreements(self.answers, self.sides[side].name, self.sides[0].name, most)


def compare(
    paths: Sequence[Path | str], question: Sequence[str] = (), equivalence: float | None = None
) -> RunComparison:
    """Compare finished runs of two or more experiments.

    Parameters
    ----------
    paths : run directories; the experiment of the first is what all others are compared with.
    question : keys, or tables of keys, that are meant to differ: ("model",), ("recipe.learning_rate",). By default
        whatever differs is meant, if it is of one table (data, model, task or recipe).
    equivalence : a margin in the metric's unit; the verdicts then also say whether more than this is ruled out.

    Raises
    ------
    BadInput : a margin that is none, a run that is unfinished or given twice, runs of one experiment alone, of other
        tasks, or on other images.
    """
    records = [read_run(Path(path)) for path in paths]
    _check(records)
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.experiment.identity, []).append(record)
    if len(groups) < 2:
        raise BadInput(
            f"compare: got runs of one experiment only ({records[0].experiment.name}); name runs of at least two "
            "experiments"
        )
    named = dict(zip(_names([group[0] for group in groups.values()]), groups.values(), strict=True))
    answers = gather(named, common(records))
    first, *others = [Side(name, tuple(runs), answers.scores(name)) for name, runs in named.items()]
    differences = tuple(config_differences(side.runs[0], first.runs[0]) for side in others)
    confounders = tuple(confounder((side.name, first.name), (side.runs[0], first.runs[0]), question) for side in others)
    verdicts = judge([compare_sides(answers, side.name, first.name) for side in others], equivalence=equivalence)
    return RunComparison(
        answers.split, len(answers.labels), (first, *others), answers, differences, confounders, verdicts
    )


def compare_sides(answers: AlignedPredictions, a: str, b: str) -> Comparison:
    """Two sides before the verdict: by what each run got right, or by the task's own number for each image."""
    if answers.values is None:
        comparison = compare_runs(answers.correct(a), answers.correct(b), (a, b))
        return replace(comparison, measure=None if answers.metric == DEFAULT_METRIC else answers.metric)
    return compare_values(answers.values[a], answers.values[b], answers.metric, (a, b))


def _check(records: Sequence[RunRecord]) -> None:
    seen: dict[tuple[str, int], Path] = {}
    for record in records:
        if record.result is None:
            raise not_finished(record, "it cannot be compared")
        own, first = task_of(record.experiment), task_of(records[0].experiment)
        if own is not first:
            raise BadInput(
                f"{record.path}: its task is {own.kind}, but the task of {records[0].path} is {first.kind}; compare "
                "runs of one task"
            )
        key = record.experiment.identity, int(record.state["seed"])
        if key in seen:
            raise BadInput(
                f"{record.path}: this is the same experiment with the same seed as {seen[key]}, so it would count "
                "twice; name only one of them"
            )
        seen[key] = record.path


def _names(records: Sequence[RunRecord]) -> list[str]:
    """The experiments' names; where they are alike, with the first key that tells all of them apart, or the hash."""
    names = [record.experiment.name for record in records]
    out = []
    for record, name in zip(records, names, strict=True):
        alike = [flat(other.experiment.model_dump(mode="json")) for other in records if other.experiment.name == name]
        own = flat(record.experiment.model_dump(mode="json"))
        telling = [
            key for key in own if len({str(one.get(key)) for one in alike}) == len(alike) and len(str(own[key])) <= 20
        ]
        told = f"{telling[0]}={own[telling[0]]}" if telling else record.experiment.hash()
        out.append(name if len(alike) == 1 else f"{name} ({told})")
    return out
