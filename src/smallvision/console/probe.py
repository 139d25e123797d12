"""Shows a probe on a terminal or in a notebook: its progress, and its results. Uses rich only."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import console as rich_console

from smallvision.console.table import TitledTable
from smallvision.errors import counted

if TYPE_CHECKING:
    from smallvision.metrics.linear_probe import Probe
    from smallvision.probing.run import Event
    from smallvision.runs.probes import ProbeRecord

# a probe over a column, in a line of progress, and at the beginning of a sentence
HEADERS = {"knn-cosine": "kNN cosine", "knn-euclidean": "kNN Euclidean", "linear": "linear"}
SHORT = {"knn-cosine": "cosine", "knn-euclidean": "Euclidean", "linear": "linear"}
BY = {
    "knn-cosine": "By nearest neighbours (cosine)",
    "knn-euclidean": "By nearest neighbours (Euclidean)",
    "linear": "By the linear probe",
}
AGAINST = {"pixels": "raw pixels", "pca": "PCA", "untrained": "the untrained encoder"}
MAPS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MAPPED = {"representation": "the representation", "pixels": "raw pixels"}
SIDES = {"A is better": "better than", "B is better": "worse than", "not distinguishable": "not distinguishable from"}


def follow(events: "Iterable[Event]", console: rich_console.Console) -> tuple[Path, bool]:
    """Show a probe while it works: the step under way, and a line for each source of features that is done.

    Returns
    -------
    tuple : the folder of the finished probe; whether it was written now, or stood there already.
    """
    from smallvision.probing import run

    path, new = Path(), False
    with console.status("probing") as status:
        for event in events:
            match event:
                case run.StepStarted():
                    status.update(event.step)
                case run.Source():
                    name = event.title.partition(",")[0]
                    console.print(
                        f"{name:<18} {_scores(event.probes)}  {event.seconds:.1f} s", highlight=False, markup=False
                    )
                case run.Probed():
                    path, new = event.path, event.new
                    if not new:
                        console.print("this probe stands already, so it is shown and not repeated", highlight=False)
    return path, new


def table(record: "ProbeRecord") -> TitledTable:
    """A row for each source of features: accuracy with its 95 % interval and macro F1 of each probe, precision among
    neighbours.
    """
    result = record.result
    split, counts = result["split"], result["counts"]
    out = TitledTable(f"{result['name']}: accuracy and macro F1 in %, {counts['shown']:,} {split} images")
    out.add_column("features", no_wrap=True)
    for kind in record.spec.probes:
        out.add_column(HEADERS[kind], justify="right")
    out.add_column("nearest 8", justify="right")
    for source in result["sources"]:
        cells = [_cell(one) for one in source["probes"]]
        out.add_row(source["title"].replace(", ", "\n", 1), *cells, f"{100 * source['precision']['8']:.1f}")
    chosen = result["chosen_on"] if result["chosen_on"] != "validation" else "validation images"
    setting = "k and C" if len(record.spec.kinds) > 1 else {"knn": "k", "linear": "C"}[record.spec.kinds[0]]
    out.beneath = (
        "95 % intervals; nearest 8: training images of the image's own class among the 8 nearest by cosine, in %\n"
        f"learned from {counts['train']:,} training images; {setting} chosen on {counts['chosen_on']:,} {chosen}"
    )
    return out


def lines(record: "ProbeRecord") -> list[str]:
    """What else is to be said: the comparisons, a sentence for each probe, the use of the dimensions, the maps, the
    notes.
    """
    result, size = record.result, record.result["sources"][0]["size"]
    used = result["dimensions"]
    out = [_compared(kind, result["comparisons"]) for kind in record.spec.probes if result["comparisons"]]
    if result["comparisons"]:
        family = len(result["comparisons"])
        out.append(
            f"These are exact McNemar tests on the same images, at the 5 % level by Holm's correction for {family}."
        )
    out.append(
        f"Of {counted(size, 'dimension')} {counted(used['dead'], 'is', 'are')} dead and "
        f"{counted(used['duplicates'], 'says', 'say')} what another does; "
        f"the effective rank is {used['effective_rank']:.1f}."
    )
    for kind in record.spec.maps:
        found = [
            f"{100 * one['neighbours']:.1f} % of {one['images']:,} by {MAPPED[one['source']]}"
            for one in result["maps"]
            if one["kind"] == kind
        ]
        out += [f"On the {MAPS[kind]} map 10 neighbours classify rightly {' and '.join(found)}."] if found else []
    notes = dict.fromkeys(
        [*result["notes"], *(note for source in result["sources"] for one in source["probes"] for note in one["notes"])]
    )
    return [*out, *(f"note: {note}" for note in notes)]


def _compared(kind: str, every: "Sequence[dict[str, Any]]") -> str:
    """What the paired tests of one probe say."""
    own = [one for one in every if one["probe"] == kind]
    parts = [
        f"{SIDES[one['verdict']]} {AGAINST[one['against']]} ({100 * one['difference']:+.2f} points)" for one in own
    ]
    said = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"{BY[kind]} the representation is {said}."


def _cell(one: dict[str, Any]) -> str:
    low, high = (f"{100 * end:.1f}" for end in one["interval"])
    return f"{100 * one['accuracy']:.2f}\n{low} - {high}\nF1 {100 * one['macro_f1']:.2f}"


def _scores(found: "Iterable[Probe]") -> str:
    return "  ".join(f"{SHORT[one.kind]} {100 * one.accuracy:.2f} %" for one in found)
