"""The packages stand in one order, and imports point downwards only; what needs no torch does not load it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import smallvision

SOURCE = Path(smallvision.__file__).parent

# From bottom to top. A package imports only packages that come before it; docs/architecture.md has the same list. Four
# entries are files and no packages: the errors, the reading of files, the public names, and `python -m smallvision`.
PACKAGES = (
    "errors",
    "storage",
    "experiment",
    "conv",
    "data",
    "nn",
    "losses",
    "metrics",
    "stats",
    "rendering",
    "tasks",
    "runs",
    "inference",
    "training",
    "probing",
    "comparison",
    "assign",
    "study",
    "report",
    "console",
    "api",
    "__init__",
    "cli",
    "__main__",
)
IMPORT_NOTHING_OF_OURS = ("errors", "conv")
# The files that belong to no package, and what they import of ours.
FILES_AT_THE_TOP = {"__init__": {"api"}, "__main__": {"cli"}, "errors": set()}

WITHOUT_TORCH = (
    *("errors", "experiment", "stats", "storage", "rendering", "tasks", "runs"),
    *("comparison", "assign", "report", "console", "cli", "__init__", "__main__"),
)
# Files of tasks/ that compute with tensors. Other files there import them, and torch, inside functions only.
WITH_TORCH = {
    "tasks/sample_images.py",
    "tasks/classification/evidence.py",
    "tasks/classification/learn.py",
    "tasks/reconstruction/evidence.py",
    "tasks/reconstruction/latent.py",
    "tasks/reconstruction/learn.py",
    "tasks/reconstruction/pca_baseline.py",
    "tasks/reconstruction/pca_samples.py",
    "tasks/verification/evidence.py",
    "tasks/verification/learn.py",
    "tasks/verification/pairs.py",
}
# Files without torch in packages that have it elsewhere.
MORE_WITHOUT_TORCH = {
    *(
        f"conv/{name}.py"
        for name in (
            *("__init__", "sizes", "geometry", "receptive", "layers", "settings", "windows"),
            *("notation", "stack", "solve", "mirror"),
        )
    ),
    "api/data.py",
    "api/study.py",
    "metrics/metric.py",
}


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def package_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(SOURCE.rglob("*.py"))
MODULES = {module_of(file): file for file in FILES}
each_file = pytest.mark.parametrize("file", FILES, ids=name_of)


def imports(file: Path, running: bool = False) -> Iterator[str]:
    """The modules that a file names in import statements anywhere, lazy ones and those for type checkers included.

    `from smallvision.data import pairs` names the module smallvision.data.pairs, and `from smallvision.errors import
    BadInput` names smallvision.errors. With `running`, only those that are executed when the file is imported.
    """
    tree = ast.parse(file.read_text())
    for node in _executed(tree) if running else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)}: line {node.lineno} imports by a relative name"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not for_types and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _executed(node)


def own_packages(file: Path) -> set[str]:
    """The other packages of ours that a file imports; "__init__" stands for smallvision itself."""
    named = {f"{name}.__init__".split(".")[1] for name in imports(file) if name.split(".")[0] == "smallvision"}
    return named - {package_of(file)}


def test_the_list_of_packages_is_complete() -> None:
    folders = {package_of(file) for file in FILES if file.parent != SOURCE}
    assert folders == set(PACKAGES) - set(FILES_AT_THE_TOP)


def test_three_files_belong_to_no_package() -> None:
    assert {package_of(file): own_packages(file) for file in FILES if file.parent == SOURCE} == FILES_AT_THE_TOP


@each_file
def test_imports_point_downwards(file: Path) -> None:
    package = package_of(file)
    below = () if package in IMPORT_NOTHING_OF_OURS else PACKAGES[: PACKAGES.index(package)]
    upwards = sorted(own_packages(file) - set(below))
    assert not upwards, (
        f"{name_of(file)} imports {', '.join(upwards)}; {package} may import {', '.join(below) or 'none'}"
    )


@pytest.mark.slow
def test_no_files_import_one_another_in_a_circle() -> None:
    graph = {module: set(imports(file)) & set(MODULES) - {module} for module, file in MODULES.items()}
    circles = [" -> ".join(sorted(circle)) for circle in strongly_connected(graph)]
    assert not circles, "these files import one another:\n" + "\n".join(circles)


def strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of more than one node in which each is reached from each."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        reached[start], left = set(), [start]
        while left:
            new = graph[left.pop()] - reached[start]
            reached[start] |= new
            left += new
    circles: list[set[str]] = []
    for node in graph:
        if node in reached[node] and not any(node in circle for circle in circles):
            circles.append({other for other in reached[node] if node in reached[other]})
    return circles


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": {"d"}, "f": {"a", "d"}, "g": set()}
    assert sorted(map(sorted, strongly_connected(graph))) == [["a", "b", "c"], ["d", "e"]]


def is_without_torch(file: Path) -> bool:
    if name_of(file) in WITH_TORCH:
        return False
    return package_of(file) in WITHOUT_TORCH or name_of(file) in MORE_WITHOUT_TORCH


@pytest.mark.parametrize("file", [file for file in FILES if is_without_torch(file)], ids=name_of)
def test_files_without_torch_do_not_import_it(file: Path) -> None:
    named = set(imports(file, running=package_of(file) == "tasks"))
    assert not {"torch", "torchvision"} & {name.split(".")[0] for name in named}
    with_torch = {module_of(SOURCE / name) for name in WITH_TORCH}
    assert not with_torch & named, "this file imports one that has torch; let a function import it"


def test_files_with_torch_in_packages_without_it_still_have_it() -> None:
    assert all("torch" in {name.split(".")[0] for name in imports(SOURCE / name)} for name in WITH_TORCH)


HEAVY = ("torch", "sklearn", "matplotlib.pyplot", "scipy", "PIL")


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["probe", "--help"], ["list"], ["runs", "."]])
def test_commands_that_need_no_heavy_library_do_not_load_it(words: list[str]) -> None:
    script = (
        f"import sys; sys.argv = ['smallvision', *{words!r}]\n"
        "from smallvision.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_smallvision_loads_no_library() -> None:
    script = (
        "import sys, smallvision\n"
        "loaded = [name for name in ('torch', 'pydantic', 'numpy', 'rich') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@each_file
def test_every_file_has_a_docstring(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text()))
