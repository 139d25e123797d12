"""Verification: whether two images are of one class, from the distance of their representations or by a dense head.

Every image of a batch goes through the encoder once; pairs and triplets are made of the representations. A dense head
beside a loss on distances learns by its own cross-entropy on the same pairs, so that it is never an untrained head.

What a distance or a logit means is fitted on pairs of validation images: a logistic calibration (Platt 1999), and the
probability from which a pair is said to be of one class, at equal error rates or at a stated rate of false accepts.
Other splits are scored with that.
"""

from dataclasses import dataclass, field
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from smallvision.data import pairs as drawn
from smallvision.data.batching.batch import Batch
from smallvision.data.imageset import ImageSet, Splits
from smallvision.errors import BadInput
from smallvision.experiment.task import VerifySpec
from smallvision.losses import registry as losses
from smallvision.losses.pair_bce import balanced_entropy
from smallvision.losses.pair_distances import every_pair
from smallvision.metrics import calibration, collapse, dimensions, verification
from smallvision.metrics.calibration import Calibration
from smallvision.nn.siamese import Siamese
from smallvision.tasks.base import Scores, Step
from smallvision.tasks.verification.pairs import encoded, judged

PAIRS_SEED = 0  # the pairs of a split are the same for every network, epoch and run
FEW_PAIRS = 1000  # to fit a threshold and a calibration on: fewer are told
TRUE_ACCEPTS = {0.01: "true_accept_1", 0.001: "true_accept_01"}  # names of the figures at 1 % and 0.1 % false accepts


@dataclass(frozen=True, eq=False)
class JudgedPairs:
    """The pairs of a split, as a network judges them.

    Attributes
    ----------
    images : the split, N images.
    representations : float32 (N, D), on the device of the images.
    pairs : int64 (M, 2), rows of the images.
    same : bool (M,), whether the two images are of one class.
    scores, distances : float64 (M,) each, as of `pairs.judged`.
    """

    images: ImageSet
    representations: Tensor
    pairs: np.ndarray
    same: np.ndarray
    scores: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, eq=False)
class Verifier:
    """What the head's score of a pair means, fitted on validation pairs.

    Parameters
    ----------
    meaning : the probability that a pair is of one class, from its score as `Siamese.score` gives it.
    threshold : the probability from which it is said to be.
    false_accept : the share of pairs of two classes that the threshold lets through on the pairs it was fitted on.
    pairs : how many pairs these were.
    judged : these pairs. When the calibrated network is scored on the same `ImageSet`, they are not drawn and judged
        again. Any other `ImageSet`, even an equal one, is judged anew, with the same values.
    """

    meaning: Calibration
    threshold: float
    false_accept: float
    pairs: int
    judged: JudgedPairs = field(repr=False)

    def figures(self) -> dict[str, float]:
        """The numbers that a run records of the verifier."""
        curve = {"slope": self.meaning.slope, "intercept": self.meaning.intercept}
        return {**curve, "threshold": self.threshold, "false_accept": self.false_accept, "pairs": self.pairs}


