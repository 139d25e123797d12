"""A student's task sheet as Markdown: the experiment, and the rules that led to it with the student's numbers."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from smallvision.assign.keys import shown
from smallvision.assign.rules import Rule, Rules
from smallvision.assign.tasks import Task
from smallvision.errors import printable


def sheet(rules: Rules, task: Task) -> str:
    """The task sheet of one student, as Markdown that ends in a line break."""
    student, others = task.student, [rule for rule in rules.rules if rule not in task.rules]
    given = ", ".join(f"{rules.inputs[name].about or name} {text}" for name, text in student.given.items())
    who = f"{_plain(student.name)} ({student.id})" if student.name else student.id
    parts = [f"# {rules.about}", f"For **{who}**: {given}."]
    if rules.text:
        parts.append(rules.text)
    if task.sheet:
        parts += [
            "## Your values",
            _lines(f"- {_words(name)}: **{_cell(value)}**" for name, value in task.sheet.items()),
        ]
    file = f"{student.id}.toml"
    parts += [
        "## Your experiment",
        f"`{file}` holds it, every default filled in (experiment {task.experiment.hash()}):",
    ]
    parts += [f"    smallvision show ./{file}\n    smallvision run ./{file}"]
    parts += [
        "## The rules that made it",
        _lines(_because(rule, student.given) for rule in task.rules) or "None applies.",
    ]
    if others:
        parts += [
            "These do not apply to you:",
            _lines(f"- {rule.name}: {_reason(rule, student.given)}" for rule in others),
        ]
    if rules.common:
        parts += [
            "The same for everybody:",
            _lines(f"- `{key} = {shown(value)}`" for key, value in rules.common.items()),
        ]
    return printable("\n\n".join(parts), keep="\n\t") + "\n"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _because(rule: Rule, given: Mapping[str, str]) -> str:
    sets = ", ".join(f"`{key} = {shown(value)}`" for key, value in rule.sets.items() if not key.startswith("sheet."))
    lines = [
        f"- **{rule.name}**: {rule.say}" if rule.say else f"- **{rule.name}**",
        f"  because {_reason(rule, given)}",
    ]
    return "  \n".join([*lines, f"  sets {sets}"] if sets else lines)


def _reason(rule: Rule, given: Mapping[str, str]) -> str:
    """``abc % 2 == 0``: 052 % 2 == 0, that is 0 == 0"""
    filled, compared = rule.when.filled(given), rule.when.compared(given)
    return f"`{rule.when.text}`: `{filled}`" + (f", that is `{compared}`" if compared != filled else "")


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ", ")


def _cell(value: Any) -> str:
    return _plain(value) if isinstance(value, str) else shown(value)


def _plain(text: str) -> str:
    """The text with Markdown's special characters escaped."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))
