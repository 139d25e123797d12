"""Which searches ended at an edge of what they offered: of the catalog's studies, and of tries for recipes."""

from collections.abc import Sequence
from typing import Any

from results import current, metric_in

from smallvision.experiment import load, load_study
from smallvision.experiment.text import flat
from smallvision.study.plan.edges import Edge, accepts, edges, of_study


def of_result(found: dict[str, Any]) -> list[Edge]:
    """The edges of a committed study, from the settings that its cases went on with."""
    settings = {row["case"]: row["settings"] for row in found["table"]}
    if not any(settings.values()):
        return []  # nothing was searched
    return of_study(load_study(found["name"]), settings)


def of_tries(tries: Sequence[dict[str, Any]]) -> list[Edge]:
    """The edges of what was tried for the recipes: by each entry's best try and those that differ from it in one key.

    `case` of an edge is the entry's name.
    """
    out = []
    for name in dict.fromkeys(one["name"] for one in tries):
        own = [one for one in tries if one["name"] == name and current(one)]
        if not own:
            continue
        best = max(own, key=lambda one: metric_in(one["validation"]).merit(one["validation"]))
        experiments = [load(name, one["overrides"]) for one in own]
        tables = [flat(one.model_dump(mode="json")) for one in experiments]
        taken = tables[own.index(best)]
        differing = [{key for key in {**one, **taken} if one.get(key) != taken.get(key)} for one in tables]
        for key in dict.fromkeys(key for keys in differing if len(keys) == 1 for key in keys):
            offered = [taken[key], *(one[key] for one, keys in zip(tables, differing, strict=True) if keys == {key})]
            experiment = experiments[own.index(best)]
            out += edges(name, {key: tuple(offered)}, {key: taken[key]}, accepts(experiment))
    return out


def told(found: Sequence[Edge]) -> str:
    """The edges as a list, equal ones together; "" where there is none."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for one in found:
        groups.setdefault((one.key, str(one.value), one.side, one.natural, one.offered), []).append(one.case)
    lines = []
    for (key, value, side, natural, offered), cases in groups.items():
        what = "which nothing can be beyond" if natural else "so the search is to be widened"
        lines.append(
            f"- At an edge: `{key}` = {value}, the {side} of {' to '.join(offered)}, {what} ({'; '.join(cases)}).\n"
        )
    return "".join(lines)
