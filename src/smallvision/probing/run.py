"""How good a run's representation is: simple classifiers on it and on what it has to be better than, neighbours, dimensions, maps.

The straight line, as one generator of events: images are drawn, features are computed source by source, probes learn from them, and
what was found is written into the run's folder at the end, whole. Whoever calls it prints in the body of a `for`.
"""

import shlex
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.weak import WeakIdKeyDictionary

from smallvision.data import expand, load
from smallvision.data.imageset import ImageSet, Splits
from smallvision.experiment import ProbeSpec
from smallvision.inference import predict
from smallvision.metrics import linear_probe, projections
from smallvision.metrics.features import features
from smallvision.metrics.linear_probe import Part, Probe
from smallvision.probing import neighbours, sources
from smallvision.probing import projections as mapped
from smallvision.probing.events import Began, Event, Probed, Source
from smallvision.probing.result import Found
from smallvision.probing.sampling import Sample, originals, sample
from smallvision.runs import probes as written
from smallvision.runs.directory import unlocked
from smallvision.runs.probe_arrays import RETRIEVED
from smallvision.runs.read import RunRecord
from smallvision.training import prepare

__all__ = ["Began", "Event", "Probed", "Source", "probe"]

PROBES: dict[str, Callable[[Part, Part, Part, Sequence[str]], Probe]] = {
    "knn-cosine": lambda train, chosen_on, shown, classes: linear_probe.knn(train, chosen_on, shown, classes, "cosine"),
    "knn-euclidean": lambda train, chosen_on, shown, classes: linear_probe.knn(
        train, chosen_on, shown, classes, "euclidean"
    ),
    "linear": linear_probe.linear,
}
OF_IMAGES = ("pixels", "pca")  # sources that are the same for every run on the same images

# What these answered, by the training images in memory, as long as they are there: the runs of a study ask for the same.
_KEPT: "WeakIdKeyDictionary" = WeakIdKeyDictionary()


@dataclass(frozen=True, eq=False)
class Answered:
    """One source, probed: its title, seconds, probes, neighbours, the features of the images shown (N, D), notes."""

    title: str
    seconds: float
    answers: tuple[Probe, ...]
    nearest: neighbours.Nearest
    shown: np.ndarray
    notes: tuple[str, ...]


def probe(
    record: RunRecord,
    spec: ProbeSpec,
    root: Path | None = None,
    module: nn.Module | Callable[[], nn.Module] | None = None,
    trust_code: bool = False,
    command: Sequence[str] = (),
    splits: Splits | None = None,
) -> Iterator[Event]:
    """Probe a finished run; a probe of the same spec and the same weights that stands already is not repeated.

    Parameters
    ----------
    record : the run.
    spec : what to probe.
    root : where the data sets are.
    module : the person's own network again, if the run was made with one passed in from Python.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.
    command : repeats the probe; recorded.
    splits : the run's data, if they were passed in from Python or are in memory already.

    Yields
    ------
    Event : `Began` for every step, `Source` for every source of features, `Probed` at the end.

    Raises
    ------
    BadInput : the run is unfinished, has no `encode`, is being written, or its data are no longer those it was trained on; images
        that cannot be had; a map whose library is missing; a damaged probe in its place.
    RunFailed : the disk is full or refuses.
    """
    standing = written.find(record.path, spec)
    if standing is not None:
        yield Probed(standing.path, new=False)
        return
    loaded = predict.load(record, module, trust_code)
    mapped.refuse_missing(spec.maps)
    with unlocked(record.path):
        yield Began("reading the images")
        whole = _splits(record, root, splits)
        drawn = _sample(record, whole, spec)
        found = Found(record, spec, drawn)
        size = _width(loaded.model, drawn.shown)
        given = sources.Given(record, loaded, whole, size, trust_code)
        for name in written.SOURCES:
            yield from _source(name, given, found)
        yield from _maps(found)
        yield Began("writing")
        yield Probed(written.write(record.path, spec, found.result(shlex.join(command)), found.arrays))


