"""Probes the representation of a run: classifiers on it and on baseline features, neighbours, dimensions, 2-D maps.

One generator of events: images are drawn, the features of each source are computed, probes are fitted to them, and the
result is written into the run's directory at the end, whole. The caller prints in the body of a `for`.
"""

import shlex
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smallvision.data import expand, load
from smallvision.data.imageset import ImageSet, Splits
from smallvision.experiment import ProbeSpec
from smallvision.inference import predict
from smallvision.metrics import linear_probe, projections
from smallvision.metrics.features import features
from smallvision.metrics.linear_probe import Part, Probe
from smallvision.probing import neighbours, sources
from smallvision.probing import projections as mapped
from smallvision.probing.events import Event, Probed, Source, StepStarted
from smallvision.probing.result import ProbeResult
from smallvision.probing.sampling import Sample, originals, sample
from smallvision.runs import probes as written
from smallvision.runs.directory import unlocked
from smallvision.runs.probe_arrays import RETRIEVED
from smallvision.runs.read import RunRecord
from smallvision.training import prepare

__all__ = ["Event", "Probed", "Source", "StepStarted", "probe"]

PROBES: dict[str, Callable[[Part, Part, Part, Sequence[str]], Probe]] = {
    "knn-cosine": lambda train, chosen_on, shown, classes: linear_probe.knn(train, chosen_on, shown, classes, "cosine"),
    "knn-euclidean": lambda train, chosen_on, shown, classes: linear_probe.knn(
        train, chosen_on, shown, classes, "euclidean"
    ),
    "linear": linear_probe.linear,
}
OF_IMAGES = ("pixels", "pca")  # sources that are the same for every run on the same images


@dataclass(frozen=True, eq=False)
class ProbedSource:
    """One source, probed: its title, seconds, probes, neighbours, the features (N, D) of the images shown, notes."""

    title: str
    seconds: float
    answers: tuple[Probe, ...]
    nearest: neighbours.Nearest
    shown: np.ndarray
    notes: tuple[str, ...]


Cache = dict[tuple[str, int, str, str], ProbedSource]  # by source, its size, the probe's spec and the split


def probe(
    record: RunRecord,
    spec: ProbeSpec,
    root: Path | None = None,
    module: nn.Module | Callable[[], nn.Module] | None = None,
    trust_code: bool = False,
    command: Sequence[str] = (),
    splits: Splits | None = None,
    cache: Cache | None = None,
) -> Iterator[Event]:
    """Probe a finished run. A finished probe of the same spec and the same weights is not repeated.

    Parameters
    ----------
    record : the run.
    spec : what to probe.
    root : where the data sets are.
    module : the user's own network again, if the run was made with one passed in from Python.
    trust_code : whether the file of `kind = "file.py:Net"` may be executed.
    command : repeats the probe; it is recorded.
    splits : the run's data, if they were passed in from Python or are in memory already.
    cache : keeps the probes of raw pixels and PCA for further runs on the same images. The caller passes the same cache
        only with equal data.

    Yields
    ------
    Event : `StepStarted` for every step, `Source` for every source of features, `Probed` at the end.

    Raises
    ------
    BadInput : the run is unfinished, has no `encode`, is being written, or its data have changed since training; there
        are too few images; the library of a map is missing; a damaged probe is in its place.
    RunFailed : the disk is full or refuses.
    """
    standing = written.find(record.path, spec)
    if standing is not None:
        yield Probed(standing.path, new=False)
        return
    loaded = predict.load(record, module, trust_code)
    mapped.refuse_missing(spec.maps)
    with unlocked(record.path):
        yield StepStarted("reading the images")
        whole = _splits(record, root, splits)
        drawn = _sample(record, whole, spec)
        result = ProbeResult(record, spec, drawn)
        size = _width(loaded.model, drawn.shown)
        given = sources.Given(record, loaded, whole, size, trust_code)
        for name in written.SOURCES:
            yield from _source(name, given, result, {} if cache is None else cache)
        yield from _maps(result)
        yield StepStarted("writing")
        yield Probed(written.write(record.path, spec, result.content(shlex.join(command)), result.arrays))


