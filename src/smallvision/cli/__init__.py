"""The command line: `main` runs a command and turns every way to end into one line and an exit status.

The commands themselves are in `cli.commands`, which is imported once signals are caught.
"""

import errno
import os
import sys
from contextlib import suppress

from smallvision.cli.stopping import Stopping, command_apart
from smallvision.errors import BadInput, Interrupted, SmallvisionError, first_line, printable

TYPE_CHECKING = False  # typing's takes longer to import than all the rest here
if TYPE_CHECKING:
    from typing import Any

CATALOG = os.path.join(os.path.dirname(os.path.dirname(__file__)), "catalog")
NARROWEST = 40  # columns of a table; a narrower terminal breaks its lines
FAILED, BROKEN_PIPE = 3, 141  # exit statuses; a shell shows 141 where SIGPIPE ended a command
OF_A_PATH = (  # wrong with a path that was given: exit status 2
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EACCES, errno.EPERM),
    errno.EROFS,
)
STREAM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)  # of what has no file name


def main() -> None:
    """Run the command line: an error is one line on standard error and its own exit status."""
    _open_streams()
    _settle_width()
    with Stopping() as stopping:
        status = _status(stopping)
        if stopping.caught is not None and not stopping.told:
            stopping.told = True
            _tell(stopping.line())
            status = 128 + stopping.caught
    sys.exit(status)


def _status(stopping: Stopping) -> int:
    """The exit status of the command in sys.argv, run; its one line is told if it failed."""
    try:
        _refuse_a_removed_folder()
        _say_at_once(sys.argv[1:])
        from smallvision.cli.commands import app
        from smallvision.cli.warned import one_line_warnings

        with one_line_warnings(_tell):
            status = app(prog_name="smallvision", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except SystemExit as end:  # rich and typer end by it where the reader of a pipe went away, as `head` does
        return _led_away(BROKEN_PIPE) if isinstance(end.__context__, BrokenPipeError) else _number(end.code)
    except BrokenPipeError:
        return _led_away(BROKEN_PIPE)
    except KeyboardInterrupt:  # told by `main`
        return 130
    except Exception as error:
        if "--debug" in sys.argv:
            import traceback

            traceback.print_exc()
        stopping.told = True
        if type(error).__name__ == "NoArgsIsHelpError":  # of typer, which has printed the help
            return 2
        line, status = _ending(error)
        _tell(line)
        return _led_away(status) if isinstance(error, OSError) else status


def _say_at_once(words: list[str]) -> None:
    """A line for `run NAME` before any library is loaded, which takes seconds; none where there is no such NAME."""
    if words[:1] != ["run"] or len(words) < 2 or {"--quiet", "--help", "-h"} & set(words):
        return
    name = words[1]
    is_file = "/" in name or "\\" in name or name.endswith(".toml")
    with suppress(ValueError):  # a name that no file has
        if os.path.isfile(name if is_file else os.path.join(CATALOG, f"{name}.toml")):
            print(f"{printable(name)}: getting ready", flush=True)


def _refuse_a_removed_folder() -> None:
    """Raise BadInput where the current folder was removed: libraries do not load there, and end the process."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise BadInput("the current folder does not exist any more; change to another one, then try again") from None
    except OSError:
        pass  # it may not be looked at, but is there


def _ending(error: Exception) -> tuple[str, int]:
    """The line and the exit status for an exception."""
    if isinstance(error, Interrupted):
        return error.line(error.again), error.exit_status
    if isinstance(error, SmallvisionError):
        return str(error), error.exit_status
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # of typer: an option, an argument
        return _usage(error), int(error.exit_code)
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
        return (
            f"there is not enough memory ({first_line(error)}); use smaller batches (recipe.batch_size), fewer "
            "images (data.limit) or a smaller network",
            FAILED,
        )
    if isinstance(error, OSError) and error.strerror:
        if error.filename is not None:
            return f"{error.filename}: {error.strerror}", 2 if error.errno in OF_A_PATH else FAILED
        what = "standard output cannot be written" if error.errno in STREAM else "a system call failed"
        return f"{what}: {error.strerror}", FAILED
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "an argument contains a zero byte, which no file name can contain; remove it", 2
    if isinstance(error, RecursionError):
        return "something is nested too deeply to be read; use fewer levels", FAILED
    return (
        f"{type(error).__name__}: {first_line(error)} (this is an error in smallvision; --debug shows where it is)"
    ), FAILED


def _usage(error: "Any") -> str:
    """A mistake in options or arguments, with the command that lists them; the help itself where nothing was given."""
    context = getattr(error, "ctx", None)
    words = context.command_path.split() if context is not None else []
    command = " ".join(["smallvision", *words[1:]])
    return f"{' '.join(words[1:] or ['arguments'])}: {error.format_message().rstrip('.')}; see {command} --help"


def _tell(line: str) -> None:
    """One line on standard error, wherever that leads; a command that goes on has a second one to itself."""
    with suppress(OSError, ValueError):
        said = command_apart(printable(" ".join(line.splitlines())))
        print(f"smallvision: {said}", file=sys.stderr, flush=True)


def _number(code: object) -> int:
    return code if isinstance(code, int) else 0 if code is None else 1


def _led_away(status: int) -> int:
    """The status; what standard output still holds and cannot be written is dropped, or else Python complains of it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _settle_width() -> None:
    """COLUMNS and LINES, if they are set, as rich can take them: numbers, and wide enough for letters in tables."""
    for name, least in (("COLUMNS", NARROWEST), ("LINES", 1)):
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdigit()):
            os.environ.pop(name, None)
        elif int(value[:9]) < least:
            os.environ[name] = str(least)


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere, or else the next file opened would be one of them.

    Characters that the encoding of standard output lacks are written as "?".
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if getattr(sys.stdout, "errors", "") in ("strict", "surrogateescape") and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


def __getattr__(name: str) -> "Any":
    """`app`, which has every command, is imported when it is asked for."""
    if name == "app":
        from smallvision.cli.commands import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
