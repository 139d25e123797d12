"""Probes of a study's runs, in a worker: whether they can be done is known before anything is trained; done, they meet the test split."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from smallvision.data import expand
from smallvision.data.imageset import Splits
from smallvision.errors import BadInput
from smallvision.experiment import Experiment, ProbeSpec
from smallvision.experiment.recipe import ProtocolSpec
from smallvision.probing import projections, run, sampling
from smallvision.runs import probes
from smallvision.runs.directory import unlocked
from smallvision.runs.read import RunRecord


def refuse(spec: ProbeSpec, experiment: Experiment, splits: Splits, model: nn.Module) -> None:
    """Raise BadInput where a run of an experiment could not be probed: too few images, no `encode`, a map whose library is missing.

    Parameters
    ----------
    splits : all of the experiment's, the test split among them.
    model : as it would be trained.
    """
    try:
        train = splits.train
        if experiment.data.expand is not None:
            train = sampling.originals(train, len(expand.kinds(experiment.data.expand)))
        projections.refuse_missing(spec.maps)
        sampling.sample(replace(splits, train=train).to("cpu"), spec)
        if not callable(getattr(model, "encode", None)):
            raise BadInput(f"needs a network with encode(pixels) -> (B, D); {type(model).__name__} has none")
    except BadInput as error:
        raise BadInput(f"[probe] {error}") from None


def probe(
    record: RunRecord, spec: ProbeSpec, splits: Splits, root: Path | None, trust_code: bool, command: Sequence[str]
) -> Iterator[str]:
    """Probe a finished run, in steps that are told.

    Runs of a study are trained by the protocol "never", so that no choice is made by the test split. Their probes come after every
    choice and meet it, as the probe of a run that stood already and met it at its end does.

    Parameters
    ----------
    record : the run.
    splits : its data, the test split among them.
    command : repeats the study.

    Raises
    ------
    BadInput, RunFailed : see `smallvision.probing.run.probe`.
    """
    before = probes.find(record.path, spec)
    if before is not None and before.result["split"] != ("test" if splits.test is not None else "validation"):
        with unlocked(record.path):
            shutil.rmtree(before.path)  # of the same run alone, on validation images
    met = replace(record, experiment=record.experiment.model_copy(update={"protocol": ProtocolSpec(test="once")}))
    for event in run.probe(met, spec, root, None, trust_code, command, splits):
        if isinstance(event, run.Began):
            yield event.step