def _splits(record: RunRecord, root: Path | None, passed: Splits | None) -> Splits:
    """The run's images on the CPU, without the test split if the run must not use it."""
    experiment = record.experiment
    splits = (passed or load.load(experiment.data, root)).to("cpu")
    prepare.refuse_other_data(record.path, splits, record.state.get("data"), "nothing can be said about it")
    return prepare.without_test(splits) if experiment.protocol.test == "never" else splits


def _sample(record: RunRecord, splits: Splits, spec: ProbeSpec) -> Sample:
    """The probe's images; the training images are those from which an expanded training set was made."""
    if record.experiment.data.expand is None:
        return sample(splits, spec)
    kinds = len(expand.kinds(record.experiment.data.expand))
    drawn = sample(replace(splits, train=originals(splits.train, kinds)), spec)
    note = (
        "train: drawn from the original training images, without the mirrored and noisy copies that the network was "
        "also trained on"
    )
    return replace(drawn, notes=(*drawn.notes, note))


def _width(model: nn.Module, some: ImageSet) -> int:
    """The size of the representation. Raises BadInput if the network has none, before anything else is computed."""
    return int(features(model, some.take(torch.zeros(1, dtype=torch.int64))).shape[1])


def _source(name: str, given: sources.Given, result: ProbeResult, cache: Cache) -> Iterator[Event]:
    """Features of one source, its probes and its neighbours."""
    why = sources.left_out(name, given)
    if why:
        result.notes.append(why)
        return
    drawn = result.drawn
    key = (name, given.size if name == "pca" else 0, result.spec.identity, drawn.split)
    one = cache.get(key) if name in OF_IMAGES else None
    if one is None:
        one = yield from _probed_source(name, given, result)
        if name in OF_IMAGES:
            cache[key] = one
    if name in RETRIEVED:
        result.nearest[name], result.features[name] = one.nearest, one.shown
    result.notes += one.notes
    precision = neighbours.precision(one.nearest, drawn.shown.labels.numpy(), drawn.train.labels.numpy())
    result.add(name, one.title, one.shown.shape[1], one.seconds, one.answers, precision)
    yield Source(name, one.seconds, one.answers, one.title)


def _probed_source(name: str, given: sources.Given, result: ProbeResult) -> Generator[Event, None, ProbedSource]:
    """Compute the probes and neighbours of one source; an event comes before each step."""
    drawn, began = result.drawn, time.perf_counter()
    yield StepStarted(
        f"{sources.NAMES[name]}: features of {len(drawn.train) + len(drawn.chosen_on) + len(drawn.shown):,} images"
    )
    encode, notes = sources.encoder(name, given)
    train, chosen_on, shown = (
        Part(encode(some), some.labels.numpy()) for some in (drawn.train, drawn.chosen_on, drawn.shown)
    )
    title = sources.title(name, shown.features.shape[1])
    answers = []
    for kind in result.spec.probes:
        yield StepStarted(f"{title}: {kind}")
        answers.append(PROBES[kind](train, chosen_on, shown, drawn.shown.classes))
    yield StepStarted(f"{title}: neighbours")
    nearest = neighbours.nearest(shown.features, train.features)
    return ProbedSource(title, time.perf_counter() - began, tuple(answers), nearest, shown.features, notes)


def _maps(result: ProbeResult) -> Iterator[Event]:
    """The maps that the spec asks for."""
    spec, shown = result.spec, result.drawn.shown
    if not spec.maps:
        return
    rows = mapped.chosen(len(shown), spec.map_images, spec.seed)
    if len(rows) < projections.FEWEST:
        result.notes.append(
            f"maps: left out, because a map needs at least {projections.FEWEST} images and there are {len(rows)}"
        )
        return
    for kind in spec.maps:
        for name, values in result.features.items():
            yield StepStarted(f"{sources.NAMES[name]}: {kind} map of {len(rows):,} images")
            entry, places = mapped.draw(kind, name, values[rows], result.labels[rows], spec.seed)
            result.maps.append(entry)
            result.arrays[f"map_{kind}_{name}"] = places
    result.arrays |= mapped.thumbs(shown, rows, spec.seed)
