"""Eight processes that begin the same run or study at once: one does it, the others are told, the files are right."""

import shutil
from pathlib import Path
from typing import Any

from campaign import children
from campaign.inputs import CONTROL
from campaign.scenarios import SCENARIOS, Reference, Stage, reference

AT_ONCE = 8
TOLD = "another process"


class Racing:
    """One scenario with its undisturbed command, made once and used for all of its cases."""

    def __init__(self, name: str, folder: Path) -> None:
        self.scenario = SCENARIOS[name]
        self.reference: Reference = reference(self.scenario, folder)

    def case(self, seed: int, folder: Path) -> dict[str, Any]:
        """Begin at once, compare.

        Every second case gives the command as it is given again (`--resume`).

        Returns
        -------
        dict : `done` and `told`, how many processes ended well and how many were refused; `failure`.
        """
        stage = Stage(self.scenario, folder, self.reference.start)
        words = self.scenario.words + (self.scenario.again if seed % 2 else ())
        try:
            ended = children.at_once([stage.action(words)] * AT_ONCE, stage.scratch, 300)
            left = stage.left_behind()
            done, told = [one for one in ended if not one.status], [one for one in ended if one.status]
            failure = f"{len(left)} workers outlive their study" if left else ""
            for one in told:
                lines = one.err.strip("\n").split("\n")
                clean = one.status == 2 and len(lines) == 1 and not CONTROL.search(lines[0])
                if not clean or TOLD not in one.err:
                    failure = failure or f"a loser was told: exit status {one.status}: {one.err[-300:]!r}"
            if not done:
                failure = failure or "nobody did it"
            if any(one.err for one in done):
                failure = failure or f"said beside: {next(one.err for one in done if one.err)[-300:]!r}"
            return {
                "done": len(done),
                "told": len(told),
                "failure": failure or self.reference.differs(stage.place) or _leftovers(stage),
            }
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _leftovers(stage: Stage) -> str:
    left = stage.leftovers()
    return f"left behind: {', '.join(left)}" if left else ""
