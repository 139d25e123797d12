"""smallvision: a laboratory for learning from small images.

import smallvision as sv
run = sv.run("mnist-cnn", "recipe.epochs=2")
run.result, run.curves(), run.mistakes(20), run.confusion()
"""

TYPE_CHECKING = False  # type checkers know this name; typing's would take longer to import than all the rest here

__version__ = "0.1.0"

if TYPE_CHECKING:
    from smallvision.api.catalog import layers as layers
    from smallvision.api.catalog import load_study as load_study
    from smallvision.api.catalog import open_run as open_run
    from smallvision.api.catalog import open_study as open_study
    from smallvision.api.catalog import report_of as report_of
    from smallvision.api.catalog import show as show
    from smallvision.api.compare import compare as compare
    from smallvision.api.compare import compare_published as compare_published
    from smallvision.api.data import data_get as data_get
    from smallvision.api.data import data_info as data_info
    from smallvision.api.data import data_sets as data_sets
    from smallvision.api.finished import Run as Run
    from smallvision.api.lists import catalog as catalog
    from smallvision.api.lists import find_runs as find_runs
    from smallvision.api.run import run as run
    from smallvision.api.study import preview as preview

# Each public name, and the module of `smallvision.api` that it is imported from when it is used first.
_MODULES = {
    "Run": "finished",
    "catalog": "lists",
    "compare": "compare",
    "compare_published": "compare",
    "data_get": "data",
    "data_info": "data",
    "data_sets": "data",
    "find_runs": "lists",
    "layers": "catalog",
    "load_study": "catalog",
    "open_run": "catalog",
    "open_study": "catalog",
    "preview": "study",
    "report_of": "catalog",
    "run": "run",
    "show": "catalog",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    """A public name, imported when it is used, so that `import smallvision` alone takes no time."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"smallvision.api.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'smallvision' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, without modules and what Python itself needs."""
    return sorted([*__all__, "__version__"])
