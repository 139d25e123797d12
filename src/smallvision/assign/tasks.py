"""Selects the rules that apply to each student, and makes the experiment that follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallvision.assign import keys
from smallvision.assign.roster import Student
from smallvision.assign.rules import Rule, Rules
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, build

EVERYBODY = "[set]"  # the name in messages for what is set for everybody


@dataclass(frozen=True)
class Task:
    """A student's task: the rules that apply, the experiment, and values for the sheet only (name -> value)."""

    student: Student
    rules: tuple[Rule, ...]
    experiment: Experiment
    sheet: Mapping[str, Any]


def assign(rules: Rules, students: Sequence[Student]) -> list[Task]:
    """A task for each student.

    Raises
    ------
    BadInput : names the student. A key is set twice, or it is never set although rules set it for others and it is not
        optional; a condition has no value; the settings are not a valid experiment.
    """
    return [_task(rules, student) for student in students]


def unused(rules: Rules, tasks: Sequence[Task]) -> list[str]:
    """The names of rules that apply to nobody."""
    used = {rule.name for task in tasks for rule in task.rules}
    return [rule.name for rule in rules.rules if rule.name not in used]


def _task(rules: Rules, student: Student) -> Task:
    from smallvision.data.datasets import check_source

    where = f"{rules.where}: student {student.id} (line {student.line})"
    try:
        applied = tuple(rule for rule in rules.rules if rule.when.holds(student.given))
    except BadInput as error:
        raise BadInput(f"{error} (student {student.id}, line {student.line})") from None
    values = _values(rules, applied, where)
    _refuse_unset(rules, values, where)
    sheet = {
        key.removeprefix(f"{keys.SHEET}."): value for key, value in values.items() if key.startswith(f"{keys.SHEET}.")
    }
    table = keys.table({key: value for key, value in values.items() if not key.startswith(f"{keys.SHEET}.")}, where)
    table |= {"name": f"{rules.name}-{student.id}", "about": f"{rules.about}; for {student.id}"}
    experiment = build(table, where)
    try:
        check_source(experiment.data)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    return Task(student, applied, experiment, sheet)


def _values(rules: Rules, applied: Sequence[Rule], where: str) -> dict[str, Any]:
    """All single values by their full keys. Raises BadInput for a key that is set twice."""
    values: dict[str, Any] = {}
    claims = keys.Claims()
    for name, sets in ((EVERYBODY, rules.common), *((f'rule "{rule.name}"', rule.sets) for rule in applied)):
        for key, value in (leaf for item in sets.items() for leaf in keys.leaves(*item, where)):
            taken = claims.claim(key, name)
            if taken is not None:
                other, first = taken
                as_what = "" if other == key else f" (as {other})"
                raise BadInput(f"{where}: {key} is set twice, by {first}{as_what} and by {name}")
            values[key] = value
    return values


def _refuse_unset(rules: Rules, values: Mapping[str, Any], where: str) -> None:
    done = {keys.stem(key) for key in values}
    for rule in rules.rules:
        for key in map(keys.stem, rule.sets):
            optional = any(key == name or key.startswith(f"{name}.") for name in rules.optional)
            if not optional and key not in done and not any(keys.overlap(key, name) for name in done):
                raise BadInput(
                    f'{where}: {key} is never set; rule "{rule.name}" sets it for other students; add a rule for the '
                    f'rest, or optional = ["{key}"] if it may stay unset'
                )
