"""Imports point downwards only, and what needs no torch does not load it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import smallvision

HOUSE = Path(smallvision.__file__).parent

# Which rooms each room may import, besides itself. Everybody may import errors, experiment, runs, stats and the version.
EVERYBODY = {"errors", "experiment", "runs", "stats", "__init__"}
ALLOWED = {
    "__init__": {"api"},  # lazily
    "__main__": {"cli"},
    "errors": set(),
    "experiment": set(),
    "stats": set(),
    "runs": set(),
    "data": set(),
    "conv": set(),  # nothing of ours at all
    "nn": {"conv"},
    "evaluate": {"data"},
    "tasks": {"evaluate", "data", "nn"},
    "train": {"tasks", "evaluate", "data", "nn"},
    "outcome": {"train", "tasks", "evaluate", "data", "nn"},
    "fingerprint": set(),  # nothing of ours at all
    "rehearsal": {"fingerprint", "train", "tasks", "evaluate", "data", "nn"},
    "lab": {"fingerprint", "rehearsal", "outcome", "train", "tasks", "evaluate", "data", "nn"},
    "infer": {"train", "tasks", "evaluate", "data", "nn"},
    "infer_pairs": {"infer", "tasks", "evaluate", "data", "nn"},
    "look": {"infer", "rehearsal", "outcome", "train", "tasks", "evaluate", "data", "nn"},
    "study": {
        "answers",
        "disagreements",
        "confounds",
        "compared",
        "lab",
        "look",
        "probing",
        "rehearsal",
        "train",
        "evaluate",
        "data",
        "nn",
        "passed",
    },
    "report": {"answers", "disagreements", "compared", "study"},  # reads run files only
    "display": {"lab", "compared"},
    "display_study": {"study", "display"},
    "passed": {"data", "fingerprint", "nn"},
    "probing": {"rehearsal", "infer", "outcome", "train", "tasks", "evaluate", "data", "nn"},
    "display_probe": {"display", "probing", "evaluate"},
    "finished": {"report", "infer", "infer_pairs", "probing", "display", "display_probe", "passed", "data"},
    "assign": set(),
    "answers": set(),  # these four read run files only
    "disagreements": {"answers"},
    "confounds": set(),
    "compared": {"answers", "disagreements", "confounds"},
    "display_conv": {"display", "conv"},
    "display_ladder": {"display", "conv"},
    "cli_assign": {"assign", "api", "display", "data"},
    "cli_probe": {"api", "display", "display_probe"},
    "cli_same": {"api", "display"},
    "cli_conv": {"conv", "display", "display_conv", "display_ladder", "report"},
    "cli_varres": {"data", "train", "display"},
    "api_compare": {"compared", "report", "data"},
    "api_data": {"data"},
    "api_study": {"study", "report", "display", "display_study"},
    "api": {
        "api_compare",
        "api_data",
        "api_study",
        "study",
        "finished",
        "report",
        "lab",
        "rehearsal",
        "display",
        "passed",
        "data",
        "nn",
    },
    "cli": {"api", "display", "display_study", "cli_assign", "cli_conv", "cli_probe", "cli_same", "cli_varres"},
}
WITHOUT_TORCH = {
    "errors",
    "experiment",
    "runs",
    "stats",
    "report",
    "__init__",
    "__main__",
    "cli",
    "answers",
    "disagreements",
    "confounds",
    "compared",
    "assign",
    "cli_assign",
    "cli_conv",
    "cli_probe",
    "cli_same",
    "display_probe",
    "cli_varres",
    "display_conv",
    "api_data",
    "api_study",
    "display_study",
}
SIZES = {
    HOUSE / "conv" / name
    for name in (
        "__init__.py",
        "sizes.py",
        "geometry.py",
        "receptive.py",
        "layers.py",
        "settings.py",
        "windows.py",
        "notation.py",
        "stack.py",
        "solve.py",
        "mirror.py",
    )
}


def modules():
    return sorted(HOUSE.rglob("*.py"))


def room(path):
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path):
    """Every module named in an import statement, wherever it stands, absolute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the house writes them absolute"
            yield node.module
            if node.module == "smallvision":
                yield from (f"smallvision.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_point_downwards(path):
    allowed = ALLOWED[room(path)] | {room(path)} | (EVERYBODY if room(path) != "conv" else set())
    for name in imports(path):
        if name.startswith("smallvision.") and not name.startswith("smallvision.__"):
            target = name.split(".")[1]
            assert target in allowed, f"{path.relative_to(HOUSE)} imports {name}, which is not below it"


@pytest.mark.parametrize(
    "path",
    [p for p in modules() if room(p) in WITHOUT_TORCH or p in SIZES],
    ids=lambda path: str(path.relative_to(HOUSE)),
)
def test_rooms_without_torch(path):
    assert not {name.split(".")[0] for name in imports(path)} & {"torch", "torchvision"}


HEAVY = ("torch", "sklearn", "matplotlib.pyplot", "scipy", "PIL")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["probe", "--help"], ["list"], ["runs", "."]])
def test_what_needs_no_torch_does_not_load_it(words):
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


def test_importing_smallvision_costs_nothing():
    script = "import sys, smallvision; bad = [m for m in ('torch', 'pydantic', 'numpy', 'rich') if m in sys.modules]; assert not bad, bad"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_says_what_it_is_for():
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"
