"""What would be done anew by every child is done once before: first uses of the libraries, and of our own pages."""

import shutil
from pathlib import Path

from campaign import children
from campaign.scenarios import SCENARIOS, Stage

DRAWN = ("classify", "reconstruct", "verify", "study")


def warm(folder: Path) -> dict[str, Path]:
    """Load everything, and draw the pages of small runs that children make.

    Nothing is trained in this process, since torch starts threads for that, and a process with threads cannot fork.

    Parameters
    ----------
    folder : gets the runs.

    Returns
    -------
    dict : the run directories "classify", "reconstruct" and "verify", and the folder of runs "study".
    """
    children.import_everything()
    from smallvision.api import catalog
    from smallvision.experiment import load

    for name in ("digits", "digits-autoencoder", "digits-siamese"):
        catalog.layers(load(name))  # the first tensor without content loads a hundred modules of torch
    made = {}
    for name in DRAWN:
        stage = Stage(SCENARIOS[name], folder / name)
        ended = stage.give(SCENARIOS[name].words)
        if ended.status:
            raise RuntimeError(f"{name}: the undisturbed command fails ({ended.status}): {ended.err[-2000:]}")
        stage.left_behind()
        made[name] = stage.place / ("runs" if name == "study" else "run")
    studies = list((made["study"] / "studies").iterdir())
    for path in (*(made[name] for name in DRAWN[:3]), *studies):
        catalog.report_of([path], folder / "page.html")
    shutil.rmtree(folder / "page.html", ignore_errors=True)
    return made
