"""Lists the catalog's entries and the runs in a folder, as the commands `list` and `runs` show them."""

from collections.abc import Sequence
from pathlib import Path

from smallvision.api import filters
from smallvision.experiment import Study, load_any
from smallvision.experiment.io import entries
from smallvision.rendering.cards import Rows
from smallvision.runs import paths
from smallvision.runs.listing import COLUMNS, listed_runs

CATALOG_COLUMNS = ("name", "kind", "task", "data", "model", "minutes", "about")


def catalog(where: Sequence[str] = (), sort: str | None = None) -> Rows:
    """The catalog: name, kind (experiment or study), task, data, model, minutes on 2 cores, what it shows.

    Parameters
    ----------
    where : conditions such as "task=classify" or "model.kind=cnn"; a study has the keys of its base experiment.
    sort : the column by which rows are sorted, "-minutes" for the largest first; the name unless given.

    Returns
    -------
    Rows : a dict for each entry.

    Raises
    ------
    BadInput : a key that no row has.
    """
    listed = []
    for name in sorted(entries()):
        entry = load_any(name)
        base = entry.base if isinstance(entry, Study) else entry
        row = {
            "name": entry.name,
            "kind": "study" if isinstance(entry, Study) else "experiment",
            "task": base.task.kind,
            "data": base.data.source,
            "model": "" if isinstance(entry, Study) else base.model.kind,
            "minutes": entry.minutes or None,
            "about": entry.about,
        }
        listed.append(filters.Listed(row, base.model_dump(mode="json", exclude_none=True)))
    return Rows(filters.selected(listed, CATALOG_COLUMNS, where, sort))


def find_runs(folder: Path | str | None = None, where: Sequence[str] = (), sort: str | None = None) -> Rows:
    """A dict for each run in a folder; its keys are those of `runs.listing.list_runs`. `.frame()` makes a pandas
    DataFrame of them.

    Parameters
    ----------
    folder : by default $SMALLVISION_RUNS or ./runs.
    where : conditions that a run fulfils, all of them: "model.kind=cnn", "status=finished", "test>=98". A word is a
        column or a key of an experiment.
    sort : the column or key by which runs are sorted, "-test" for the highest first; their folders' names unless given.

    Raises
    ------
    BadInput : the folder cannot be listed, or a word is neither a column nor a key; the near one is named.
    """
    runs = listed_runs(Path(folder) if folder is not None else paths.folder())
    return Rows(filters.selected((filters.Listed(run.row, run.experiment) for run in runs), COLUMNS, where, sort))
