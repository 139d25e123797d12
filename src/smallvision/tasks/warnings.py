"""Why the score of a finished run may mislead, said in one line each: what runs of every task have in common. No torch.

What is said is found in the files of the run, so that runs of earlier versions say it too, as far as they recorded it.
A task adds its own in `Task.warnings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from smallvision.errors import counted, shown
from smallvision.tasks.base import FinishedRun, RunWarning, Task

GREW = 0.01  # a training loss that ends higher than it began by this share has grown
OVERFITTED = 0.25  # a validation loss that is higher than its lowest by this share has clearly grown
FEWEST_STEPS = 20  # of a single epoch, to tell whether the loss grew in it
LISTED = 3  # classes that are named; of more only the number


def of_run(run: FinishedRun, task: Task) -> tuple[RunWarning, ...]:
    """What is to be said of a finished run; nothing of an unfinished one, and nothing of a healthy one.

    Parameters
    ----------
    run : as it was read.
    task : of its experiment.
    """
    if run.result is None:
        return ()
    return (*_copies(run, task), *task.warnings(run), *_untested(run), *_training_loss(run), *_validation_loss(run))


def of_many(
    runs: Sequence[tuple[str, FinishedRun]], task: Task, splits: Sequence[str] = ("validation", "test", "unseen")
) -> list[str]:
    """What is to be said of several runs together: of their data once, of the runs once for each name and kind.

    Parameters
    ----------
    runs : a name for each, the same for runs that differ in their seed alone.
    task : of all of them.
    splits : those that the runs are judged on; of others nothing is said.
    """
    of_data: dict[str, list[str]] = {}
    own: dict[tuple[str, str, str], list[str]] = {}
    for name, run in runs:
        for one in of_run(run, task):
            if one.split and one.split not in splits:
                continue
            if one.data:
                of_data.setdefault(one.data, []).append(name)
            else:
                own.setdefault((name, one.kind, one.split), []).append(one.text)
    every = list(dict.fromkeys(name for name, _ in runs))
    out = []
    for text, names in of_data.items():
        told = list(dict.fromkeys(names))
        out.append(text if len(told) == len(every) else f"{_listed(told)}: {text}")
    for kind, split in dict.fromkeys((kind, split) for _, kind, split in own):
        said = {name: texts for (name, *of), texts in own.items() if of == [kind, split]}
        if len(said) > LISTED:
            first, texts = next(iter(said.items()))
            out.append(f"{kind}, in {len(said)} of {len(every)} ({_listed(list(said))}); {first}: {texts[0]}")
            continue
        for name, texts in said.items():
            count = sum(one == name for one, _ in runs)
            several = f" ({len(texts)} of {count} runs)" if count > 1 else ""
            out.append(f"{name}{several}: {texts[0]}")
    return out


def no_copies(run: FinishedRun) -> str:
    """That the images a run is scored on were searched for copies of training images, and there are none; else ""."""
    found = [(name, row["copies"]) for name in ("validation", "test") if "copies" in (row := _row(run, name))]
    if not found or any(one["images"] for _, one in found):
        return ""
    return f"No {' or '.join(name for name, _ in found)} image is a copy of a training image (equal in every pixel)."


def named(classes: Sequence[str]) -> str:
    """Classes in a sentence: class "a"; 2 classes ("a", "b"); 9 classes ("a", "b", "c" and 6 more)."""
    if len(classes) == 1:
        return f'class "{shown(classes[0])}"'
    return f"{len(classes):,} classes ({_listed([_quoted(one) for one in classes])})"


def classes_without_images(run: FinishedRun) -> Iterator[RunWarning]:
    """Classes of which there are training images and no validation image, or no test image."""
    result = run.result or {}
    counts: Mapping[str, list[int]] = result.get("class_counts", {})
    train = counts.get("train", [])
    for split in ("validation", "test"):
        own = counts.get(split, [])
        if not _row(run, split) or len(own) != len(train) or not sum(own):
            continue
        missing = [k for k, count in enumerate(own) if not count and train[k]]
        if not missing:
            continue
        names = named([result["classes"][k] for k in missing])
        it, has = ("it", "has") if len(missing) == 1 else ("them", "have")
        at_most = "at most " if len(missing) > 1 else ""
        most, share = max(train[k] for k in missing), run.experiment.data.validation
        if split == "test" or not share:
            text = f"no {split} image is of {names}, so the score says nothing about {it}; add {split} images of {it}"
        elif most == 1:
            text = (
                f"no validation image is of {names}, which {has} a single image, used for training; add images of "
                f"{it}, or leave {it} out (data.classes)"
            )
        else:
            text = (
                f"no validation image is of {names}, which {has} {at_most}{counted(most, 'training image')}; add "
                f"images "
                f"of {it}, or raise data.validation ({share})"
            )
        yield RunWarning("class without images", text, split, text)


def _copies(run: FinishedRun, task: Task) -> Iterator[RunWarning]:
    """Images of a split that are training images as well, and the score without them."""
    metric = task.metric
    for split in ("validation", "test", "unseen"):
        row = _row(run, split)
        found = row.get("copies") or {}
        if not found.get("images"):
            continue
        count, other, total = found["images"], found["other_label"], row["count"]
        what = "is a copy of a training image" if count == 1 else "are copies of training images"
        of = "unseen classes’" if split == "unseen" else split
        labels = f" ({'all' if other == count > 1 else f'{other:,}'} with a different label)" if other else ""
        data = f"{count:,} of {total:,} {of} images {what}{labels}"
        rest = found.get("rest") or {}
        if metric.key in rest:
            text = f"{data}; {metric.name} on the {rest['count']:,} {metric.of} without them: "
            text += metric.text(rest[metric.key])
        elif count == total:
            text = data = f"{data}, so the score says nothing about new images; use other images"
        else:
            text = data = f"{data}; remove them from one of the two"
        yield RunWarning("copies", text, split, data)


def _untested(run: FinishedRun) -> Iterator[RunWarning]:
    """No test images, though the protocol would score them."""
    result = run.result or {}
    if _row(run, "test") or run.experiment.protocol.test == "never":
        return
    of = "validation" if _row(run, "validation") else "training"
    chosen = ", on which the weights were also chosen" if result["selected"]["by"] == "best-validation" else ""
    text = f"there are no test images, so the score is that of the {of} images{chosen}; {test_images(run)}"
    yield RunWarning("no test images", text)


def test_images(run: FinishedRun) -> str:
    """How test images are given to an experiment."""
    ways = {
        "folder": 'add some in a folder "test" beside "train", with class folders in both',
        "npz": "add some as x_test and y_test to the file",
        "arrays": "pass some as x_test and y_test",
    }
    return ways.get(run.experiment.data.source, "add some")


def _training_loss(run: FinishedRun) -> Iterator[RunWarning]:
    """A training loss that is higher at the end than at the start."""
    if len(run.metrics) > 1:
        first, last = (float(run.metrics[place]["train"]["loss"]) for place in (0, -1))
        where = ("in epoch 1", f"in epoch {run.metrics[-1]['epoch']}")
    else:
        losses = [float(loss) for line in run.steps for loss in line["loss"]]
        if len(losses) < FEWEST_STEPS:
            return
        part = len(losses) // 4
        first, last = float(np.mean(losses[:part])), float(np.mean(losses[-part:]))
        where = ("in the first quarter of the steps", "in the last quarter")
    if last - first > GREW * abs(first):
        rate = run.experiment.recipe.learning_rate
        yield RunWarning(
            "training loss",
            f"the training loss grew, from {first:.4g} {where[0]} to {last:.4g} {where[1]}; lower recipe.learning_rate "
            f"(it was {rate:g}), or set recipe.clip",
        )


def _validation_loss(run: FinishedRun) -> Iterator[RunWarning]:
    """A validation loss that is clearly higher, by the weights that were kept, than it was in its best epoch."""
    losses = {line["epoch"]: float(line["validation"]["loss"]) for line in run.metrics if line.get("validation")}
    kept = (run.result or {})["selected"]
    if kept["epoch"] not in losses:
        return
    best = min(losses, key=lambda epoch: losses[epoch])
    if losses[best] > 0 and losses[kept["epoch"]] > (1 + OVERFITTED) * losses[best]:
        cure = 'set recipe.select = "best-validation", or train for fewer epochs'
        if kept["by"] == "best-validation":
            cure = (
                "the network is becoming more confident in its mistakes; use more images, data.augment or "
                "recipe.weight_decay"
            )
        yield RunWarning(
            "validation loss",
            f"the validation loss grew after epoch {best}, from {losses[best]:.4g} to {losses[kept['epoch']]:.4g} in "
            f"epoch {kept['epoch']}, whose weights were kept; {cure}",
            "validation",
        )


def _row(run: FinishedRun, split: str) -> Mapping[str, Any]:
    """The scores of a split in result.json; empty where it was not scored."""
    return (run.result or {}).get(split) or {}


def _quoted(name: str) -> str:
    return f'"{shown(name)}"'


def _listed(names: Sequence[str]) -> str:
    """a; a, b; a, b, c and 6 more."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
