"""What is installed: the wheel has all files and says what it needs; every library that it imports is declared."""

import ast
import email
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import smallvision

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "smallvision"
pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the repository")

# Modules whose distribution has another name, or that come with one by its own documentation.
DISTRIBUTION = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "umap": "umap-learn",
    "mpl_toolkits": "matplotlib",
    "tomli_w": "tomli-w",
    "pytorch_metric_learning": "pytorch-metric-learning",
    "markupsafe": "jinja2",
    "IPython": "ipython",
    "pydantic_core": "pydantic",
}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(project):
    """Name -> requirement of all libraries that users install, extras included."""
    extras = (line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines)
    return {re.match(r"[\w.-]+", line)[0]: line for line in [*project["dependencies"], *extras]}


def test_every_library_that_is_imported_is_declared_with_its_lowest_version(project):
    imported = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    imported -= sys.stdlib_module_names | {"smallvision"}
    needed = {DISTRIBUTION.get(name, name) for name in imported}
    assert {"torch", "scipy", "numpy"} <= needed
    assert needed <= set(declared(project))
    for name, line in declared(project).items():
        assert re.fullmatch(r"[\w.-]+>=[\d.]+(,<[\d.]+)?", line), (
            f"{name}: scripts/floor cannot read its lowest version"
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(SOURCE, folder / "src" / "smallvision", ignore=shutil.ignore_patterns("__pycache__"))
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder / "made",
        folder,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "made").iterdir()
    with zipfile.ZipFile(path) as file:
        yield file


@pytest.mark.slow
def test_the_wheel_has_every_file(wheel):
    there = {name.removeprefix("smallvision/") for name in wheel.namelist() if name.startswith("smallvision/")}
    expected = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == expected
    assert "py.typed" in there


def test_the_package_and_its_metadata_have_one_version(project):
    assert smallvision.__version__ == project["version"]


@pytest.mark.slow
def test_the_wheel_says_what_it_is_and_needs(wheel, project):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    said = email.message_from_bytes(wheel.read(name))
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("smallvision", project["version"], "MIT")
    assert said["Requires-Python"] == ">=3.11"
    assert said["Summary"]
    assert {"MNIST", "PyTorch"} <= set(said["Keywords"].split(","))
    classifiers = said.get_all("Classifier")
    assert "Typing :: Typed" in classifiers
    versions = [
        version
        for line in classifiers
        if (version := line.removeprefix("Programming Language :: Python :: "))[:2] == "3."
    ]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    needed = [re.match(r"[\w.-]+", line)[0] for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    assert needed == [re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]]
    assert said.get_payload().startswith("# smallvision")
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert "smallvision = smallvision.__main__:main" in wheel.read(name).decode()