class VerificationLearner:
    """Whether two images are of one class."""

    def __init__(self, spec: VerifySpec) -> None:
        self.spec = spec
        self.loss = losses.build(spec)
        self.head_weight = 1.0 if spec.head_weight is None else spec.head_weight

    def step(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """The batch's loss, and totals of it and of the dense head's part.

        `generator` is unused: nothing is drawn here.
        """
        if batch.targets is not None:
            raise BadInput(
                'data.augment: a transform that mixes images cannot be used with task.kind "verify", because every '
                "image of a pair needs one class; leave it out"
            )
        network = _siamese(model)
        made = network.encode(batch.pixels)  # (B, D)
        count, sums = len(made), {}
        if network.pair_head is None or self.loss.of_head:
            loss = self.loss(network, made, batch.labels)
        else:
            one, other, same = every_pair(batch.labels)
            entropy = balanced_entropy(network.logits(made[one], made[other]), same)
            sums["head"] = entropy.detach() * count
            loss = self.loss(network, made, batch.labels) + self.head_weight * entropy
        return Step(loss, {"loss": loss.detach() * count, **sums}, count)

    def averages(self, totals: dict[str, float], count: int) -> dict[str, float]:
        """Figures from totals over `count` images: the mean loss, and the dense head's part of it where there is
        another.
        """
        return {key: value / count for key, value in totals.items()}

    def selection_key(self, values: dict[str, float]) -> tuple[float, float]:
        """What "better" means when a validation split chooses: more pairs right; between equals, less loss."""
        return values["pair_accuracy"], -values["loss"]

    def warning(self, model: nn.Module, validation: Scores) -> str | None:
        """Whether the validation images' representations have shrunk to a point, in a sentence with what else would
        help.
        """
        network, margin = _siamese(model), self.loss.margin
        if margin is None or (network.frozen and isinstance(network.projection, nn.Identity)):
            return None  # nothing tells what is near, or nothing can be done about it
        made, labels = validation.evidence["representation"], validation.evidence["labels"]
        made = functional.normalize(torch.from_numpy(made), dim=1).numpy() if self.loss.normalized else made
        in_use = (*self.loss.no_remedies, *(["normalised representations"] if network.normalized else []))
        remedies = [remedy for remedy in collapse.REMEDIES if remedy not in in_use]
        return collapse.collapsed(
            collapse.spread(made, margin, self.loss.metric or network.metric), len(np.unique(labels)), remedies
        )

    def check_data(self, splits: Splits) -> tuple[str, ...]:
        """Refuse, before anything is trained, splits that could not be scored in the end.

        Returns
        -------
        tuple of str : what a person should know of the pairs beforehand.

        Raises
        ------
        BadInput : a class with one image, a share of false accepts finer than the validation pairs can tell.
        """
        if splits.validation is None:
            raise BadInput(
                "a verifier's threshold and calibration are fitted on validation pairs, but this data has no "
                "validation images; set data.validation, for example 0.1"
            )
        made = {name: self.pairs(split)[1] for name, split in splits.named().items()}
        same = made.get("validation")
        if same is None:
            return ()
        of_two = int((~same).sum())
        if 0 < self.spec.false_accept * of_two < 1:
            raise BadInput(
                f"task.false_accept: {self.spec.false_accept:g} of {of_two:,} validation pairs of two classes is "
                f"less than one pair; set at least {ceil(1e6 / of_two) / 1e6:g}, or more task.pairs"
            )
        if len(same) < min(FEW_PAIRS, self.spec.pairs):
            return (
                f"threshold and calibration are imprecise, because they are fitted on only {len(same):,} validation "
                "pairs, which is all that the smallest class allows",
            )
        return ()

    @torch.inference_mode()
    def calibrate(self, model: nn.Module, train: ImageSet, validation: ImageSet | None) -> Verifier:
        """Calibration and threshold, from pairs of the validation images. Raises BadInput where there are none."""
        if validation is None:
            raise BadInput(
                "a verifier's threshold and calibration are fitted on validation pairs, but there are no validation "
                "images; set data.validation, for example 0.1"
            )
        network = _siamese(model)
        pairs = self._judge(network, validation)
        scores, same = pairs.scores, pairs.same
        meaning = calibration.fit(scores, same)
        probabilities = meaning.probability(scores)
        curve = verification.roc(probabilities, same)
        if self.spec.false_accept:
            threshold = min(
                verification.threshold_at(curve, self.spec.false_accept), 1.0
            )  # just above it where all are 1
        else:
            threshold = min(float(verification.equal_error(curve)[1]), 1.0)
        accepts = float(verification.rates_at(curve, threshold)[0])
        return Verifier(meaning, threshold, accepts, len(same), pairs)

    @torch.inference_mode()
    def answer(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Representations float32 (B, D) of pixels (B, C, H, W) in [0, 1]."""
        representations: Tensor = _siamese(model).encode(pixels).float()
        return representations

    @torch.inference_mode()
    def score(self, model: nn.Module, images: ImageSet, fitted: Verifier) -> Scores:
        """Pairs of the split, the same ones for every network; each image is encoded once, in fp32.

        Returns
        -------
        Scores : per pair `loss` (nats, of the calibrated probability), `pair_accuracy`, `auc`, `equal_error`,
            `calibration_error`, and `true_accept_1` and `true_accept_01` at 1 % and 0.1 % false accepts where there are
            enough pairs; of the representations `effective_rank` and `distance`, the mean over pairs of two classes.
            Evidence `labels` int64 (N,), `ids` int64 (N, 2), `representation` float32 (N, D), and of the M pairs
            `pairs` int64 (M, 2), `same` int64, `distances` float64, `scores` float64, `probabilities` float64 (M,)
            each.
        """
        network = _siamese(model)
        pairs = fitted.judged if fitted.judged.images is images else self._judge(network, images)
        made, same, scores, distances = pairs.representations, pairs.same, pairs.scores, pairs.distances
        probabilities = fitted.meaning.probability(scores)
        found = verification.measure(probabilities, same, fitted.threshold)
        values = {
            "loss": _entropy(fitted.meaning, scores, same),
            "pair_accuracy": found.accuracy,
            "auc": found.auc,
            "equal_error": found.equal_error,
            "calibration_error": calibration.reliability(probabilities, same).error,
            **{TRUE_ACCEPTS[rate]: value for rate, value in found.true_accept_at.items()},
            "effective_rank": dimensions.effective_rank(made.cpu().numpy()),
            "distance": float(distances[~same].mean()),
        }
        evidence = {
            "labels": images.labels.cpu().numpy(),
            "ids": images.ids.cpu().numpy(),
            "representation": made.cpu().numpy(),
            "pairs": pairs.pairs,
            "same": same.astype(np.int64),
            "distances": distances,
            "scores": scores,
            "probabilities": probabilities,
        }
        return Scores(values, len(images), evidence, fitted.figures())

    def pairs(self, images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
        """Balanced pairs of a split, as many as are asked for or there are: int64 (M, 2), bool (M,) of one class.

        Raises BadInput.
        """
        labels = images.labels.cpu().numpy()
        most = drawn.most_pairs(labels, self.spec.pairs_per_image, images.classes)
        count = min(self.spec.pairs, most) if most else self.spec.pairs  # of none, the reason is told
        try:
            return drawn.balanced(labels, count, self.spec.pairs_per_image, PAIRS_SEED, images.classes)
        except BadInput as error:
            raise BadInput(f"{images.name}: {error}") from None

    def _judge(self, network: Siamese, images: ImageSet) -> JudgedPairs:
        """Draw the pairs of a split, encode its images and judge the pairs. Raises BadInput as `pairs` does."""
        made = encoded(network, images)
        which, same = self.pairs(images)
        return JudgedPairs(images, made, which, same, *judged(network, made, which))


def _entropy(meaning: Calibration, scores: np.ndarray, same: np.ndarray) -> float:
    """The mean cross-entropy of pairs in nats; from logits, so that a probability that rounds to 0 or 1 costs no
    endless lot.
    """
    logits = meaning.slope * scores + meaning.intercept
    return float((np.logaddexp(0, logits) - same * logits).mean())


def _siamese(model: nn.Module) -> Siamese:
    if not isinstance(model, Siamese):
        raise BadInput('task.kind: "verify" needs a network that judges pairs of images; set model.kind = "siamese"')
    return model
