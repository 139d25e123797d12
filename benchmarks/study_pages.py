"""A page and a figure for every committed study: docs/results/NAME.md and docs/figures/NAME.svg."""

from typing import Any

import edges
import interval_plot
import judged
from layout import machine, not_measured, table
from results import metric_in
from study_tables import PCA, STUDIES, probes, read, rows, sizes

from smallvision.experiment import load_study
from smallvision.experiment import studies as entries

HOW = (
    "Every case trains with the seeds given and chooses nothing by the test split. All comparisons that the study "
    "declares are judged together on validation images (Holm's correction); then the best on validation and the "
    "baseline meet the test split, once. ± is the standard deviation over seeds; multiply-adds are of one image, of "
    "several sizes the largest; seconds are of runs that shared the machine. [How to read a verdict]"
    "(../comparing.md).\n\n"
)


def names() -> list[str]:
    """The catalog's studies, in the order of the pages."""
    return [*STUDIES, *(name for name in entries() if name not in STUDIES)]


def page(name: str) -> str:
    """docs/results/NAME.md, whole."""
    title = f"# `{name}`\n\n[All results](../results.md). Made by `python benchmarks/tables.py`.\n\n"
    found = read(name)
    if found is None:
        return title + not_measured(f"studies/{name}")
    text = f"{title}{load_study(name).question}\n\n**{answer(found)['sentence']}**\n\n{picture(name, '../figures')}\n"
    text += f"`smallvision run {name}`. {HOW}" + table(*rows(found)) + "\n"
    text += PCA if "pca" in found["table"][0].get("beside", {}).get("validation", {}) else ""
    text += edges.told(edges.of_result(found)) + verdicts(found) + sizes(found)
    text += _probed(found) if "probes" in found else ""
    return text + "\n" + _made(found)


def figure(name: str) -> str:
    """docs/figures/NAME.svg: the study's intervals, those by probes below the others."""
    found = read(name)
    return interval_plot.svg(panels(found) if found else [])


def together(abouts: dict[str, str]) -> str:
    """A figure of several studies; `abouts` is what the titles of each begin with, by name."""
    found = [(one, about) for name, about in abouts.items() if (one := read(name))]
    return interval_plot.svg([panel for one, about in found for panel in panels(one, about)])


def panels(found: dict[str, Any], about: str = "") -> list[interval_plot.Panel]:
    """The intervals of a study's verdicts, those by probes below the others."""
    name, told = found["name"], [one for one in found.get("probe_verdicts", []) if one.get("told")]
    probed = judged.BY[told[0]["probe"]].lower() + ", " if told else ""
    return judged.panels(name, found["verdicts"], about) + judged.panels(name, told, about + probed)


def picture(name: str, folder: str) -> str:
    """The figure in a page: `folder` is where figures are, as seen from the page."""
    return f"![Every comparison of {name} with its interval]({folder}/{name}.svg)\n"


def verdicts(found: dict[str, Any]) -> str:
    """A line for each verdict."""
    lines = []
    for one in found["verdicts"]:
        beside = f" **Confounded:** {one['confound']}." if one["confound"] else ""
        lines.append(f"- {one['split']}: {judged.sentence(found['name'], one)}{beside}\n")
    return "".join(lines)


def answer(found: dict[str, Any]) -> dict[str, Any]:
    """The study's answer: `sentence`, `pair` and `split`."""
    return judged.answer(found, metric_in(found["table"][0]["validation"]))


def answered(found: dict[str, Any]) -> dict[str, Any] | None:
    """The verdict that the answer rests on; None if nothing was compared with the best."""
    told = answer(found)
    same = [one for one in found["verdicts"] if one["pair"] == told["pair"] and one["split"] == told["split"]]
    return same[-1] if same else None


def _probed(found: dict[str, Any]) -> str:
    told = [one for one in found["probe_verdicts"] if one.get("told")]
    lines = "".join(f"- {one['split']}: {judged.sentence(found['name'], one)}\n" for one in told)
    said = f"\nOf {len(found['probe_verdicts'])} verdicts by the probes, judged together (Holm):\n\n{lines}"
    return "\n" + probes(found) + (said if told else "")


def _made(found: dict[str, Any]) -> str:
    """How the study was run, and on what."""
    plan = found["plan"]
    made = f"{plan['workers']} workers of {plan['threads']} thread(s)"
    split = made if plan["workers"] else "The runs stood already, one thread each"
    most = max(run["looks"] for row in found["table"] for run in row["runs"])
    looks = {0: "never", 1: "once"}.get(most, f"up to {most} times")
    return f"{split}; the test split was met {looks} by a run that met it. " + machine(found["environment"])
