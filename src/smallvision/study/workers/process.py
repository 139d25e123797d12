"""A worker process of a study: it keeps the data of its last experiment and does one task after another.

    python -m smallvision.study.workers.process

It reads one JSON object per line from standard input and answers with JSON lines on standard output; `workers.pool` has
the other end. The first line is the setting, {"device", "root", "trust_code"}; each later line is a task, {"do": ...}.
The answers to a task are events, {"said": "progress" | "epoch" | ...}, then {"said": "done"} or {"said": "failed"}.
The worker exits when standard input closes, even during a run, so no worker outlives its study.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from smallvision.data import imageset, load
from smallvision.data.ids import Id
from smallvision.data.imageset import ImageSet, Splits
from smallvision.errors import BadInput, Interrupted, RunFailed, SmallvisionError, first_line
from smallvision.experiment import Experiment, ProbeSpec, build
from smallvision.experiment.data import DataSpec
from smallvision.experiment.io import typed
from smallvision.experiment.recipe import RecipeSpec
from smallvision.nn.pretrained import refuse_other_shape
from smallvision.probing import run as probing
from smallvision.runs import paths
from smallvision.runs.read import read_run
from smallvision.study import pictures, probes
from smallvision.study.plan import jobs, match
from smallvision.study.plan.jobs import Job
from smallvision.training import device, engine, evaluate_on_test, prepare
from smallvision.training import run as training
from smallvision.training.signals import stopping
from smallvision.training.state import begin

PROGRESS_SECONDS = 0.2  # between two messages about progress
ENDLESS = 1_000_000  # epochs of a run that is only timed
SCORED = 1000  # images to time scoring if there are no validation images
TIMED_STEPS = 4  # in an epoch of a timed run; on a busy machine a step may take a second

Answer = dict[str, Any]


class WorkerState:
    """The state of a worker between tasks: its device, the data of its last task, the training that is being timed."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.device_name = str(setting["device"])
        self.root = Path(setting["root"]) if setting["root"] else None
        self.trust_code = bool(setting["trust_code"])
        self.where = device.resolve(self.device_name)
        self._kept: tuple[DataSpec, Splits] | None = None
        self._probes: probing.Cache = {}  # of the data that is kept
        self._timed: Iterator[engine.Progress | engine.EpochRecord] | None = None

    def splits(self, spec: DataSpec) -> Splits:
        """The data of a spec, from memory if the last task had the same. (Augmentation is applied to batches.)"""
        spec = spec.model_copy(update={"augment": ()})
        if self._kept is None or self._kept[0] != spec:
            self._probes = {}
            self._kept = None  # free the old data before the new data is loaded
            self._kept = (spec, load.load(spec, self.root, self.where))
        return self._kept[1]

    def prepare(self, experiment: Experiment) -> prepare.Prepared:
        """Data, network and learner of an experiment; a taken over encoder has fresh weights. Raises BadInput."""
        passed = prepare.UserObjects(self.splits(experiment.data))
        return prepare.prepare(experiment, 0, self.where, self.root, self.trust_code, passed)

    def check(self, task: Answer) -> Iterator[Answer]:
        """Check that an experiment can be run, and tell its size. All but prerequisites need validation images."""
        experiment = build(task["experiment"], task["where"])
        found = self.prepare(experiment)
        if found.splits.validation is None and not task["needed"]:
            raise BadInput(
                "data: there are no validation images, and a study chooses on validation images; add "
                'set."data.validation" = 0.1'
            )
        for other in jobs.needs(experiment):
            refuse_other_shape(prepare.shape(other, self.root)[0], found.splits.train.largest, other.name)
        counts = {name: len(split) for name, split in found.splits.named().items()}
        if task["probe"] is not None and not task["needed"]:
            probes.refuse(
                typed(ProbeSpec, task["probe"], "probe"), experiment, self.splits(experiment.data), found.model
            )
        sizes = {key: found.layers["totals"][key] for key in ("parameters", "multiply_adds")}
        yield {"said": "done", "counts": counts, **sizes}

    def match(self, task: Answer) -> Iterator[Answer]:
        """Find the width that gives a network a wanted size."""
        experiment = build(task["experiment"], task["where"])
        keys, sizes = tuple(task["vary"]), {"parameters": task["parameters"], "multiply_adds": task["multiply_adds"]}
        solved = match.solve(experiment, keys, sizes, task["within"], self.root, self.trust_code)
        yield {"said": "done", "key": solved.key, "width": solved.width, "size": solved.size}

    def warm(self, task: Answer) -> Iterator[Answer]:
        """Prepare the timing of an experiment: load its data, build its network, do the first steps."""
        asked = build(task["experiment"], task["where"])
        endless = asked.recipe.model_copy(update={"epochs": ENDLESS, "patience": 0, "select": "last"})
        self._settle(asked, task["threads"])
        found = self.prepare(asked)
        few = _few(found.splits.train, asked.recipe)
        splits = replace(found.splits, train=few, validation=None, test=None)
        self._timed = engine.train(
            begin(found.model, asked.recipe), found.learner, splits, asked.model_copy(update={"recipe": endless}), 0
        )
        next(self._timed)
        yield {"said": "done"}

    def time(self, task: Answer) -> Iterator[Answer]:
        """Measure the images per second of the experiment that `warm` prepared."""
        assert self._timed is not None, "warm comes before time"
        torch.set_num_threads(task["threads"] or torch.get_num_threads())
        ends = time.perf_counter() + task["seconds"]
        first = last = _progress(self._timed)
        while time.perf_counter() < ends or last is first:
            last = _progress(self._timed)
        yield {
            "said": "done",
            "images_per_second": (last.examples - first.examples) / max(last.seconds - first.seconds, 1e-9),
        }

    def estimate(self, task: Answer) -> Iterator[Answer]:
        """Estimate the seconds of a run from some timed steps; an upper bound for a recipe with patience."""
        asked = build(task["experiment"], task["where"])
        yield from (answer for answer in self.warm(task) if answer["said"] != "done")
        (timed,) = self.time(task)
        self._timed = None
        found = self.prepare(asked)
        train, validation = found.splits.train, found.splits.validation
        some = validation or train.take(torch.arange(min(len(train), SCORED), device=self.where))
        began = time.perf_counter()
        found.learner.score(found.model, some, found.learner.calibrate(found.model, train, validation))
        an_image = (time.perf_counter() - began) / len(some)
        watched = len(validation) if validation is not None else 0
        an_epoch = len(train) / timed["images_per_second"] + watched * an_image
        yield {"said": "done", "seconds": asked.recipe.epochs * an_epoch + (len(train) + watched) * an_image}

    def run(self, task: Answer) -> Iterator[Answer]:
        """Run an experiment, or resume it, to its end."""
        self._timed = None
        experiment, path, seed = build(task["experiment"], task["where"]), Path(task["path"]), int(task["seed"])
        standing = paths.standing(path, experiment, seed)
        if standing != "finished":
            needs = Job(experiment.name, experiment, seed).needs
            encoder = next(iter(jobs.finished(path.parent, needs).values()), None)  # in the folder of all runs
            options = training.RunOptions(
                path,
                seed,
                self.device_name,
                task["threads"],
                self.root,
                self.trust_code,
                tuple(task["command"]),
                encoder,
            )
            passed = prepare.UserObjects(self.splits(experiment.data))
            yield from _run_answers(training.run(experiment, options, standing == "unfinished", passed))
        yield {"said": "done"}

    def evaluate_on_test(self, task: Answer) -> Iterator[Answer]:
        """Score a finished run on the test split; the answer says if its data have one."""
        path = Path(task["path"])
        splits = self.splits(read_run(path).experiment.data)
        if splits.test is not None:
            evaluate_on_test.evaluate_on_test(path, self.root, self.device_name, self.trust_code, splits)
        yield {"said": "done", "test": splits.test is not None}

    def probe(self, task: Answer) -> Iterator[Answer]:
        """Probe the representation of a finished run, on the test split if its data have one."""
        path, spec = Path(task["path"]), typed(ProbeSpec, task["spec"], "probe")
        record = read_run(path)
        splits = self.splits(record.experiment.data)
        before = torch.get_num_threads()
        torch.set_num_threads(record.environment.get("threads") or before)
        try:
            for step in probes.probe(
                record, spec, splits, self.root, self.trust_code, tuple(task["command"]), self._probes
            ):
                yield {"said": "step", "step": step}
        finally:
            torch.set_num_threads(before)
        yield {"said": "done"}

    def pictures(self, task: Answer) -> Iterator[Answer]:
        """Write images of a run's splits, by their ids, to a file."""
        splits = self.splits(read_run(Path(task["path"])).experiment.data).named()
        found: dict[Id, np.ndarray] = {}
        for name, ids in task["ids"].items():
            found |= imageset.by_id(splits[name], [(first, second) for first, second in ids])
        pictures.write(Path(task["out"]), found)
        yield {"said": "done"}

    def _settle(self, experiment: Experiment, threads: int | None) -> None:
        device.settle(self.where, threads, experiment.recipe.precision, experiment.recipe.deterministic)


