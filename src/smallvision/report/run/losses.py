"""What the loss that an experiment trains by is called, with its unit, for an axis."""

from smallvision.experiment import Experiment
from smallvision.experiment.task import ReconstructSpec, VerifySpec
from smallvision.metrics.metric import MEASURES

CROSS_ENTROPY = "cross-entropy (nats)"


def loss_name(experiment: Experiment) -> str:
    """Which loss it is that an experiment trains by, with its unit, for an axis."""
    task = experiment.task
    if isinstance(task, VerifySpec):
        head = " + the head's" if getattr(experiment.model, "head", "") == "dense" else ""
        penalties = " with penalties" if task.representation_penalty or task.weight_penalty else ""
        return f"cross-entropy{penalties} (nats)" if task.loss == "cross-entropy" else f"loss ({task.loss}{head})"
    if not isinstance(task, ReconstructSpec):
        return CROSS_ENTROPY if task.loss == "cross-entropy" else f"loss ({task.loss.removeprefix('custom:')})"
    divergence = " + β KL per pixel" if getattr(experiment.model, "variational", False) else ""
    if task.loss == "bce":
        return f"cross-entropy{divergence or ' per pixel'} (nats)"
    squares = "MSE of standardised pixels" if task.target == "normalized" else MEASURES["reconstruct"].name
    return f"MSE{divergence}" if divergence else squares
