"""Finished runs compared honestly, from their files alone: which differences are real, and what else differs. No torch.

Runs of one experiment are one side, whatever their seeds. Every side is compared with the first; the verdict's rule is that of
`stats/verdict.py`. Images are paired by their ids, so sides may have had them in another order, or at another size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallvision.errors import BadInput
from smallvision.runs import evidence
from smallvision.runs.files import VALIDATION_EVIDENCE
from smallvision.runs.read import RunRecord, read_run
from smallvision.runs.where import flat
from smallvision.stats.verdict import Verdict, compare_runs, judge

__all__ = ["Compared", "Side", "compare"]

Evidence = dict[str, NDArray[Any]]
OUTSIDE = ("protocol",)                                                    # when the test split is met changes no training


@dataclass(frozen=True)
class Side:
    """The runs of one experiment."""

    name: str
    runs: tuple[RunRecord, ...]
    right: NDArray[np.bool_]                                # (runs, N): which images each got right, in one order for all sides

    @property
    def accuracies(self) -> list[float]:
        """Of each run, 0 to 1."""
        return [float(share) for share in self.right.mean(1)]


@dataclass(frozen=True)
class Compared:
    """What `compare` found; `verdicts` and `confounds` go with `sides[1:]`, each against `sides[0]`."""

    split: str                                              # "test", or "validation" where no test split was met
    images: int
    sides: tuple[Side, ...]
    differing: tuple[tuple[str, ...], ...]                  # "recipe.epochs: 3 against 2" where the experiments differ, the first's last
    confounds: tuple[str, ...]                              # one line each, empty where only the question differs
    verdicts: tuple[Verdict, ...]


def compare(paths: Sequence[Path | str], question: Sequence[str] = ()) -> Compared:
    """Compare finished runs of two or more experiments.

    Parameters
    ----------
    paths : run directories; the experiment of the first is what all others are compared with.
    question : keys, or tables of keys, that are meant to differ: ("model",), ("recipe.learning_rate",). By default whatever differs
        is meant, if it is of one table (data, model, task or recipe).

    Raises
    ------
    BadInput : a run that is unfinished or given twice, runs of one experiment alone, of other tasks, or on other images.
    """
    records = [read_run(Path(path)) for path in paths]
    _check(records)
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.experiment.hash(), []).append(record)
    if len(groups) < 2:
        raise BadInput(f"compare: got runs of one experiment alone ({records[0].experiment.name}); give runs of at least two")
    split, found = _evidence(records)
    first = _answers(found[records[0].path])
    sides = [
        Side(name, tuple(group), np.stack([_right(record, found[record.path], first, records[0].path) for record in group]))
        for name, group in zip(_names([group[0] for group in groups.values()]), groups.values(), strict=True)
    ]
    differing = tuple(_differing(sides[0].runs[0], side.runs[0]) for side in sides[1:])
    confounds = tuple(_confound(sides[0], side, keys, question) for side, keys in zip(sides[1:], differing, strict=True))
    verdicts = judge([compare_runs(side.right, sides[0].right, (side.name, sides[0].name)) for side in sides[1:]])
    return Compared(split, sides[0].right.shape[1], tuple(sides), differing, confounds, verdicts)


def _check(records: Sequence[RunRecord]) -> None:
    seen: dict[tuple[str, int], Path] = {}
    for record in records:
        if record.result is None:
            raise BadInput(f"{record.path}: the run is not finished, so it cannot be compared; go on with it by --resume")
        if record.experiment.task.kind != records[0].experiment.task.kind:
            raise BadInput(f"{record.path}: its task is {record.experiment.task.kind}, that of {records[0].path} "
                           f"{records[0].experiment.task.kind}; compare runs of one task")  # fmt: skip
        key = record.experiment.hash(), int(record.state["seed"])
        if key in seen:
            raise BadInput(f"{record.path}: is the same experiment with the same seed as {seen[key]}, and would count twice; give it once")
        seen[key] = record.path


def _evidence(records: Sequence[RunRecord]) -> tuple[str, dict[Path, Evidence]]:
    """The split that all runs were scored on, the test split if there is a choice, and each run's answers on it.

    A run that met the test split after its study keeps what it said of the validation images beside it.
    """
    known: dict[str, dict[Path, Evidence]] = {"test": {}, "validation": {}}
    for record in records:
        if record.evidence is None or record.result is None:
            raise BadInput(f"{record.path / 'evidence.npz'}: missing, so nothing is known of single images; run it again")
        known[str(record.evidence["split"])][record.path] = record.evidence
        kept = record.path / VALIDATION_EVIDENCE
        if kept.exists():
            known["validation"][record.path] = evidence.read(kept, len(record.result["classes"]))
    for split, found in known.items():
        if len(found) == len(records):
            return split, found
    here, there = (next(iter(known[split])) for split in ("test", "validation"))
    raise BadInput(f"{there}: was scored on validation images, {here} on test images; compare runs scored on the same")


def _answers(found: Evidence) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Ids (N, 2) in ascending order, with the labels (N,) and whether each was predicted."""
    order = np.lexsort(found["ids"].T)
    labels: NDArray[Any] = found["labels"][order]
    right: NDArray[np.bool_] = found["predictions"][order] == labels
    return found["ids"][order], labels, right


