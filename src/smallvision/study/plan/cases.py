"""The cases of a study. Each is a whole experiment that trains without the test split. No torch."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smallvision.errors import BadInput, nearest, short
from smallvision.experiment import Experiment, Study, build
from smallvision.experiment.io import assign
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.experiment.model.encoder import OnEncoderSpec
from smallvision.experiment.study import LONGEST_NAME, Range
from smallvision.stats.equivalence import checked_margin
from smallvision.tasks import Task, task_named, task_of
from smallvision.training.user_objects import with_digests

MOST_CASES = 1000
BRING_VALIDATION = ("folder", "npz")  # sources that may have validation images of their own


@dataclass(frozen=True)
class Expanded:
    """The cases of a study by name, in the order of its file, the baseline, and the declared comparisons."""

    cases: dict[str, Experiment]
    baseline: str
    pairs: tuple[tuple[str, str], ...]


def expand(study: Study) -> Expanded:
    """Every case of a study as an experiment, checked against the others.

    Raises
    ------
    BadInput : a key that no experiment has, two equal cases, an unknown case, settings without effect, no validation
        images to select by, or a study that would select by the test split.
    """
    _refuse_test(study)
    settings = dict(_settings(study))
    _refuse_overwritten(study, settings)
    cases = {name: _experiment(study, name, own) for name, own in settings.items()}
    refuse_alike(study.name, cases)
    _refuse_other_tasks(study.name, cases)
    _refuse_search_outside(study, cases)
    if study.equivalence is not None:
        checked_margin(f"{study.name}: equivalence", study.equivalence, task(study).metric.share)
    baseline = study.baseline if study.baseline is not None else next(iter(cases))
    if baseline not in cases:
        raise BadInput(f'{study.name}: baseline: there is no case "{baseline}"; {nearest(baseline, cases)}')
    return Expanded(cases, baseline, _pairs(study, baseline, list(cases)))


def task(study: Study) -> Task:
    """The task of a study's cases, which `set`, a case or an axis may change from the base experiment's."""
    settings = {**study.set, **next(_settings(study))[1]}
    table = settings.get("task")
    kind = settings.get("task.kind") or (table.get("kind") if isinstance(table, Mapping) else None)
    return task_named(str(kind)) if kind else task_of(study.base)


def refuse_alike(name: str, cases: Mapping[str, Experiment]) -> None:
    """Raise BadInput if two cases of the study `name` are the same experiment."""
    first: dict[str, str] = {}
    for case, experiment in cases.items():
        other = first.setdefault(experiment.identity, case)
        if other != case:
            raise BadInput(f'{name}: the cases "{other}" and "{case}" are the same in every key; leave one out')


def _refuse_other_tasks(name: str, cases: Mapping[str, Experiment]) -> None:
    """Raise BadInput if the cases have different tasks, whose scores cannot be compared."""
    (first, one), *others = cases.items()
    for case, experiment in others:
        if experiment.task.kind != one.task.kind:
            both = f'case "{first}" is to {one.task.kind}, case "{case}" to {experiment.task.kind}'
            raise BadInput(f"{name}: {both}; compare cases of one task")


def changed(experiment: Experiment, settings: Mapping[str, Any], where: str) -> Experiment:
    """The experiment with some keys changed, in the order of keys, so that a table is set before its entries.

    If the experiment takes over an encoder, the digest of the encoder is looked up again.

    Raises
    ------
    BadInput : an unknown key, or a value of wrong type or range; the message begins with `where`.
    """
    table = experiment.model_dump(mode="json", exclude_none=True)
    try:
        for key in sorted(settings):
            assign(table, key, settings[key])
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    found = build(table, where)
    return _looked_up(found, where) if isinstance(found.model, OnEncoderSpec) else found


def _looked_up(experiment: Experiment, where: str) -> Experiment:
    """The experiment with the digests of a user's own network and of an encoder that is taken over."""
    try:
        return with_digests(experiment, None, None, None)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


def _experiment(study: Study, case: str, own: dict[str, Any]) -> Experiment:
    from smallvision.data.datasets import check_source

    where = f'{study.name}: {"axes, " if study.axes else ""}case "{case}"'
    names = {"about": f'case "{case}" of the study {study.name}', "minutes": 0.0, "protocol": {"test": "never"}}
    experiment = changed(study.base, {**names, **study.set, **own}, where)
    data = experiment.data
    try:
        check_source(data)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    if data.source == "arrays" or (isinstance(experiment.model, CustomSpec) and experiment.model.kind == "custom"):
        raise BadInput(
            f"{where}: this was passed in from Python, and the processes of a study cannot receive it; save arrays "
            'as .npz (data.source = "npz"), a network as a file (model.kind = "file.py:Net")'
        )
    if not data.validation and data.source not in BRING_VALIDATION:
        raise BadInput(
            f"{where}: there are no validation images, and a study chooses on validation images; add "
            'set."data.validation" = 0.1'
        )
    return _looked_up(experiment, where)


