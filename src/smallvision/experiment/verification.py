"""Whether data, network, task and recipe of a verification agree: said when an experiment is built."""

from smallvision.experiment.base import Spec
from smallvision.experiment.data import DataSpec
from smallvision.experiment.model.encoder import SiameseSpec
from smallvision.experiment.recipe import RecipeSpec
from smallvision.experiment.task import TaskSpec, VerifySpec

OWN_VALIDATION = ("folder", "npz", "arrays")  # sources that perhaps bring a validation split; known when they are read


def refuse_contradictions(data: DataSpec, model: Spec, task: TaskSpec, recipe: RecipeSpec) -> None:
    """Refuse keys of data, network, task and recipe that contradict one another.

    Raises
    ------
    ValueError : naming the keys, what does not go together, and the ways out.
    """
    if not isinstance(task, VerifySpec):
        if isinstance(model, SiameseSpec):
            raise ValueError(
                f'model.kind: "siamese" judges pairs of images, and the task is to {task.kind}; set task.kind = "verify"'
            )
        if data.unseen_classes:
            raise ValueError(
                'data.unseen_classes: only a verifier can be asked about classes it never saw; set task.kind = "verify"'
            )
        return
    if not isinstance(model, SiameseSpec):
        raise ValueError('task.kind: "verify" needs a network that judges pairs of images; set model.kind = "siamese"')
    if task.loss == "cross-entropy" and model.head != "dense":
        raise ValueError(
            'task.loss: "cross-entropy" is that of a dense head; set model.head = "dense", or use "triplet" or "contrastive"'
        )
    if task.head_weight is not None and model.head != "dense":
        raise ValueError(
            'task.head_weight: has no effect with model.head = "distance", which learns nothing; leave it out'
        )
    if recipe.order != "classes":
        raise ValueError(
            'recipe.order: a batch needs several images of each class; set recipe.order = "classes", with '
            "recipe.classes_per_batch and recipe.images_per_class"
        )
    if data.validation == 0 and data.source not in OWN_VALIDATION:
        raise ValueError(
            "data.validation: a verifier's threshold and calibration are fitted on validation pairs; set it, say to 0.1"
        )
