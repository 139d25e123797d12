"""Ends a command by one line when a signal comes, at whatever moment.

It is imported before all else, and imports next to nothing itself: until then a signal ends Python in its own way.
"""

import os
import re
import signal
import sys

from smallvision.errors import Stopped

TYPE_CHECKING = False  # typing's takes longer to import than all the rest here
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

# What a message ends with where a command goes on; the command may begin with a setting of the environment.
_COMMAND = re.compile(r"(.*go(?:es)? on with.*?:) ((?:[A-Z_]+=\S+ )?smallvision .+)", re.DOTALL)
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def command_apart(line: str) -> str:
    """A message with the command that goes on, at its end, on a line of its own, from which it can be copied."""
    found = _COMMAND.fullmatch(line)
    return f"{found[1]}\n    {found[2]}" if found else line


class Stopping:
    """A context in which the first signal raises Stopped and a second one ends the process at once, after one line.

    SIGHUP stays ignored where it was ignored at the start, as under `nohup`. A run in training takes the signals over
    (`training.signals`), since it saves first.

    Attributes
    ----------
    caught : the number of the signal that came, or None.
    told : whether the line about it has been printed.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self.told = False
        self._before: dict[int, Any] = {}
        self._unraisable = sys.unraisablehook

    def __enter__(self) -> "Stopping":
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                continue
            try:
                self._before[number] = signal.signal(number, self._came)
            except ValueError:  # Python allows handlers in the main thread alone
                break
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._lost
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", value: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: it was not set from Python
                signal.signal(number, handler)
        sys.unraisablehook = self._unraisable

    def line(self) -> str:
        """What is said about the signal: which it was, and the command that goes on."""
        number = self.caught or signal.SIGINT
        import shlex

        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        words = sys.argv[1:]
        if words[:1] == ["run"] and "--dry-run" not in words:
            again = [*words, *(["--resume"] if "--resume" not in words else [])]
            return f"stopped by {name}; go on with: {shlex.join(['smallvision', *again])}"
        return f"stopped by {name}; to start again, repeat the command: {shlex.join(['smallvision', *words])}"

    def _came(self, number: int, frame: "FrameType | None") -> None:
        if self.caught is None:
            self.caught = number
            raise Stopped(number)
        try:
            if not self.told:
                os.write(2, f"smallvision: {command_apart(self.line())}\n".encode(errors="replace"))
        finally:
            os._exit(128 + self.caught)

    def _lost(self, unraisable: "Any") -> None:
        """Python drops what is raised while it deletes an object: a signal among them is raised again."""
        if self.caught is not None and isinstance(unraisable.exc_value, KeyboardInterrupt):
            import threading

            number, self.caught = self.caught, None
            again = threading.Timer(0.02, os.kill, (os.getpid(), number))  # once this function has returned
            again.daemon = True
            again.start()
        else:
            self._unraisable(unraisable)
