"""Errors of smallvision: one line that names the place, what was found and what would work.

The exit status travels with the exception, so that the command line has nothing to decide.
"""

import re

TYPE_CHECKING = False  # typing's takes longer to import than all the rest here
if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_NAME = 80  # characters of a name from outside, such as a key, a class or a member of an archive
_MOST_NAMES = 5000  # names that a mistyped word is compared with
_MOST_LISTED = 100  # names in a message
_LONGEST_MESSAGE = 4000  # characters
_LONGEST_WORD = 255  # characters without a blank or slash; the longest name of a file on common systems
# What is cut in a message. Names in quotation marks may have blanks in them; a path has a slash.
_QUOTED = re.compile(rf'(?<![^\s(\[{{=,:])"([^"/\\]{{{LONGEST_NAME + 1},}})"')
_WORD = re.compile(rf"(?<=\s)[^\s/\\\"]{{{LONGEST_NAME + 1},}}?(?=[,;:.)\]]*(?:\s|$))")
_COMMAND = re.compile(r"smallvision [a-z]+ .*", re.DOTALL)
_FILE_NAME = re.compile(rf"[^\s/]{{{_LONGEST_WORD + 1},}}")
# Control characters, lone surrogates, invisible characters, ends of lines and paragraphs, and those that turn the
# direction of what follows (Unicode Standard, 23.2). Arabic, Indic scripts and emoji join and part their letters by
# U+200C and U+200D, which stay between characters that are not ASCII.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


def printable(text: str, keep: str = "") -> str:
    """Text in one line that changes no terminal: each control and invisible character as an escape, such as \\x1b.

    Parameters
    ----------
    text : any text.
    keep : characters that stay, such as ends of lines where there are several lines.
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _escape(found), text)


def _escape(found: "re.Match[str]") -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(found[0]) or ascii(found[0])[1:-1]


def shown(name: object, most: int = LONGEST_NAME) -> str:
    """A name from outside for a message, table or page: printable, and cut in its middle to at most `most` characters.

    Parameters
    ----------
    name : a key, class, member of an archive, column, status or name of a file, of any length.
    most : characters, 10 or more.
    """
    text = str(name)
    if len(text) > 20 * most:  # an escape has up to ten characters
        text = text[: 10 * most] + text[-10 * most :]
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - most // 3 - 3]}...{text[len(text) - most // 3 :]}"


def _with_short_names(text: str) -> str:
    """A message whose names are cut, wherever it was written: what stands in quotation marks, and words.

    Paths stay whole, and so does the file that a message begins with, but for names that no file system allows. A
    command stays whole, since a person copies it; it ends a message.
    """
    command = _COMMAND.search(text)
    if command is not None:
        return _with_short_names(text[: command.start()]) + command[0]
    text = _QUOTED.sub(lambda found: f'"{shown(found[1])}"', text)
    text = _WORD.sub(lambda found: shown(found[0]), text)
    return _FILE_NAME.sub(lambda found: shown(found[0]), text)


def short(value: object) -> str:
    """A value as text for a message: its repr, cut to at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4 300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


class SmallvisionError(Exception):
    """Any failure that smallvision foresees; its text is one line, meant for a person, without control characters."""

    exit_status = 3

    def __init__(self, message: object = "") -> None:
        text = str(message)
        if len(text) > _LONGEST_MESSAGE:  # somebody's name is in it, and no name is worth more
            text = f"{text[: _LONGEST_MESSAGE - 1000]} ... {text[-900:]}"
        super().__init__(printable(_with_short_names(text)))


class BadInput(SmallvisionError, ValueError):
    """A file, key, name or value from outside cannot be used. Exit status 2; nothing was written."""

    exit_status = 2


class Busy(BadInput):
    """Another process is at the run or study; the same command works when it is done. Exit status 2."""


class RunFailed(SmallvisionError):
    """A run began and cannot go on (loss not a number, disk full). Exit status 3; the last checkpoint stays."""


class DiskFull(RunFailed):
    """No space is left on the disk, or a file may not grow further. Exit status 3; what was on the disk before stays.

    Parameters
    ----------
    message : which file could not be written.
    again : the command that goes on once there is space; "" where the same command does.
    cure : what makes space.
    """

    def __init__(self, message: object = "", again: str = "", cure: str = "free some space") -> None:
        super().__init__(message)
        self.again, self.cure = again, cure

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.again, self.cure)

    def __str__(self) -> str:
        then = f"then go on with: {self.again}" if self.again else "then repeat the same command"
        return f"{super().__str__()}; {self.cure}, {then}"


class Interrupted(SmallvisionError):
    """A signal stopped a run, which was saved first. Exit status 128 + the signal's number, as shells expect.

    A notebook shows the message alone, without a traceback: nothing went wrong.

    Parameters
    ----------
    message : what was stopped.
    signal_number : 2 for Ctrl-C.
    again : the command that goes on; "" where the message says all.
    """

    def __init__(self, message: str, signal_number: int, again: str = "") -> None:
        super().__init__(message)
        self.message, self.signal_number, self.again = message, signal_number, again
        self.exit_status = 128 + signal_number
        self.call = ""  # in Python, that goes on; set by `sv.run`

    def __reduce__(self) -> tuple[object, ...]:  # an exception is rebuilt from its first argument alone otherwise
        return type(self), (self.message, self.signal_number, self.again)

    def __str__(self) -> str:
        return self.line(self.call or self.again)

    def line(self, again: str) -> str:
        """The message with the command, or the call in Python, that goes on."""
        return f"{self.message}; go on with: {again}" if again else self.message

    def _render_traceback_(self) -> list[str]:  # asked by IPython
        return [f"{type(self).__name__}: {self}"]


class Stopped(KeyboardInterrupt):
    """A signal came where there was nothing to save first: SIGINT, SIGTERM or SIGHUP.

    Parameters
    ----------
    signal_number : 2 for Ctrl-C.
    message : what goes on; the command line has a line of its own.
    """

    def __init__(self, signal_number: int, message: str = "") -> None:
        super().__init__(*filter(None, [message]))
        self.signal_number = signal_number
        self.exit_status = 128 + signal_number

    def _render_traceback_(self) -> list[str]:  # asked by IPython
        return [f"{type(self).__name__}: {self}"]


def nearest(word: str, known: "Iterable[str]") -> str:
    """A clause that helps somebody who mistyped `word`: the nearest known name, or all of them if none is near.

    Parameters
    ----------
    word : what was given.
    known : the names that would have been accepted.

    Returns
    -------
    str : ``did you mean "epochs"?`` or ``known: a, b, c``.
    """
    import difflib

    names = sorted(known)
    near = [name for name in names if len(names) <= _MOST_NAMES or abs(len(name) - len(word)) <= 3]
    close = difflib.get_close_matches(word[:LONGEST_NAME], near[:_MOST_NAMES], n=1, cutoff=0.6)
    if close:
        return f'did you mean "{shown(close[0])}"?'
    more = f", ... ({len(names):,} in all)" if len(names) > _MOST_LISTED else ""
    return f"known: {', '.join(map(shown, names[:_MOST_LISTED]))}{more}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with what it counts: "1 epoch", "2 epochs", "1,200 images".

    Parameters
    ----------
    count : 0 or more.
    one : the noun for a single thing.
    many : the noun for several; `one` with an "s" unless given.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def first_line(error: object) -> str:
    """The first line of an exception's or a warning's message that is not empty; its type's name if it has no message.

    Parameters
    ----------
    error : usually raised by a library; its message may be empty or have several lines.
    """
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