def _splits(record: RunRecord, root: Path | None, passed: Splits | None) -> Splits:
    """The run's own images, on the CPU, without the test split that it must not meet."""
    experiment = record.experiment
    splits = (passed or load.load(experiment.data, root)).to("cpu")
    prepare.refuse_other_data(record.path, splits, record.state.get("data"), "nothing can be said of it by them")
    return prepare.without_test(splits) if experiment.protocol.test == "never" else splits


def _sample(record: RunRecord, splits: Splits, spec: ProbeSpec) -> Sample:
    """The probe's images; of an expanded training set, the images that it was made of."""
    if record.experiment.data.expand is None:
        return sample(splits, spec)
    kinds = len(expand.kinds(record.experiment.data.expand))
    drawn = sample(replace(splits, train=originals(splits.train, kinds)), spec)
    note = "train: drawn from the training images as they are, without the mirrored and noisy ones that the network has seen beside them"
    return replace(drawn, notes=(*drawn.notes, note))


def _width(model: nn.Module, some: ImageSet) -> int:
    """Values of the representation. Raises BadInput where the network has none, before anything else is computed."""
    return int(features(model, some.take(torch.zeros(1, dtype=torch.int64))).shape[1])


def _source(name: str, given: sources.Given, found: Found) -> Iterator[Event]:
    """Features of one source, its probes and its neighbours."""
    why = sources.left_out(name, given)
    if why:
        found.notes.append(why)
        return
    drawn = found.drawn
    kept: dict[tuple[str, int, str, str], Answered] = {}
    if name in OF_IMAGES:
        if given.splits.train.pixels not in _KEPT:
            _KEPT[given.splits.train.pixels] = kept
        kept = _KEPT[given.splits.train.pixels]
    key = (name, given.size * (name == "pca"), found.spec.identity, drawn.split)
    if key not in kept:
        kept[key] = yield from _answered(name, given, found)
    one = kept[key]
    if name in RETRIEVED:
        found.nearest[name], found.features[name] = one.nearest, one.shown
    found.notes += one.notes
    precision = neighbours.precision(one.nearest, drawn.shown.labels.numpy(), drawn.train.labels.numpy())
    found.add(name, one.title, one.shown.shape[1], one.seconds, one.answers, precision)
    yield Source(name, one.seconds, one.answers, one.title)


def _answered(name: str, given: sources.Given, found: Found) -> Generator[Event, None, Answered]:
    """The probes and neighbours of one source, computed; a step is told before it begins."""
    drawn, began = found.drawn, time.perf_counter()
    yield Began(
        f"{sources.NAMES[name]}: features of {len(drawn.train) + len(drawn.chosen_on) + len(drawn.shown):,} images"
    )
    encode, notes = sources.encoder(name, given)
    train, chosen_on, shown = (
        Part(encode(some), some.labels.numpy()) for some in (drawn.train, drawn.chosen_on, drawn.shown)
    )
    title = sources.title(name, shown.features.shape[1])
    answers = []
    for kind in found.spec.probes:
        yield Began(f"{title}: {kind}")
        answers.append(PROBES[kind](train, chosen_on, shown, drawn.shown.classes))
    yield Began(f"{title}: neighbours")
    nearest = neighbours.nearest(shown.features, train.features)
    return Answered(title, time.perf_counter() - began, tuple(answers), nearest, shown.features, notes)


def _maps(found: Found) -> Iterator[Event]:
    """The maps that were asked for."""
    spec, shown = found.spec, found.drawn.shown
    if not spec.maps:
        return
    rows = mapped.chosen(len(shown), spec.map_images, spec.seed)
    if len(rows) < projections.FEWEST:
        found.notes.append(
            f"maps: left out, since {len(rows)} images are fewer than the {projections.FEWEST} that a map needs"
        )
        return
    for kind in spec.maps:
        for name, values in found.features.items():
            yield Began(f"{sources.NAMES[name]}: {kind} map of {len(rows):,} images")
            entry, places = mapped.draw(kind, name, values[rows], found.labels[rows], spec.seed)
            found.maps.append(entry)
            found.arrays[f"map_{kind}_{name}"] = places
    found.arrays |= mapped.thumbs(shown, rows, spec.seed)
