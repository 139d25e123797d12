"""Probes of a study's runs, in a worker: checked before anything is trained, and done on the test split at the end."""

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
    """Raise BadInput if runs of an experiment cannot be probed: too few images, no `encode`, no library for a map.

    Parameters
    ----------
    spec : what to probe.
    experiment : as it will be run.
    splits : its images, the test split included.
    model : its network.
    """
    try:
        train = splits.train
        if experiment.data.expand is not None:
            train = sampling.originals(train, len(expand.kinds(experiment.data.expand)))
        projections.refuse_missing(spec.maps)
        sampling.sample(replace(splits, train=train).to("cpu"), spec)
        if not callable(getattr(model, "encode", None)):
            raise BadInput(
                f"a probe needs a network with encode(pixels) -> (B, D), which {type(model).__name__} does not have"
            )
    except BadInput as error:
        raise BadInput(f"[probe] {error}") from None


def probe(
    record: RunRecord,
    spec: ProbeSpec,
    splits: Splits,
    root: Path | None,
    trust_code: bool,
    command: Sequence[str],
    cache: run.Cache,
) -> Iterator[str]:
    """Probe a finished run and yield the name of each step.

    Runs of a study are trained with the protocol "never", so that nothing is selected on the test split. Their probes
    come after every selection and use the test split.

    Parameters
    ----------
    record : the run.
    spec : what to probe.
    splits : its images, the test split included.
    root, trust_code : as for a run.
    command : repeats the study; it is recorded.
    cache : of the probes of pixels and PCA of these splits.

    Raises
    ------
    BadInput, RunFailed : see `smallvision.probing.run.probe`.
    """
    before = probes.find(record.path, spec)
    if before is not None and before.result["split"] != ("test" if splits.test is not None else "validation"):
        with unlocked(record.path):
            shutil.rmtree(before.path)  # it was of the same run, on validation images
    with_test = replace(record, experiment=record.experiment.model_copy(update={"protocol": ProtocolSpec(test="once")}))
    for event in run.probe(with_test, spec, root, None, trust_code, command, splits, cache):
        if isinstance(event, run.StepStarted):
            yield event.step
