"""What is killed, filled up and raced: small runs of every task, studies, their conclusions, probes, assignments.

Each command is given in a folder of its own with paths relative to it, so that files are the same wherever it is.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from campaign import children, workers
from campaign.children import Ended
from campaign.writes import Writes, sizes
from smallvision.rendering import embed

ROOT = Path(__file__).parents[2]
ALONE = ("--device", "cpu", "--threads", "1", "--quiet")
LONGEST = 300.0  # seconds that one command may take
STATE = "state.json"
RUN = "run"  # the run directory of a single run, in its case's folder

EVERYTHING = (
    "recipe.epochs=3",
    "recipe.batch_size=16",
    "recipe.optimizer=sgd",
    "recipe.learning_rate=0.05",
    "recipe.momentum=0.9",
    "recipe.average=0.9",
    "recipe.select=best-validation",
    "recipe.schedule=one-cycle",
    "model.blocks=[{channels=4, kernel=3, normalization='batch', pool=2}]",
    "model.dense=[8]",
    "model.dense_dropout=0.2",
    "data.augment=[{kind='crop', padding=1}, {kind='noise'}]",
    "data.limit=96",
    "protocol.test=watched",
)
NOISY = (
    "recipe.epochs=2",
    "data.limit=96",
    "model.widths=[16]",
    "model.variational=true",
    "task.denoise.amount=0.1",
)
PAIRS = (
    "model.encoder={experiment='digits', set={'model.blocks'=[{channels=4, kernel=3, pool=2}], 'model.dense'=[8]}}",
    "recipe.epochs=2",
    "recipe.images_per_class=3",
    "data.limit=120",
)
STUDY = """
name = "tiny"
question = "Is anything learned from few images?"
base = "digits"
seeds = 2
[set]
"recipe.epochs" = 2
"data.limit" = 96
[[case]]
name = "cnn"
set = { "model.blocks" = [{ channels = 4, kernel = 3, pool = 2 }], "model.dense" = [8] }
[[case]]
name = "mlp"
set = { model = { kind = "mlp", widths = [12] } }
"""
PROBED = STUDY.replace('"tiny"', '"probed"') + '[probe]\ntrain = 40\ntest = 40\nmaps = ["pca"]\n'
SEARCHED = STUDY.replace('"tiny"', '"searched"').replace("seeds = 2", "seeds = 1") + (
    '[search]\ntries = 2\n"recipe.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n'
)


@dataclass(frozen=True)
class Scenario:
    """A command that is disturbed and given again.

    Attributes
    ----------
    name, about : for the results and for the page.
    words : of the command.
    again : added to the words when it is given again.
    files : written into the folder beforehand, by name.
    before : a command whose files the folder begins with; None: none.
    stops_at : the study's command is abandoned where this begins, for the folder that the command begins with.
    """

    name: str
    about: str
    words: tuple[str, ...]
    again: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    stops_at: str = ""

    @property
    def study(self) -> bool:
        """Whether worker processes do the work."""
        return any(name.endswith("study.toml") for name, _ in self.files)


def _single(name: str, about: str, *words: str) -> Scenario:
    return Scenario(name, about, ("run", *words, "--out", RUN, "--seed", "3", *ALONE), ("--resume",))


def _of_study(name: str, about: str, text: str, stops_at: str = "") -> Scenario:
    words = ("run", "./study.toml", "--workers", "2", "--device", "cpu", "--quiet")
    return Scenario(name, about, words, (), (("study.toml", text),), words if stops_at else (), stops_at)


SCENARIOS = {
    one.name: one
    for one in (
        _single("classify", "a run that classifies, with all that a checkpoint can hold", "digits", *EVERYTHING),
        _single("reconstruct", "a run that reconstructs", "digits-autoencoder", *NOISY),
        _single("verify", "a run that verifies", "digits-siamese", *PAIRS),
        Scenario(
            "probe",
            "a probe of a finished run",
            ("probe", RUN, "--train", "40", "--test", "40", "--maps", "pca"),
            (),
            (),
            ("run", "digits", *EVERYTHING, "--out", RUN, "--seed", "3", *ALONE),
        ),
        _of_study("study", "a study with two worker processes", STUDY),
        _of_study("search", "a study that searches", SEARCHED),
        _of_study("conclusion", "a study's end: test scores, choice, verdicts, report", STUDY, "finalize"),
        _of_study("probed conclusion", "the same with probes of all runs", PROBED, "finalize"),
    )
}


def bits() -> ModuleType:
    """scripts/same-bits, which compares the files of runs and studies bit by bit, less times."""
    loader = SourceFileLoader("same_bits", str(ROOT / "scripts" / "same-bits"))
    spec = importlib.util.spec_from_loader("same_bits", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Stage:
    """The folder of one case, in which commands are given.

    Parameters
    ----------
    scenario : what is done there.
    folder : made anew; `start`, if given, is its content at first.
    """

    def __init__(self, scenario: Scenario, folder: Path, start: Path | None = None) -> None:
        self.scenario, self.folder, self._start = scenario, folder, start
        self.place, self.scratch = folder / "place", folder / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.place.mkdir()
        self.fill()

    def fill(self) -> None:
        """Put what the command begins with into the folder."""
        if self._start is not None:
            shutil.copytree(self._start, self.place, symlinks=True, dirs_exist_ok=True)
        for name, text in self.scenario.files:
            (self.place / name).write_text(text)

    def give(
        self,
        words: tuple[str, ...],
        writes: Writes | None = None,
        moment: tuple[float, int] | None = None,
        prepare: Callable[[], None] | None = None,
        drawn: bool = False,
    ) -> Ended:
        """Give a command in a forked child.

        Parameters
        ----------
        writes : counts what it writes.
        moment : (seconds, signal) that is sent to it.
        prepare : called in the child before the command.
        drawn : whether the figures of reports are drawn, which takes most of the time; else they are left blank.
        """

        return children.forked(self.action(words, writes, prepare, drawn), self.scratch, seconds=LONGEST, moment=moment)

    def action(
        self,
        words: tuple[str, ...],
        writes: Writes | None = None,
        prepare: Callable[[], None] | None = None,
        drawn: bool = False,
    ) -> Callable[[], int]:
        """What a child does that is given a command; the arguments are those of `give`."""

        def action() -> int:
            os.chdir(self.place)
            os.environ["SMALLVISION_RUNS"] = "runs"
            if prepare is not None:
                prepare()
            if not drawn:
                embed.svg = lambda figure, alt, prefix: "<svg></svg>"
            if writes is not None:
                writes.install()
            return children.command(*words)

        return workers.forked_workers(action, self.folder / "workers.txt") if self.scenario.study else action

    def left_behind(self) -> list[int]:
        """Workers that outlive their study."""
        return workers.left_behind(self.folder / "workers.txt")

    def files(self) -> list[str]:
        """The files below the folder."""
        return sorted(path.relative_to(self.place).as_posix() for path in self.place.rglob("*") if path.is_file())

    def running(self) -> set[tuple[str, int]]:
        """The runs and studies that say of themselves that they are worked at, each with the process that does it."""
        names = [name for name in self.files() if name.endswith(STATE) and ".part/" not in name]
        states = [(name, json.loads((self.place / name).read_text())) for name in names]
        return {(name, state["pid"]) for name, state in states if state["status"] == "running"}

    def leftovers(self) -> list[str]:
        """What is there under a temporary name."""
        found = (path.relative_to(self.place).as_posix() for path in self.place.rglob("*.part"))
        return sorted(name for name in found if ".part/" not in name)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Reference:
    """An undisturbed command: where its files are, what it wrote byte by byte, how long it took.

    `start` is the folder that the command begins with, None if it begins with an empty one. `log` has the size of every
    write and call, and `seconds` how long the command took, each for drawn figures (True) or blank ones (False).
    """

    place: Path
    start: Path | None
    log: dict[bool, list[int]]
    seconds: dict[bool, float]

    def differs(self, place: Path) -> str:
        """What differs first between the files there and these; "" if nothing does."""
        skipped = ("lock", ".part")
        names = {
            path.relative_to(top).as_posix() for top in (self.place, place) for path in top.rglob("*") if path.is_file()
        }
        names = {name for name in names if not any(part.endswith(skipped) for part in name.split("/"))}
        for name in sorted(names):
            if name.endswith("report.html") and not (place / name).exists():
                return f"{name}: was not written"
            if name.endswith("checkpoint.safetensors") and not (self.place / name).exists():
                return f"{name}: was not removed"
        plans = {name for name in names if name.endswith("plan.json")}
        for name in sorted(plans):
            if _plan(self.place / name) != _plan(place / name):
                return f"{name}: other jobs or tries"
        return str(bits().differing(self.place, place, sorted(names - plans)) or "")


def _plan(file: Path) -> Any:
    """What a plan says of jobs and tries, in an order that does not depend on which worker was quicker."""
    if not file.exists():
        return None
    plan = json.loads(file.read_text())
    tries = sorted(plan["search"]["tries"], key=lambda one: (one["case"], one["try"], one["seed"]))
    jobs = sorted(plan["jobs"], key=lambda one: (one["case"], one["seed"], one["hash"]))
    return [plan["match"], plan["search"]["sampler"], tries, jobs]


def reference(scenario: Scenario, folder: Path, drawn: bool = False) -> Reference:
    """Give a scenario's command undisturbed, in a folder of its own: with blank figures, with `drawn` also drawn ones.

    Raises
    ------
    RuntimeError : it fails.
    """
    start: Path | None = None
    if scenario.before:
        before = Stage(scenario, folder / "before")
        _succeeded(before.give(scenario.before, prepare=_stopping(scenario.stops_at)))
        before.left_behind()
        start = before.place
    logs, seconds = {}, {}
    for figures in (True, False) if drawn else (False,):
        stage, log = Stage(scenario, folder / "whole", start), folder / "writes.txt"
        ended = _succeeded(stage.give(scenario.words, Writes(stage.place, log=log), drawn=figures))
        logs[figures], seconds[figures] = sizes(log), ended.seconds
        stage.left_behind()
    return Reference(stage.place, start, logs, seconds)


def _succeeded(ended: Ended) -> Ended:
    if ended.status:
        raise RuntimeError(f"the undisturbed command fails ({ended.status}): {ended.err[-2000:]}")
    return ended


def _stopping(name: str) -> Callable[[], None] | None:
    """Has the study's process end where a function of study.runner would begin."""
    if not name:
        return None

    def prepare() -> None:
        from smallvision.study import runner

        setattr(runner, name, lambda *_: os._exit(0))

    return prepare