TASKS = {
    "check": WorkerState.check,
    "match": WorkerState.match,
    "warm": WorkerState.warm,
    "time": WorkerState.time,
    "estimate": WorkerState.estimate,
    "run": WorkerState.run,
    "evaluate_on_test": WorkerState.evaluate_on_test,
    "probe": WorkerState.probe,
    "pictures": WorkerState.pictures,
}


def _few(images: ImageSet, recipe: RecipeSpec) -> ImageSet:
    """The images for a few steps; with order "classes", enough images of each class."""
    if recipe.order == "classes":
        return images.take(torch.cat(engine.rows(recipe, images, 0, 0)[:TIMED_STEPS]))
    return images.take(torch.arange(min(len(images), TIMED_STEPS * recipe.batch_size), device=images.labels.device))


def _progress(events: Iterator[engine.Progress | engine.EpochRecord]) -> engine.Progress:
    return next(event for event in events if isinstance(event, engine.Progress))


def _run_answers(events: Iterator[training.Event]) -> Iterator[Answer]:
    """The events of a run as answers to the study."""
    last = 0.0
    for event in events:
        match event:
            case training.Started():
                yield {"said": "begun", "epoch": event.epoch}
            case training.Progress() if time.monotonic() - last > PROGRESS_SECONDS:
                last = time.monotonic()
                yield {"said": "progress", "epoch": event.epoch, "step": event.step, "steps": event.steps}
            case training.EpochRecord():
                last = time.monotonic()
                yield {"said": "epoch", "epoch": event.epoch, "validation": event.validation, "seconds": event.seconds}


