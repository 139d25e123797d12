"""A run tried before its first file is written: a step and a scoring of a few images, on copies of the network.

What cannot be trained, or could not be scored after hours of training, is refused at the start.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from smallvision.data import transforms
from smallvision.data.batching import batch as batches
from smallvision.data.batching import buckets
from smallvision.data.imageset import ImageSet, Splits
from smallvision.errors import BadInput, SmallvisionError, first_line
from smallvision.experiment import Experiment
from smallvision.experiment.recipe import RecipeSpec
from smallvision.nn import made
from smallvision.tasks.base import Learner
from smallvision.training import engine

CLASSES, OF_EACH = 2, 2  # images that are scored: of two classes two, so that there are pairs of one and of two
APART = 1e-3  # answers in other company differ by less, relative to the largest; rounding makes 1e-6 of it


def rehearse(
    model: nn.Module, learner: Learner, splits: Splits, experiment: Experiment, where: torch.device
) -> tuple[str, ...]:
    """Try a step and a scoring; notes for the person where answers depend on what is scored beside an image.

    Raises
    ------
    BadInput : a batch cannot be trained on, or images cannot be scored.
    """
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        _step(model, learner, splits, experiment, where)
        notes = _answers(made.copied(model), learner, splits)
        _score(made.copied(model), learner, splits)
    return notes


def _step(model: nn.Module, learner: Learner, splits: Splits, experiment: Experiment, where: torch.device) -> None:
    """Try one step with the smallest batch; with images of several sizes, with up to three."""
    recipe = experiment.recipe
    vary = transforms.build(experiment.data.augment, len(splits.train.classes))
    generator = torch.Generator(where)
    for rows, count in _batches(splits, recipe):
        actor = made.copied(model).train()
        batch = vary(next(batches.epoch(splits.train, [rows])), generator.manual_seed(0))
        try:
            learner.step(actor, batch, generator).loss.backward()  # type: ignore[no-untyped-call]
        except SmallvisionError:
            raise
        except Exception as error:  # anything can happen in code that is not ours
            cure = "; set recipe.drop_last = true to leave out a last batch of one image" if count == 1 else ""
            reason = first_line(error) if isinstance(error, RuntimeError | ValueError) else _reason(error)
            raise BadInput(
                f"model: the network cannot be trained on a batch of {count} image(s): {reason}{cure}"
            ) from None


def _batches(splits: Splits, recipe: RecipeSpec) -> Iterable[tuple[Tensor, int]]:
    """The rows of each batch to be tried, and the number of its images."""
    if recipe.order == "classes":
        return [(engine.rows(recipe, splits.train, 0, 0)[0], recipe.batch_size)]
    return buckets.rehearsals(splits.train, recipe.batch_size, recipe.drop_last)


def _answers(actor: nn.Module, learner: Learner, splits: Splits) -> tuple[str, ...]:
    """Ask the network about two images of every split, together and one by one, in evaluation mode."""
    actor.eval()
    notes: dict[str, None] = {}
    for name, images in splits.named().items():
        for rows in _smallest(images):
            pixels = next(batches.epoch(images, [rows])).pixels
            try:
                together, again = learner.answer(actor, pixels), learner.answer(actor, pixels)
            except SmallvisionError:
                raise
            except Exception as error:  # anything can happen in code that is not ours
                size = "x".join(map(str, pixels.shape[2:]))
                raise BadInput(
                    f"model: the network fails on {len(pixels)} {name} image(s) of {size} in evaluation mode, which "
                    f"scoring uses: {_reason(error)}"
                ) from None
            if not torch.equal(together, again):
                continue  # it draws random numbers
            alone = _alone(actor, learner, pixels, splits)
            if alone is None or not _alike(together, alone):
                notes[
                    "the network's output for an image depends on the other images of its batch, even in evaluation "
                    "mode (as with batch normalisation without running statistics), so its scores depend on how many "
                    "images are scored at a time"
                ] = None
    return tuple(notes)


def _alone(actor: nn.Module, learner: Learner, pixels: Tensor, splits: Splits) -> Tensor | None:
    """Answers to images one by one; None where it does not answer one image.

    Raises BadInput where one image will have to be scored alone.
    """
    try:
        return torch.cat([learner.answer(actor, one) for one in pixels.split(1)])  # type: ignore[no-untyped-call]
    except Exception as error:
        for name, images in splits.named().items():
            if any(len(rows) == 1 for rows in batches.in_order(images)):
                raise BadInput(
                    f"model: the network fails on a single image in evaluation mode, and one of the {name} images is "
                    f"scored alone: {_reason(error)}"
                ) from None
        return None


def _alike(together: Tensor, alone: Tensor) -> bool:
    if together.shape != alone.shape:
        return False
    worst, largest = (together - alone).abs().max(), together.abs().max()
    return not bool(worst > APART * largest)  # NaN is met in training


def _smallest(images: ImageSet) -> Iterator[Tensor]:
    """Two images of one size; of several sizes those that are lowest, and those that are narrowest."""
    starts, start = [], 0
    for group in images.groups:
        starts.append(start)
        start += len(group)
    order = range(len(images.groups))
    for axis in (2, 3):
        smallest = min(order, key=lambda number: images.groups[number].shape[axis])
        yield starts[smallest] + torch.arange(min(2, len(images.groups[smallest])))
        if len(images.groups) == 1:
            return


def _score(actor: nn.Module, learner: Learner, splits: Splits) -> None:
    """Calibrate and score by a few images of every split, as is done with all of them in the end.

    So few can be too few for a task, which says so in a BadInput, or for its figures: what fails is tried with all.
    """
    parts: dict[str, Any] = {name: _few(images) for name, images in splits.named().items()}
    few = replace(splits, **parts)
    try:
        _scored(actor, learner, few)
    except SmallvisionError:
        return  # `Learner.check_data` has judged the whole splits
    except Exception:
        try:
            _scored(actor, learner, splits)
        except SmallvisionError:
            raise
        except Exception as error:
            raise BadInput(f"model: the images of the network cannot be scored: {_reason(error)}") from None


def _scored(actor: nn.Module, learner: Learner, splits: Splits) -> None:
    fitted = learner.calibrate(actor, splits.train, splits.validation)
    for images in splits.named().values():
        learner.score(actor, images, fitted)


def _few(images: ImageSet) -> ImageSet:
    """The first images of the first classes."""
    labels = images.labels.cpu()
    rows = [torch.nonzero(labels == label).flatten()[:OF_EACH] for label in sorted(set(labels.tolist()))[:CLASSES]]
    return images.take(torch.cat(rows).sort().values)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
