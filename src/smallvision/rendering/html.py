"""Writes HTML pages from templates; each page has smallvision's mark and replaces nothing but a former page."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput, printable
from smallvision.rendering import embed, format, style
from smallvision.storage.files import write_bytes
from smallvision.storage.reading import open_regular

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR = b'<meta name="generator" content="smallvision">'  # in every report, so that it is known again


def render(name: str, **values: Any) -> str:
    """A template, named by its path below the package, filled in.

    All text is escaped, and what no page may hold is replaced. Invisible characters and those that turn the direction
    of what follows are written as escapes, such as \\u202e, so that no name looks like another one.
    """
    unprintable = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]"
    page = re.sub(unprintable, "\N{REPLACEMENT CHARACTER}", _environment().get_template(name).render(**values))
    return printable(page, keep="\t\n\r")


def save(text: str, out: Path) -> Path:
    """Write a page; the file appears whole or not at all. Raises RunFailed when the disk is full or refuses."""
    write_bytes(out, text.encode())
    return out


def refuse_to_overwrite(out: Path, own: bool) -> None:
    """Raise BadInput when `out` is a file that is not a former report; a run's or study's `own` report.html is one."""
    try:
        if not out.parent.is_dir():
            raise BadInput(f"{out}: there is no folder {out.parent}; choose another --out")
        if not out.exists() or (own and out.is_file()):
            return
        if out.is_file():
            with open_regular(out) as file:
                if GENERATOR in file.read(10_000):
                    return
    except OSError as error:
        raise BadInput(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None
    raise BadInput(
        f"{out}: this file exists and is not a report of smallvision; nothing is overwritten, so choose another --out"
    )


@cache
def _environment() -> "Environment":
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, FunctionLoader, StrictUndefined

    folder = Path(__file__).parents[1]  # templates stand beside the code that fills them in
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder), FunctionLoader(_by_full_path)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write_as in (format.whole, format.percent, format.interval, format.seconds, format.size, format.moment):
        environment.filters[write_as.__name__] = write_as
    environment.filters.update(picture=embed.data_uri, brief=style.short)
    return environment


def _by_full_path(name: str) -> str | None:
    """The text of a template that is named by its full path: a task's own, wherever its package is installed."""
    path = Path(name)
    return (
        path.read_text(encoding="utf-8") if path.is_absolute() and path.suffix == ".html" and path.is_file() else None
    )
