"""Kills at random bytes and moments: what is given again ends with the bits of an undisturbed command."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign.scenarios import SCENARIOS, Reference, Stage, reference
from campaign.writes import Writes, places

IN_A_ROW = 2  # interruptions of one command, before it is left alone
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAYS = ("byte", "byte", "byte", "moment", "moment", "signal")  # how often each is drawn
DRAWN = 0.1  # the share of cases in which the figures of the report are drawn


class Killing:
    """One scenario with its undisturbed command, made once and used for all of its cases."""

    def __init__(self, name: str, folder: Path, drawn: bool = True) -> None:
        self.scenario = SCENARIOS[name]
        self.reference: Reference = reference(self.scenario, folder, drawn)

    def case(self, seed: int, folder: Path) -> dict[str, Any]:
        """Interrupt, give again, compare.

        Returns
        -------
        dict : `ways`, how often it was interrupted by each; `failure`, "" if nothing was lost; `left`, what lies there
            under temporary names afterwards.
        """
        draw = random.Random(f"kills {self.scenario.name} {seed}")
        stage = Stage(self.scenario, folder, self.reference.start)
        ways, drawn = {"byte": 0, "moment": 0, "signal": 0}, draw.random() < DRAWN and True in self.reference.log
        failure, words = "", self.scenario.words
        try:
            for _ in range(IN_A_ROW):
                way = draw.choice(WAYS)
                interrupted, failure = self._interrupt(stage, way, draw, words, drawn)
                ways[way] += interrupted
                words = self.scenario.words + self.scenario.again
                if failure or not interrupted:
                    break
            failure = failure or self._finish(stage, words, drawn)
            return {"ways": ways, "failure": failure, "left": stage.leftovers()}
        finally:
            stage.remove()

    def _interrupt(
        self, stage: Stage, way: str, draw: random.Random, words: tuple[str, ...], drawn: bool
    ) -> tuple[bool, str]:
        """Give the command and interrupt it; whether that came before its end, and what went wrong."""
        number = draw.choice(SIGNALS) if way == "signal" else signal.SIGKILL
        by_moment = way == "moment" or (way == "signal" and draw.random() < 0.5)
        often = draw.random() < 0.5  # a checkpoint at every report of progress, not only at an epoch's end
        whole = self.scenario.study and draw.random() < 0.5  # the study is killed, not the process that writes
        place, share = places(self.reference.log[drawn], draw), draw.random()
        writes, moment = None, None
        if by_moment:
            moment = (share * 1.05 * self.reference.seconds[drawn], number)
        else:
            writes = Writes(stage.place, place, _killer(number, whole or number != signal.SIGKILL))
        before = stage.running()
        ended = stage.give(words, writes, moment, _saving if often else None, drawn)
        if left := stage.left_behind():
            return True, f"{len(left)} workers outlive their study"
        if "Traceback" in ended.err:
            return True, f"a traceback: {ended.last}"
        if ended.late:
            return True, "it hung"
        if ended.status == 0:
            return False, ""
        if number == signal.SIGKILL:
            return True, "" if ended.status == -number else f"exit status {ended.status}: {ended.last}"
        if ended.status == -number and not ended.err:
            began = stage.running() - before  # else it came before the command answers signals, or after its end
            return True, f"{number.name} ended it without a word" if began else ""
        if ended.status != 128 + number or not ended.one_line:
            return True, f"{number.name}: exit status {ended.status}: {ended.err[-300:]!r}"
        return True, ""

    def _finish(self, stage: Stage, words: tuple[str, ...], drawn: bool) -> str:
        """Give the command until it is done; what went wrong."""
        ended = stage.give(words, drawn=drawn)
        if ended.status or ended.err:
            return f"given again: exit status {ended.status}: {ended.last}"
        if left := stage.left_behind():
            return f"{len(left)} workers outlive their study"
        return self.reference.differs(stage.place)


def _killer(number: int, leader: bool) -> Callable[[Writes], None]:
    """What sends a signal to the command's first process, or to the process that writes."""
    return lambda writes: os.kill(writes.leader if leader else os.getpid(), number)


def _saving() -> None:
    from smallvision.training import run

    run.SAVE_SECONDS = 0.0
