"""The command `smallvision same`: whether two images are of one class, as a verifier says it.

Imports happen when it is called.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from smallvision.errors import BadInput, counted

DIGITS = 4  # of a probability, at most


def same(
    path: Annotated[
        Path, typer.Argument(metavar="RUN", help="The run directory of a finished verifier.", show_default=False)
    ],
    images: Annotated[
        list[Path], typer.Argument(metavar="A B", help="Image files, two for each pair.", show_default=False)
    ],
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help='Execute the file of `model.kind = "file.py:Net"`.')
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Are two images of one class? Answer it for each pair of files, with its probability and the distance."""
    from smallvision.api import catalog as api
    from smallvision.console import run as display

    if len(images) % 2:
        raise BadInput(
            f"same: got {counted(len(images), 'image')}; name the images in pairs: smallvision same RUN A B [A B]..."
        )
    console, run = display.Console(), api.open_run(path)
    rows = run.same(images[::2], images[1::2], trust_code)
    for note in dict.fromkeys(note for row in rows for note in row.get("notes", ())):
        console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False, style="dim")
    for one, other, row in zip(images[::2], images[1::2], rows, strict=True):
        pair = f"{one}, {other}: " if len(rows) > 1 else ""
        console.print(
            f"{pair}{sentence(row, run.verifier['threshold'])}", highlight=False, soft_wrap=True, markup=False
        )


def sentence(row: Mapping[str, Any], threshold: float) -> str:
    """ "not the same class: probability 0.03 (same from 0.56), distance 1.42"; as many digits as tell the two shares
    apart.
    """
    likely, digits = float(row["probability"]), 2
    while digits < 15 and round(likely, digits) == round(threshold, digits) and likely != threshold:
        digits += 1
    answer = "the same class" if row["same"] else "not the same class"
    said, from_here = (_share(share, digits) for share in (likely, threshold))
    return f"{answer}: probability {said} (same from {from_here}), distance {row['distance']:.3g}"


def _share(value: float, digits: int) -> str:
    """A probability that is never rounded to certainty."""
    while digits < DIGITS and round(value, digits) in (0.0, 1.0) and 0 < value < 1:
        digits += 1
    text = f"{value:.{digits}f}"
    if 0 < value < 1 and float(text) in (0.0, 1.0):
        return f"< {10.0**-digits:.{digits}f}" if float(text) == 0 else f"> {1 - 10.0**-digits:.{digits}f}"
    return text
