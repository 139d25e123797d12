"""Runs and studies as people name them: a path, or the object that a call returned."""

from pathlib import Path
from typing import TYPE_CHECKING

from smallvision.errors import BadInput, short

if TYPE_CHECKING:
    from smallvision.api.finished import Run
    from smallvision.study.read import StudyRecord


def path_of(what: "Path | str | Run | StudyRecord") -> Path:
    """The directory of a run or a study. Raises BadInput for an object that is neither a path nor has one."""
    if isinstance(what, str | Path):
        return Path(what)
    found = getattr(what, "path", None)
    if not isinstance(found, Path):
        raise BadInput(f"got {short(repr(what))}; expected the path of a run directory, or a run that sv.run returned")
    return found
