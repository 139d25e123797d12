"""smallvision: a laboratory for learning from small images.

import smallvision as sv
run = sv.run("mnist-cnn", "recipe.epochs=2")
run.result, run.curves(), run.mistakes(20), run.confusion()
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from smallvision.api.run import (
        Run,
        catalog,
        compare,
        compare_published,
        data_get,
        data_info,
        data_sets,
        find_runs,
        layers,
        open_run,
        open_study,
        preview,
        report_of,
        run,
        show,
    )

__all__ = [
    "Run",
    "catalog",
    "compare",
    "compare_published",
    "data_get",
    "data_info",
    "data_sets",
    "find_runs",
    "layers",
    "open_run",
    "open_study",
    "preview",
    "report_of",
    "run",
    "show",
]


def __getattr__(name: str) -> Any:
    """The notebook's words, imported when the first of them is used, so that `import smallvision` costs nothing."""
    if name in __all__:
        from smallvision.api import run

        return getattr(run, name)
    raise AttributeError(f"module 'smallvision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
