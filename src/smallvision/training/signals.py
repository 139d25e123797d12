"""Ctrl-C and SIGTERM set a flag, which is read where a run can be saved."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """While inside: `caught` is the signal's number once one came. A second one stops the process at once."""

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in (signal.SIGINT, signal.SIGTERM):
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
