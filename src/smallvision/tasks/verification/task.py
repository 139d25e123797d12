"""The task "verify": whether two images are of one class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from smallvision.errors import BadInput
from smallvision.experiment import Experiment
from smallvision.experiment.task import VerifySpec
from smallvision.metrics.intervals import wilson
from smallvision.tasks.base import (
    SPLITS,
    FinishedRun,
    Learner,
    Loss,
    Predictions,
    RunWarning,
    Scores,
    ScoreTable,
    Section,
    StudyCase,
    StudyRun,
    StudySection,
    Task,
)
from smallvision.tasks.score_rows import judged_split
from smallvision.tasks.verification.schema import ACCURACY, AUC, SCHEMA
from smallvision.tasks.warnings import classes_without_images

if TYPE_CHECKING:
    from torch import nn

    from smallvision.data.imageset import Splits

COLUMNS = (
    ("auc", "AUC", "{:.4f}"),
    ("equal_error", "EER", "{:.2%}"),
    ("true_accept_1", "TAR", "{:.2%}"),
    ("calibration_error", "ECE", "{:.2%}"),
)
CHANCE = 0.5  # of pairs, half are of one class
PAIR = ("not the same", "the same")  # the two answers of a verifier
UNSEEN = ("labels", "pairs", "same", "probabilities", "distances")  # arrays that are kept of classes never seen


class Verification(Task):
    """Whether two images are of one class, judged by the accuracy on balanced pairs."""

    kind = "verify"
    spec = VerifySpec
    metric = ACCURACY
    schema = SCHEMA
    same_loss = False
    interval_name = "drawn anew, since pairs share them"
    compared_interval_name = "Wilson"
    loss_note = (
        "The training loss is the loss of each case; the validation loss is the cross-entropy of the calibrated "
        "probabilities of validation pairs, in every case."
    )
    verdict_note = (
        "Verdicts are based on as many pairs as possible of which no two share an image, so that the answers are "
        "independent. The scores of the cases are over more pairs, in which images occur several times, so they "
        "differ a little from these."
    )
    fitted_key = "verifier"
    methods = ("same", "verifier", "encode")
    progress = (("loss", "{:.4f}"), ("pair_accuracy", "{:.2%}"), ("head", "{:.4f}"))
    more_curves = (AUC,)

    def learner(self, spec: VerifySpec, loss: Loss | None = None) -> Learner:
        """A loss on pairs or triplets. Raises BadInput for a loss that is passed in or not known."""
        from smallvision.tasks.verification.learn import VerificationLearner

        self.refuse_loss(loss)
        return VerificationLearner(spec)

    def full_scores(self, experiment: Experiment, splits: "Splits", name: str, scores: Scores) -> dict[str, Any]:
        """Intervals, rates at the threshold, retrieval, pairs of classes, dead dimensions."""
        from smallvision.tasks.verification import evidence

        return evidence.full_scores(splits.named()[name], scores, experiment)

    def evidence(
        self, experiment: Experiment, model: "nn.Module", splits: "Splits", name: str, scores: Scores
    ) -> dict[str, np.ndarray]:
        """The reliability diagram, pairs that share no image, and galleries."""
        from smallvision.tasks.verification import evidence

        return evidence.evidence(model, splits, experiment, name, scores)

    def unseen_evidence(self, splits: "Splits", scores: Scores) -> dict[str, np.ndarray]:
        """The pairs of images of the classes that were kept out of training."""
        arrays = {f"unseen_{key}": scores.evidence[key] for key in UNSEEN}
        return {**arrays, "unseen_classes": np.array(splits.named()["unseen"].classes)}

    def scores_without(self, scores: Scores, left_out: np.ndarray) -> dict[str, Any]:
        """The accuracy on the pairs of which neither image is left out."""
        found = scores.evidence
        kept = ~left_out[found["pairs"]].any(1)
        if not kept.any():
            return {}
        right = (found["probabilities"] >= scores.fitted["threshold"]) == found["same"].astype(bool)
        return {"count": int(kept.sum()), self.metric.key: float(right[kept].mean())}

    def predictions(self, run: FinishedRun, evidence: Mapping[str, np.ndarray]) -> Predictions:
        """The answers to pairs of which no two share an image. Raises BadInput where there is no such pair."""
        if not len(evidence.get("alone_pairs", ())):
            raise BadInput(
                f"{run.path}: this run has no pairs without a shared image, so it has no independent answers to "
                "compare; use more images of its smallest class"
            )
        pairs, same = evidence["alone_pairs"], evidence["alone_same"]
        answers = np.where(evidence["alone_right"] == 1, same, 1 - same)
        return Predictions(evidence["ids"][pairs].reshape(-1, 4), same, PAIR, predictions=answers)

    def loss_name(self, experiment: Experiment) -> str:
        """The loss on pairs or triplets, with a dense head's loss and penalties where there are any."""
        task = experiment.task
        assert isinstance(task, VerifySpec)
        if task.loss == "cross-entropy":
            penalties = " with penalties" if task.representation_penalty or task.weight_penalty else ""
            return f"cross-entropy{penalties} (nats)"
        head = " + the head's" if getattr(experiment.model, "head", "") == "dense" else ""
        return f"loss ({task.loss}{head})"

    def study_loss_name(self, experiment: Experiment) -> str:
        """The training loss is the case's own, the validation loss is the cross-entropy of pairs: no one name says
        both.
        """
        return "loss"

    def section(self, run: FinishedRun, prefix: str, split: str) -> Section:
        """How the verifier tells pairs apart, what its probabilities are worth, its right and wrong answers."""
        from smallvision.tasks.verification import section

        return section.section(run, prefix, split)

    def score_interval(self, run: StudyRun, split: str) -> tuple[float, float] | None:
        """Wilson's interval over pairs that share no image; of pairs that do, what the run found by drawing images."""
        accuracy, count = run.score(split), (run.stated.get(split) or {}).get("compared")
        if accuracy is not None and count:
            return wilson(round(accuracy * count), count)
        ends = (run.result.get(split) or {}).get("intervals", {}).get(self.metric.key)
        return (float(ends[0]), float(ends[1])) if ends else None

    def warnings(self, run: FinishedRun) -> Sequence[RunWarning]:
        """Classes without an image, and an accuracy that answering at random reaches."""
        split = judged_split(run)
        row = (run.result or {})[split] if split else {}
        ends = row.get("intervals", {}).get(self.metric.key)
        found = list(classes_without_images(run))
        if ends and ends[0] <= CHANCE:
            score, (low, high) = row[self.metric.key], ends
            text = (
                f"the {split} accuracy on pairs of {self.metric.text(score)} ({self.metric.number(low)} to "
                f"{self.metric.text(high)}) is not clearly better than answering at random "
                f"({self.metric.text(CHANCE)}); train longer, or change recipe.learning_rate"
            )
            found.append(RunWarning("no better than guessing", text, str(split)))
        return found

    def study_sections(self, cases: Sequence[StudyCase]) -> Sequence[StudySection]:
        """The best verifier: how to ask it, and its right and wrong answers."""
        from smallvision.tasks.verification import study

        return study.study_sections(cases)

    def score_table(self, result: Mapping[str, Any]) -> ScoreTable:
        """The accuracy on pairs of each split with its interval, AUC, EER, true accepts at 1 % false accepts, ECE."""
        rows = []
        for split in (*SPLITS, "unseen"):
            if row := result.get(split):
                ends = row.get("intervals", {}).get(self.metric.key)
                interval = f"{self.metric.number(ends[0])} - {self.metric.text(ends[1])}" if ends else ""
                cells = [form.format(row[key]) if key in row else "" for key, _, form in COLUMNS]
                rows.append((split, f"{row['count']:,}", self.metric.text(row[self.metric.key]), interval, *cells))
        fitted = result["verifier"]
        caption = (
            f"A pair is judged to be of one class if its probability is {fitted['threshold']:.1%} or more; this",
            f"threshold was fitted on {fitted['pairs']:,.0f} validation pairs. On pairs: accuracy (50 % by",
            "guessing); EER: equal error rate; TAR: true accepts at 1 % false accepts;",
            "ECE: calibration error.",
        )
        return ScoreTable(
            ("split", "images", "on pairs", "95 % interval", *(name for _, name, _ in COLUMNS)), rows, caption
        )
