"""What a notebook or a script says when Ctrl-C stops a run: one line, with the call that goes on."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from smallvision.errors import Interrupted, Stopped


@contextmanager
def told(
    what: object, overrides: Sequence[str], options: Mapping[str, Any], passed: Mapping[str, Any]
) -> Iterator[None]:
    """Name the call of `sv.run` that goes on, in whatever interrupts the body.

    Parameters
    ----------
    what, overrides : of the call.
    options : by name; those that are None were not given.
    passed : data, network and loss from Python, by name; those that are None were not given.

    Raises
    ------
    Interrupted : as the body does; its text has the call.
    Stopped : in place of a KeyboardInterrupt, of which it is one.
    """
    try:
        yield
    except Interrupted as error:
        if error.again:
            error.call = _call(what, overrides, options, passed)
        _one_line_in_scripts()
        raise
    except KeyboardInterrupt as error:
        _one_line_in_scripts()
        number = getattr(error, "signal_number", signal.SIGINT)
        said = f"stopped; go on with: {_call(what, overrides, options, passed)}"
        raise Stopped(number, said) from None


def _call(what: object, overrides: Sequence[str], options: Mapping[str, Any], passed: Mapping[str, Any]) -> str:
    """The call as a person would type it."""
    first = repr(what) if isinstance(what, str) else type(what).__name__.lower()
    words = [first, *map(repr, overrides)]
    words += [f"{name}={_literal(value)}" for name, value in options.items() if value is not None]
    words += [f"{name}={name}" for name, value in passed.items() if value is not None]
    return f"sv.run({', '.join([*words, 'resume=True'])})"


def _literal(value: object) -> str:
    return repr(value) if isinstance(value, int | str) else repr(str(value))


def _one_line_in_scripts() -> None:
    """Have Python end a script by the message alone and the status of the signal, unless a program has its own way."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _end


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, Interrupted | Stopped):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"smallvision: {error}", file=sys.stderr)
    sys.exit(error.exit_status)
