"""Whether data, network and task of a reconstruction agree: said when an experiment is built, not after hours of training.

The output must be able to reach the targets. A ReLU or a sigmoid never goes below 0, standardised pixels do, and a loss that cannot fall
is easily taken for one that does not want to.
"""

from smallvision.experiment.base import Spec
from smallvision.experiment.data import DataSpec, Numbers
from smallvision.experiment.model.autoencoders import AutoencoderSpec
from smallvision.experiment.task import ReconstructSpec, TaskSpec

REACHES = {"sigmoid": (0.0, 1.0), "relu": (0.0, float("inf")), "tanh": (-1.0, 1.0)}  # "linear" reaches everything
KINDS = '"mlp-autoencoder", "conv-autoencoder" or "combo-autoencoder"'


def refuse_contradictions(data: DataSpec, model: Spec, task: TaskSpec) -> None:
    """Refuse keys of data, model and task that contradict one another.

    Raises
    ------
    ValueError : naming the keys, what does not go together, and the ways out.
    """
    if not isinstance(task, ReconstructSpec):
        if isinstance(model, AutoencoderSpec):
            raise ValueError(
                f'model.kind: "{model.kind}" makes images, and the task is to {task.kind}; set task.kind = "reconstruct"'
            )
        return
    if not isinstance(model, AutoencoderSpec):
        raise ValueError(f'task.kind: "reconstruct" needs a network that makes images; set model.kind to {KINDS}')
    if task.beta is not None and not model.variational:
        raise ValueError(f"task.beta: {task.beta:g} has no effect without model.variational = true")
    if task.loss == "bce" and model.output != "sigmoid":
        raise ValueError(
            f'model.output: "{model.output}" can leave the range from 0 to 1, which task.loss = "bce" needs; '
            'use model.output = "sigmoid", or task.loss = "mse"'
        )
    if task.target == "normalized":
        if data.normalize == "none":
            raise ValueError(
                'task.target: "normalized" has no effect with data.normalize = "none"; use target = "pixels"'
            )
        _refuse_unreachable(model.output, data.normalize)


def _refuse_unreachable(output: str, normalize: str | Numbers) -> None:
    """An activation that does not reach from the darkest to the brightest standardised pixel."""
    if output not in REACHES:
        return
    if isinstance(normalize, Numbers):
        low = min(-mean / std for mean, std in zip(normalize.mean, normalize.std, strict=True))
        high = max((1 - mean) / std for mean, std in zip(normalize.mean, normalize.std, strict=True))
        span = f"from {low:.3g} to {high:.3g}"
    else:
        low, high = -float("inf"), float("inf")  # measured later; pixels about their mean, in units of their deviation,
        span = "below 0, and beyond 1 or -1"  # which for values from 0 to 1 is at most 1/2
    least, most = REACHES[output]
    if low < least or high > most:
        reaches = f"from {least:g} to {most:g}" if most < float("inf") else f"from {least:g} upwards"
        raise ValueError(
            f'model.output: "{output}" reaches {reaches} and the targets, pixels as data.normalize makes them, go {span}: '
            'the loss cannot fall to 0; use model.output = "linear", or task.target = "pixels"'
        )