def _answers(worker: WorkerState, task: Answer) -> Iterator[Answer]:
    """The answers to a task; the last one says whether it was done."""
    try:
        yield from TASKS[task["do"]](worker, task)
    except Interrupted as error:
        yield {"said": "failed", "kind": "Interrupted", "message": str(error)}
    except SmallvisionError as error:
        about = (
            f"{task['where']}: " if "where" in task and task["do"] not in ("run", "evaluate_on_test", "probe") else ""
        )
        yield {
            "said": "failed",
            "kind": "BadInput" if isinstance(error, BadInput) else "RunFailed",
            "message": f"{about}{error}",
        }
    except (OSError, MemoryError, RuntimeError) as error:
        yield {"said": "failed", "kind": RunFailed.__name__, "message": first_line(error)}


def _read(tasks: "queue.Queue[Answer]") -> None:
    """Put every line of standard input into the queue; at its end, end the process."""
    for line in sys.stdin.buffer:
        tasks.put(json.loads(line))
    os._exit(0)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)  # nothing has to be saved between tasks


def main() -> None:
    """Serve until standard input ends."""
    with open(os.dup(1), "wb", buffering=0) as out:
        os.dup2(2, 1)  # other code may print: that is no answer
        for number in stopping():
            signal.signal(number, _end)  # inside a run, the run's own handlers save first
        tasks: queue.Queue[Answer] = queue.Queue()
        threading.Thread(target=_read, args=(tasks,), daemon=True).start()
        try:
            worker = WorkerState(tasks.get())
            hello: Answer = {"said": "hello", "device": worker.where.type, "threads": torch.get_num_threads()}
            if worker.where.type == "cpu":
                torch.set_num_threads(1)  # runs and timed steps set their own number
        except SmallvisionError as error:
            hello = {"said": "failed", "kind": "BadInput", "message": str(error)}
        out.write(json.dumps(hello).encode() + b"\n")
        try:
            while hello["said"] == "hello":
                for answer in _answers(worker, tasks.get()):
                    out.write(json.dumps(answer).encode() + b"\n")
        except Exception:  # a bug: the study shows the last line
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)  # otherwise the reading thread would keep the interpreter from ending cleanly


if __name__ == "__main__":
    main()
