"""Rules and students put together: which rules apply to whom, and the experiment that comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallvision.assign import keys
from smallvision.assign.roster import Student
from smallvision.assign.rules import Rule, Rules
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, build

EVERYBODY = "[set]"  # how messages call what is set for everybody


@dataclass(frozen=True)
class Task:
    """What a student is to do: the rules that apply, the experiment, and what stands in the sheet alone (name -> value)."""

    student: Student
    rules: tuple[Rule, ...]
    experiment: Experiment
    sheet: Mapping[str, Any]


def assign(rules: Rules, students: Sequence[Student]) -> list[Task]:
    """A task for each student.

    Raises
    ------
    BadInput : for some student, who is named, a key is set twice, or never though rules set it for others (and it is not
        optional); a condition has no value; what is set makes no experiment.
    """
    return [_task(rules, student) for student in students]


def unused(rules: Rules, tasks: Sequence[Task]) -> list[str]:
    """The names of rules that apply to nobody."""
    used = {rule.name for task in tasks for rule in task.rules}
    return [rule.name for rule in rules.rules if rule.name not in used]


def _task(rules: Rules, student: Student) -> Task:
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
    return Task(student, applied, build(table, where), sheet)


def _values(rules: Rules, applied: Sequence[Rule], where: str) -> dict[str, Any]:
    """Every single value by its key. Raises BadInput for a key that is set twice."""
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
            free = any(key == one or key.startswith(f"{one}.") for one in rules.optional)
            if not free and key not in done and not any(keys.overlap(key, one) for one in done):
                raise BadInput(
                    f'{where}: {key} is never set; rule "{rule.name}" sets it for others. '
                    f'Add a rule for the rest, or optional = ["{key}"] if it may stay unset'
                )
