"""Verification: whether two images are of one class, from the distance of their representations or by a dense head.

Every image of a batch goes through the encoder once; pairs and triplets are made of the representations. A dense head beside a loss
on distances learns by its own cross-entropy on the same pairs, so that it is never an untrained head.

What a distance or a logit means is fitted on pairs of validation images: a logistic calibration (Platt 1999), and the probability from
which a pair is said to be of one class, at equal error rates or at a stated rate of false accepts. Other splits are scored with that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from smallvision.data import pairs as drawn
from smallvision.data.batches import Batch, epoch, in_order
from smallvision.data.images import ImageSet
from smallvision.errors import BadInput
from smallvision.evaluate import calibration, collapse, dimensions, verification
from smallvision.evaluate.calibration import Calibration
from smallvision.evaluate.pair_distances import pair_distances
from smallvision.experiment.task import VerifySpec
from smallvision.nn.classifier import NORMS
from smallvision.nn.siamese import Siamese
from smallvision.tasks import metric
from smallvision.tasks.base import Scores, Step
from smallvision.tasks.contrastive import contrastive
from smallvision.tasks.pair_entropy import balanced_entropy, pair_entropy
from smallvision.tasks.pairwise import every_pair
from smallvision.tasks.triplet import triplet

PAIRS_SEED = 0                            # the pairs of a split are the same for every network, epoch and run
PAIRS_AT_ONCE = 2**14                     # through a dense head
MARGIN, MINING = 1.0, "semi-hard"
TRUE_ACCEPTS = {0.01: "true_accept_1", 0.001: "true_accept_01"}                # names of the figures at 1 % and 0.1 % false accepts


@dataclass(frozen=True, eq=False)
class Verifier:
    """What the head's score of a pair means, fitted on validation pairs.

    Parameters
    ----------
    meaning : the probability that a pair is of one class, from its score as `Siamese.score` gives it.
    threshold : the probability from which it is said to be.
    false_accept : the share of pairs of two classes that the threshold lets through on the pairs it was fitted on.
    pairs : how many pairs these were.
    encoded : the images they are of and their representations, so that these are not computed twice.
    """

    meaning: Calibration
    threshold: float
    false_accept: float
    pairs: int
    encoded: tuple[ImageSet, Tensor] = field(repr=False)

    def figures(self) -> dict[str, float]:
        """What a run keeps of it."""
        curve = {"slope": self.meaning.slope, "intercept": self.meaning.intercept}
        return {**curve, "threshold": self.threshold, "false_accept": self.false_accept, "pairs": self.pairs}


class Verify:
    """Whether two images are of one class."""

    def __init__(self, spec: VerifySpec, loss: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        if loss is not None:
            raise BadInput('task.kind: "verify" has losses of its own (task.loss = "triplet", "contrastive", "cross-entropy" or '
                           '"metric.<Name>"); one passed in is for "classify"')
        self.spec = spec
        self.margin = MARGIN if spec.margin is None else spec.margin
        self.head_weight = 1.0 if spec.head_weight is None else spec.head_weight
        self.library = metric.loss(spec.loss, spec.mining) if spec.loss.startswith(metric.PREFIX) else None

    def step(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """The batch's loss, and sums of it and of the dense head's part. `generator` is unused: nothing is drawn here."""
        network = _siamese(model)
        made = network.encode(batch.pixels)                                                        # (B, D)
        count, sums = len(made), {}
        if network.pair_head is None:
            loss = self._on_distances(network, made, batch.labels)
        else:
            one, other, same = every_pair(batch.labels)
            logits = network.logits(made[one], made[other])                                        # (B (B - 1) / 2,)
            if self.spec.loss == "cross-entropy":
                penalties = self.spec.representation_penalty, self.spec.weight_penalty
                loss = pair_entropy(logits, same, made, _weights(network), *penalties)
            else:
                entropy = balanced_entropy(logits, same)
                sums["head"] = entropy.detach() * count
                loss = self._on_distances(network, made, batch.labels) + self.head_weight * entropy
        return Step(loss, {"loss": loss.detach() * count, **sums}, count)

    def reported(self, sums: dict[str, float], count: int) -> dict[str, float]:
        """Figures from sums over `count` images: the mean loss, and the dense head's part of it where there is another."""
        return {key: value / count for key, value in sums.items()}

    def merit(self, values: dict[str, float]) -> tuple[float, float]:
        """What "better" means when a validation split chooses: more pairs right; between equals, less loss."""
        return values["pair_accuracy"], -values["loss"]

    def alarm(self, model: nn.Module, validation: Scores) -> str | None:
        """Whether the validation images' representations have shrunk to a point, in a sentence with what helps."""
        if self.spec.loss not in ("triplet", "contrastive"):
            return None                                                    # without a margin nothing tells what is near
        made, labels = validation.evidence["representation"], validation.evidence["labels"]
        return collapse.collapsed(collapse.spread(made, self.margin, _siamese(model).metric), len(np.unique(labels)))

    @torch.inference_mode()
    def fit(self, model: nn.Module, train: ImageSet, validation: ImageSet | None) -> Verifier:
        """Calibration and threshold, from pairs of the validation images. Raises BadInput where there are none."""
        if validation is None:
            raise BadInput("a verifier's threshold and calibration are fitted on validation pairs, and there are no validation images; "
                           "set data.validation, say 0.1")
        network = _siamese(model)
        made = encoded(network, validation)
        which, same = self.pairs(validation)
        scores, _ = judged(network, made, which)
        meaning = calibration.fit(scores, same)
        probabilities = meaning.probability(scores)
        curve = verification.roc(probabilities, same)
        if self.spec.false_accept:
            threshold = min(verification.threshold_at(curve, self.spec.false_accept), 1.0)         # just above it where all are 1
        else:
            threshold = min(float(verification.equal_error(curve)[1]), 1.0)
        accepts = float(verification.rates_at(curve, threshold)[0])
        return Verifier(meaning, threshold, accepts, len(which), (validation, made))

    @torch.inference_mode()
    def score(self, model: nn.Module, images: ImageSet, fitted: Verifier) -> Scores:
        """Pairs of the split, the same ones for every network; each image is encoded once, in fp32.

        Returns
        -------
        Scores : per pair `loss` (nats, of the calibrated probability), `pair_accuracy`, `auc`, `equal_error`, `calibration_error`, and
            `true_accept_1` and `true_accept_01` at 1 % and 0.1 % false accepts where there are enough pairs; of the representations
            `effective_rank` and `distance`, the mean over pairs of two classes. Evidence `labels` int64 (N,), `ids` int64 (N, 2),
            `representation` float32 (N, D), and of the M pairs `pairs` int64 (M, 2), `same` int64, `distances` float64, `scores`
            float64, `probabilities` float64 (M,) each.
        """
        network = _siamese(model)
        made = fitted.encoded[1] if fitted.encoded[0] is images else encoded(network, images)
        which, same = self.pairs(images)
        scores, distances = judged(network, made, which)
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
            "pairs": which,
            "same": same.astype(np.int64),
            "distances": distances,
            "scores": scores,
            "probabilities": probabilities,
        }
        return Scores(values, len(images), evidence, fitted.figures())

    def pairs(self, images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
        """Balanced pairs of a split, as many as are asked for or there are: int64 (M, 2), bool (M,) of one class. Raises BadInput."""
        labels = images.labels.cpu().numpy()
        most = drawn.most_pairs(labels, self.spec.pairs_per_image, images.classes)
        count = min(self.spec.pairs, most) if most else self.spec.pairs                            # of none, the reason is told
        try:
            return drawn.balanced(labels, count, self.spec.pairs_per_image, PAIRS_SEED, images.classes)
        except BadInput as error:
            raise BadInput(f"{images.name}: {error}") from None

    def _on_distances(self, network: Siamese, made: Tensor, labels: Tensor) -> Tensor:
        if self.library is not None:
            return self.library(made.float(), labels)
        if self.spec.loss == "contrastive":
            return contrastive(made, labels, self.margin, metric=network.metric)
        return triplet(made, labels, self.margin, self.spec.mining or MINING, network.metric)


@torch.inference_mode()
def encoded(network: Siamese, images: ImageSet) -> Tensor:
    """The representation of every image, in order, in evaluation mode: float32 (N, D) on the images' device."""
    was_training = network.training
    network.eval()
    made = torch.cat([network.encode(batch.pixels).float() for batch in epoch(images, in_order(images))])
    network.train(was_training)
    return made


@torch.inference_mode()
def judged(network: Siamese, made: Tensor, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head's score and the distance of pairs.

    Parameters
    ----------
    made : (N, D) representations.
    which : int64 (M, 2), rows of `made`.

    Returns
    -------
    tuple of np.ndarray : scores, as `Siamese.score`, and distances, float64 (M,) each.
    """
    distances = pair_distances(made.cpu().numpy(), which, network.metric)
    if network.pair_head is None:
        return -distances, distances
    rows = torch.from_numpy(np.ascontiguousarray(which)).to(made.device)
    was_training = network.training
    network.eval()
    parts = [network.logits(made[part[:, 0]], made[part[:, 1]]) for part in rows.split(PAIRS_AT_ONCE)]  # type: ignore[no-untyped-call]
    network.train(was_training)
    return torch.cat(parts).double().cpu().numpy(), distances


def _entropy(meaning: Calibration, scores: np.ndarray, same: np.ndarray) -> float:
    """The mean cross-entropy of pairs in nats; from logits, so that a probability that rounds to 0 or 1 costs no endless lot."""
    logits = meaning.slope * scores + meaning.intercept
    return float((np.logaddexp(0, logits) - same * logits).mean())


def _siamese(model: nn.Module) -> Siamese:
    if not isinstance(model, Siamese):
        raise BadInput('task.kind: "verify" needs a network that judges pairs of images; set model.kind = "siamese"')
    return model


def _weights(network: Siamese) -> list[Tensor]:
    """Weights that are trained, biases and normalisations apart."""
    return [
        parameter
        for module in network.modules() if not isinstance(module, NORMS)
        for parameter in module.parameters(recurse=False) if parameter.requires_grad and parameter.ndim > 1
    ]  # fmt: skip
