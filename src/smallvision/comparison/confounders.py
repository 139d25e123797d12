"""What two runs differ in beside the question: a difference between them cannot be put down to one thing then. No torch."""

from collections.abc import Iterable, Sequence
from typing import Any

from smallvision.runs.paths import flat
from smallvision.runs.read import RunRecord

OUTSIDE = (
    "name",
    "about",
    "minutes",
    "protocol",
)  # words for people; and when the test split is met changes no training
SHOWN = 6
ALIKE = 0.01  # steps of training that differ by less are as many


def differing(a: RunRecord, b: RunRecord) -> tuple[str, ...]:
    """What the experiments of two runs differ in: "recipe.epochs: 3 against 2", `b`'s value last.

    Keys inside a table of another `kind` are left out: they are other keys anyway. So is whose weights an encoder has, where one is
    taken over and the other fresh: that is the difference in `weights`, told already.
    """
    one, other = (flat(record.experiment.model_dump(mode="json")) for record in (a, b))
    keys = [key for key in dict.fromkeys((*one, *other)) if key.split(".")[0] not in OUTSIDE]
    keys = [key for key in keys if one.get(key) != other.get(key)]
    kinds = [key.removesuffix("kind") for key in keys if key.endswith(".kind")]
    told = [key for key in keys if key.endswith(".kind") or not key.startswith(tuple(kinds))]
    implied = [key.removesuffix("weights") + "encoder.digest" for key in told if key.endswith(".weights")]
    told = [key for key in told if key not in implied]
    return tuple(f"{key}: {_said(one, key)} against {_said(other, key)}" for key in told)


def confound(
    names: tuple[str, str], runs: tuple[RunRecord, RunRecord], asked: Sequence[str] = (), tuned: Sequence[str] = ()
) -> str:
    """In one line, what two sides differ in beside what is asked; "" if nothing does.

    Parameters
    ----------
    names : of the sides.
    runs : one of each.
    asked : keys, or tables of keys, that are meant to differ; by default whatever differs, if it is of one table
        (data, model, task, recipe).
    tuned : keys that were searched or solved for each side alike, and so may differ.
    """
    beside = [text for text in differing(*runs) if not _within(text, tuned)]
    if asked:
        beside = [text for text in beside if not _within(text, asked)]
    elif len({text.split(".")[0] for text in beside}) < 2:
        beside = []
    places = zip(("device", "torch"), *(_place(run) for run in runs), strict=True)
    elsewhere = [f"{what}: {one} against {other}" for what, one, other in places if one != other]
    shown = [*beside, *elsewhere, *_steps(runs)]
    if not shown:
        return ""
    more = f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return (
        f"{names[0]} and {names[1]} differ in more than {', '.join(asked) or 'one thing'}, so the difference cannot be put down to it: "
        f"{'; '.join(shown[:SHOWN])}{more}"
    )


def _within(text: str, keys: Iterable[str]) -> bool:
    return any(f"{text.partition(':')[0]}.".startswith(f"{key}.") for key in keys)


def _said(values: dict[str, Any], key: str) -> str:
    return str(values[key]) if values.get(key) is not None else "nothing"


def _place(run: RunRecord) -> tuple[str, str]:
    """What can matter beside the experiment: the kind of device, and torch's version."""
    return str(run.environment.get("device")), str(run.environment.get("packages", {}).get("torch"))


def _steps(runs: tuple[RunRecord, RunRecord]) -> list[str]:
    """How often the weights were changed, where that differs and no key of data or recipe says why (a run stopped early)."""
    one, other = (run.metrics[-1]["step"] if run.metrics else 0 for run in runs)
    if abs(one - other) <= ALIKE * max(one, other) or any(
        _within(text, ("data", "recipe")) for text in differing(*runs)
    ):
        return []
    return [f"steps of training: {one:,} against {other:,}"]
