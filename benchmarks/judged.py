"""The verdicts of committed studies in the sentences of today: a file keeps figures, and the words are made anew."""

from dataclasses import fields
from typing import Any

from interval_plot import LONGEST, Interval, Panel

from smallvision.experiment import load_study
from smallvision.stats import wording
from smallvision.stats.comparison import Verdict
from smallvision.stats.equivalence import Equivalence
from smallvision.stats.power import Needed
from smallvision.study import verdicts as judging
from smallvision.study.probe_verdicts import BY
from smallvision.tasks import metric_of_file

KEPT = {one.name for one in fields(Verdict)}
PARTS = {"needed": Needed, "equivalence": Equivalence}


def verdict(entry: dict[str, Any]) -> Verdict:
    """The verdict that a result file keeps, in its "verdicts", "singles" or "probe_verdicts"."""
    kept = {key: _tuples(value) for key, value in entry.items() if key in KEPT}
    kept |= {key: kind(**kept[key]) for key, kind in PARTS.items() if kept.get(key)}
    return Verdict(**{**kept, "measure": metric_of_file(entry["measure"]) if entry.get("measure") else None})


def sentence(study: str, entry: dict[str, Any]) -> str:
    """What a verdict of a study says."""
    one, both = verdict(entry), called(study, entry)
    said = wording.sentence(one, both if both != one.names else None)
    if "probe" in entry:
        said = f"{BY[entry['probe']]}, {said[:1].lower()}{said[1:]}"
    return said if one.equivalence is None else f"{said} {wording.equivalence(one, one.equivalence, both)}"


def called(study: str, entry: dict[str, Any]) -> tuple[str, str]:
    """How sentences call the two sides of a verdict."""
    texts = load_study(study).texts
    a, b = entry["names"]
    return texts.get(a, a), texts.get(b, b)


def answer(found: dict[str, Any], metric: Any) -> dict[str, Any]:
    """The study's answer: `sentence`, `pair` and `split`."""
    told = [{**one, "sentence": sentence(found["name"], one), "equivalence": None} for one in found["verdicts"]]
    texts, choice = load_study(found["name"]).texts, found["choice"]
    return judging.answer(found["table"], choice["winner"], found["baseline"], told, metric, texts)


def interval(study: str, entry: dict[str, Any]) -> Interval:
    """By how much the better side is better, with its interval: points, or per cent of the other side's error."""
    names = called(study, entry)
    if sum(map(len, names)) + len(" over ") > LONGEST:
        names = entry["names"]
    one = wording.better_first(verdict({**entry, "names": names}))
    higher = one.measure is None or one.measure.higher
    share = one.measure is None or one.measure.share
    scale = 100 if share else 100 / one.accuracies[1]
    low, high = sorted(scale * (end if higher else -end) for end in one.interval)
    value = scale * (one.difference if higher else -one.difference)
    told = one.verdict != "not distinguishable"
    return Interval(*(name.removeprefix("the representation of ") for name in one.names), value, low, high, told)


def panels(study: str, entries: list[dict[str, Any]], about: str = "") -> list[Panel]:
    """The intervals of some verdicts, in a panel for each split that they were judged on."""
    out = []
    for split in dict.fromkeys(one["split"] for one in entries):
        some = [one for one in entries if one["split"] == split]
        measure = verdict(some[0]).measure
        of = measure.of if measure else "images"
        unit = "percentage points" if measure is None or measure.share else "error lower by, % of the other's"
        out.append(Panel(f"{about}{split} {of}: {unit}", [interval(study, one) for one in some]))
    return out


def claim(study: str, entry: dict[str, Any]) -> str:
    """The verdict in a few words: "the CNN is better than the MLP"."""
    one = interval(study, entry)
    if not one.told:
        return f"{one.first} and {one.second} are not distinguishable"
    return f"{one.first} is better than {one.second}"


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(value) if isinstance(value, list) else value
