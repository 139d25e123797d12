"""Experiments and studies as people name them, in words, files or objects, with their data source checked."""

from collections.abc import Sequence

import smallvision.experiment as experiments
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, Study
from smallvision.experiment.text import writable


def read(what: str | Experiment | Study, overrides: Sequence[str]) -> Experiment | Study:
    """The experiment or study, changed by overrides.

    Parameters
    ----------
    what : a catalog name, a TOML file, an Experiment or a Study.
    overrides : "key.sub=value" each; a study's experiments are changed under `set`, as in "set.recipe.epochs=2".

    Raises
    ------
    BadInput : an unknown name or key, a value of wrong type or range, a `data.source` that no reader knows.
    """
    if isinstance(what, str):
        asked = experiments.load_any(what, overrides)
    elif isinstance(what, Study):
        asked = experiments.changed_study(what, overrides)
    else:
        table = what.model_dump(mode="json", exclude_none=True)
        for override in overrides:
            experiments.io.apply(table, override)
        asked = experiments.build(table, what.name)
    _check_source(asked, what if isinstance(what, str) else what.name)
    return asked


def read_study(what: str | Study, overrides: Sequence[str]) -> Study:
    """The study, changed by overrides; see `read`. Raises BadInput, which an experiment's name causes too."""
    study = (
        experiments.load_study(what, overrides) if isinstance(what, str) else experiments.changed_study(what, overrides)
    )
    _check_source(study, what if isinstance(what, str) else what.name)
    return study


def _check_source(asked: Experiment | Study, name: str) -> None:
    from smallvision.data.datasets import check_source

    try:
        check_source((asked.base if isinstance(asked, Study) else asked).data)
    except BadInput as error:
        raise BadInput(f"{writable(name)}: {error}") from None