def _right(
    record: RunRecord, found: Evidence, first: tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]], where: Path
) -> NDArray[np.bool_]:
    ids, labels, right = _answers(found)
    if not np.array_equal(ids, first[0]):
        common = len(set(map(tuple, ids.tolist())) & set(map(tuple, first[0].tolist())))
        raise BadInput(f"{record.path}: {len(ids):,} images, {where} has {len(first[0]):,}, and {common:,} are the same; "
                       "accuracies on different images cannot be compared")  # fmt: skip
    if not np.array_equal(labels, first[1]):
        raise BadInput(f"{record.path}: the same images as {where} with other labels; compare runs on the same labels")
    return right


def _names(records: Sequence[RunRecord]) -> list[str]:
    """The experiments' names; where they are alike, with the first key that tells all of them apart, or the hash."""
    names = [record.experiment.name for record in records]
    out = []
    for record, name in zip(records, names, strict=True):
        alike = [flat(other.experiment.model_dump(mode="json")) for other in records if other.experiment.name == name]
        own = flat(record.experiment.model_dump(mode="json"))
        telling = [key for key in own if len({str(one.get(key)) for one in alike}) == len(alike) and len(str(own[key])) <= 20]
        told = f"{telling[0]}={own[telling[0]]}" if telling else record.experiment.hash()
        out.append(name if len(alike) == 1 else f"{name} ({told})")
    return out


def _differing(a: RunRecord, b: RunRecord) -> tuple[str, ...]:
    one, other = (flat(record.experiment.model_dump(mode="json")) for record in (a, b))
    keys = [key for key in dict.fromkeys((*one, *other)) if key.split(".")[0] not in ("name", "about", "minutes", *OUTSIDE)]
    keys = [key for key in keys if one.get(key) != other.get(key)]
    kinds = [key.removesuffix("kind") for key in keys if key.endswith(".kind")]        # of another kind: its keys are other ones anyway
    told = [key for key in keys if key.endswith(".kind") or not key.startswith(tuple(kinds))]
    return tuple(f"{key}: {_said(other, key)} against {_said(one, key)}" for key in told)


def _said(values: dict[str, Any], key: str) -> str:
    return str(values[key]) if values.get(key) is not None else "nothing"


def _confound(first: Side, side: Side, differing: Iterable[str], question: Sequence[str]) -> str:
    """In one line, what differs beside the question; empty if nothing does."""
    keys = [text.partition(":")[0] for text in differing]
    tables = sorted({key.split(".")[0] for key in keys})
    if question:
        beside = [text for text in differing if not any(f"{text.partition(':')[0]}.".startswith(f"{asked}.") for asked in question)]
    else:
        beside = list(differing) if len(tables) > 1 else []
    elsewhere = [f"{what}: {b} against {a}" for what, a, b in zip(("device", "torch"), _place(first), _place(side), strict=True) if a != b]
    if not beside and not elsewhere:
        return ""
    shown = [*beside, *elsewhere]
    more = f", and {len(shown) - 6} more" if len(shown) > 6 else ""
    said = ", ".join(question) or "one thing"
    return (f"{side.name} and {first.name} differ in more than {said}, so the difference cannot be put down to it: "
            f"{'; '.join(shown[:6])}{more}")


def _place(side: Side) -> tuple[str, str]:
    """What can matter beside the experiment: the kind of device, and torch's version."""
    environment = side.runs[0].environment
    return str(environment.get("device")), str(environment.get("packages", {}).get("torch"))
