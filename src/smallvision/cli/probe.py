"""The command `smallvision probe`: how good a finished run's representation is. Imports happen when it is called."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from smallvision.errors import BadInput, Interrupted


def probe(
    path: Annotated[
        Path, typer.Argument(metavar="RUN", help="The run directory of a finished run.", show_default=False)
    ],
    train: Annotated[
        str | None,
        typer.Option(help=('Number of training images, equally many of every class, or "all". (default: 10000)')),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help=('Number of images to evaluate on, equally many of every class, or "all". (default: 1000)')),
    ] = None,
    kinds: Annotated[str, typer.Option(help="Classifiers on the features: knn, linear.")] = "knn,linear",
    maps: Annotated[str, typer.Option(help='Maps to draw: pca, tsne, umap, or "none".')] = "pca,tsne",
    seed: Annotated[int, typer.Option(help="Seed of the images that are drawn and of the maps.")] = 0,
    root: Annotated[
        Path | None, typer.Option(help="Where the data sets are. (default: $SMALLVISION_DATA or the user's cache)")
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help='Execute the file of `model.kind = "file.py:Net"`.')
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """How good is a run's representation? Simple classifiers on it, on pixels, PCA and the untrained network;
    neighbours; maps.
    """
    from smallvision.api import catalog
    from smallvision.console import probe
    from smallvision.console import run as display

    console = display.Console()
    try:
        found = catalog.open_run(path).probe(
            train=_images("--train", train),
            test=_images("--test", test),
            kinds=_words(kinds),
            maps=() if maps == "none" else _words(maps),
            seed=seed,
            root=root,
            trust_code=trust_code,
            console=console,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted(
            f"{path}: the probe was stopped and nothing was written; repeat the same command to start it again",
            getattr(stop, "signal_number", signal.SIGINT),
        ) from None
    console.print(probe.table(found))
    for line in probe.lines(found):
        console.print(line, highlight=False, markup=False)
    console.print(
        f"probe   {found.path}\nreport  {path / 'report.html'}", highlight=False, soft_wrap=True, markup=False
    )


def _images(option: str, text: str | None) -> int | str | None:
    """A number of images, "all", or None. Raises BadInput."""
    if text is None or text == "all":
        return text
    try:
        return int(text)
    except ValueError:
        raise BadInput(f'{option}: got "{text}"; expected a number of images, or "all"') from None


def _words(text: str) -> tuple[str, ...]:
    """ "knn, linear" as ("knn", "linear")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
