"""The error for an unfinished run where a finished one is needed: who is running it, or how to go on. No torch."""

import shlex

from smallvision.errors import BadInput, Busy
from smallvision.experiment import Experiment
from smallvision.runs import paths
from smallvision.runs.read import RunRecord
from smallvision.storage.lock import holder

SAME_CALL = "the same call of sv.run with resume=True"


def not_finished(record: RunRecord, why: str) -> BadInput:
    """The error for an unfinished run.

    Parameters
    ----------
    record : of the run.
    why : what cannot be done, as "it has no model".

    Returns
    -------
    BadInput : with the whole command that goes on; Busy where another process is at the run.
    """
    who = holder(record.path)
    if who is not None:
        return Busy(
            f"{record.path}: the run is not finished, so {why}; another process is running it{who}, so wait until it "
            "has ended"
        )
    return BadInput(f"{record.path}: the run is not finished, so {why}; go on with: {going_on(record)}")


def going_on(record: RunRecord) -> str:
    """The whole command that goes on with an unfinished run where it lies now; a call where it was begun in Python."""
    words = shlex.split(str(record.state["command"]))
    if not words and _passed_in(record.experiment):
        return SAME_CALL
    if not words:
        words = ["smallvision", "run", str(record.path / "experiment.toml"), "--seed", str(record.state["seed"])]
    usual = paths.place(record.experiment, int(record.state["seed"]))
    if "--out" in words[:-1]:
        words[words.index("--out") + 1] = str(record.path)
    elif usual.resolve() != record.path.resolve():  # it was moved, or SMALLVISION_RUNS is another folder now
        words += ["--out", str(record.path)]
    return paths.resuming(words, record.path)


def _passed_in(experiment: Experiment) -> bool:
    """Whether data, network or loss were passed in from Python, so that no command has them."""
    loss = str(getattr(experiment.task, "loss", ""))
    return experiment.data.source == "arrays" or experiment.model.kind == "custom" or loss.startswith("custom:")
