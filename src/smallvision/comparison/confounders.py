"""Confounders: what two runs differ in apart from the question, so that their difference has no single cause.

No torch.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from smallvision.experiment.text import flat
from smallvision.runs.read import RunRecord

# Sections that change no training: descriptions, and when the test split is met.
OUTSIDE = ("name", "about", "minutes", "protocol")
SHOWN = 6
ALIKE = 0.01  # steps of training that differ by less are as many


def config_differences(a: RunRecord, b: RunRecord) -> tuple[str, ...]:
    """The keys in which the experiments of two runs differ: "recipe.epochs: 3 against 2", `b`'s value last.

    Keys inside a table of another `kind` are left out, since such tables have different keys anyway. The digest of an
    encoder is left out where one encoder is taken over and the other is fresh: the difference in `weights` says that
    already.
    """
    one, other = (flat(record.experiment.model_dump(mode="json")) for record in (a, b))
    keys = [key for key in dict.fromkeys((*one, *other)) if key.split(".")[0] not in OUTSIDE]
    keys = [key for key in keys if one.get(key) != other.get(key)]
    kinds = [key.removesuffix("kind") for key in keys if key.endswith(".kind")]
    told = [key for key in keys if key.endswith(".kind") or not key.startswith(tuple(kinds))]
    implied = [key.removesuffix("weights") + "encoder.digest" for key in told if key.endswith(".weights")]
    told = [key for key in told if key not in implied]
    return tuple(f"{key}: {_said(one, key)} against {_said(other, key)}" for key in told)


def confounder(
    names: tuple[str, str], runs: tuple[RunRecord, RunRecord], asked: Sequence[str] = (), tuned: Sequence[str] = ()
) -> str:
    """What two sides differ in apart from what is asked, in one line; "" if there is nothing.

    Parameters
    ----------
    names : of the sides.
    runs : one of each.
    asked : keys, or tables of keys, that are meant to differ; by default whatever differs, if it is of one table
        (data, model, task, recipe).
    tuned : keys that were searched or solved for each side alike, and so may differ.
    """
    beside = [text for text in config_differences(*runs) if not _within(text, tuned)]
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
        f"{names[0]} and {names[1]} differ in more than {', '.join(asked) or 'one thing'}, so the difference cannot be "
        "put down to it: "
        f"{'; '.join(shown[:SHOWN])}{more}"
    )


def _within(text: str, keys: Iterable[str]) -> bool:
    return any(f"{text.partition(':')[0]}.".startswith(f"{key}.") for key in keys)


def _said(values: dict[str, Any], key: str) -> str:
    return str(values[key]) if values.get(key) is not None else "nothing"


def _place(run: RunRecord) -> tuple[str, str]:
    """What can change a result besides the experiment: the kind of device, and torch's version."""
    return str(run.environment.get("device")), str(run.environment.get("packages", {}).get("torch"))


def _steps(runs: tuple[RunRecord, RunRecord]) -> list[str]:
    """How often the weights were changed, where that differs and no key of data or recipe says why (a run stopped
    early).
    """
    one, other = (run.metrics[-1]["step"] if run.metrics else 0 for run in runs)
    if abs(one - other) <= ALIKE * max(one, other) or any(
        _within(text, ("data", "recipe")) for text in config_differences(*runs)
    ):
        return []
    return [f"steps of training: {one:,} against {other:,}"]