def _settings(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each case and the keys that it sets in addition to `Study.set`."""
    if study.case:
        yield from ((case.name, case.set) for case in study.case)
        return
    count = math.prod(len(values) for values in study.axes.values())
    if count > MOST_CASES:
        raise BadInput(
            f"{study.name}: axes: the grid has {count:,} cases, and at most {MOST_CASES:,} can be run; shorten a list"
        )
    words = _axis_words(list(study.axes))
    named = [list(zip(_names(values), values, strict=True)) for values in study.axes.values()]
    for point in itertools.product(*named):
        name = ", ".join(f"{word} {value}" for word, (value, _) in zip(words, point, strict=True))
        if len(name) > LONGEST_NAME:
            raise BadInput(
                f'{study.name}: axes: the case "{name}" has more than {LONGEST_NAME} characters; '
                "write the cases as [[case]]"
            )
        yield name, {key: value for key, (_, value) in zip(study.axes, point, strict=True)}


def _axis_words(keys: list[str]) -> list[str]:
    """The shortest end of each key that no other key has and that does not begin with a list index."""
    words = []
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        free = [
            end
            for end in ends
            if not end[0].isdigit() and not any(o != key and f".{o}".endswith(f".{end}") for o in keys)
        ]
        words.append(free[0] if free else key)
    return words


def _names(values: tuple[Any, ...]) -> list[str]:
    """A short word for each value of an axis, without duplicates."""
    words = [_word(value) for value in values]
    if len(set(words)) < len(words):
        words = [short(value) for value in values]
    return words if len(set(words)) == len(words) else [f"{word} (no. {place})" for place, word in enumerate(words, 1)]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        rest = [f"{key} {_word(inner)}" for key, inner in value.items() if key != "kind"]
        return " ".join([*([str(value["kind"])] if "kind" in value else []), *rest])
    if isinstance(value, list | tuple):
        return "+".join(_word(inner) for inner in value) or "none"
    return str(value)


def _refuse_test(study: Study) -> None:
    """Raise BadInput if a case would be scored on the test split while it is trained or selected."""
    tables = {"set": study.set, "axes": study.axes, "search": study.search.over if study.search else {}}
    tables |= {f'case "{case.name}"': case.set for case in study.case}
    for where, table in tables.items():
        for key in table:
            if key == "protocol" or key.startswith("protocol."):
                raise BadInput(
                    f'{study.name}: {where}: sets {key}, but the runs of a study train with protocol.test = "never", '
                    "because a study chooses on validation images; only the winner and the baseline are scored on "
                    "the test split, at the end; leave this key out"
                )


def _refuse_overwritten(study: Study, settings: Mapping[str, dict[str, Any]]) -> None:
    """Raise BadInput for a key that is set in two places, one of which would have no effect."""
    for key in study.axes:
        if _within(key, study.set):
            raise BadInput(f"{study.name}: {key} is set for all cases, but it is also an axis; keep one of the two")
    for name, own in settings.items():
        for key in study.search.over if study.search else ():
            if _within(key, own):
                raise BadInput(f'{study.name}: {key} is searched, but case "{name}" sets it; keep one of the two')
            if _within(key, study.set):
                raise BadInput(
                    f"{study.name}: {key} is searched, but it is also set for all cases; keep one of the two"
                )
    if study.match:
        for name, own in settings.items():
            for key in study.match.vary:
                if key in own or key in study.set:
                    raise BadInput(
                        f'{study.name}: match.vary: {key} is solved for, but case "{name}" sets it; keep one of the two'
                    )
        for key in study.search.over if study.search else ():
            if key == "model" or key.startswith("model."):
                raise BadInput(
                    f"{study.name}: search: {key} may change the size that [match] keeps equal; keep one of the two"
                )


def _within(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether `key` or a key inside it is set. (If a table around it is set, the key changes a part of that table.)"""
    return any(other == key or other.startswith(f"{key}.") for other in settings)


def _refuse_search_outside(study: Study, cases: Mapping[str, Experiment]) -> None:
    """Raise BadInput for a searched key or value that a case cannot take."""
    for key, over in study.search.over.items() if study.search else ():
        values = (over.low, over.high) if isinstance(over, Range) else over
        for name, experiment in cases.items():
            for value in values:
                changed(experiment, {key: value}, f'{study.name}: search, case "{name}"')


def _pairs(study: Study, baseline: str, names: list[str]) -> tuple[tuple[str, str], ...]:
    """The declared comparisons: (case, the case that it is compared with)."""
    if study.compare == "all":
        return tuple(itertools.combinations(names, 2))
    if study.compare == "baseline":
        return tuple((name, baseline) for name in names if name != baseline)
    seen: set[frozenset[str]] = set()
    for pair in study.compare:
        for name in pair:
            if name not in names:
                raise BadInput(f'{study.name}: compare: there is no case "{name}"; {nearest(name, names)}')
        if pair[0] == pair[1] or frozenset(pair) in seen:
            raise BadInput(
                f'{study.name}: compare: "{pair[0]}" and "{pair[1]}" are the same case, or this pair is given twice; '
                "leave it out"
            )
        seen.add(frozenset(pair))
    return tuple(study.compare)
