"""Turns Ctrl-C, SIGTERM and SIGHUP into a flag that is read at points where a run can be saved."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def stopping() -> list[signal.Signals]:
    """The signals that end a command: SIGINT, SIGTERM, and SIGHUP unless it is ignored, as under `nohup`."""
    known = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [one for one in known if one.name != "SIGHUP" or signal.getsignal(one) is not signal.SIG_IGN]


class Signals:
    """A context in which `caught` becomes the number of a signal that came. A second signal ends the process."""

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in stopping():
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.caught = number
        for each, handler in self._before.items():
            signal.signal(each, handler)
