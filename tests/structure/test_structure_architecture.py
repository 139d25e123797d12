"""docs/architecture.md, docs/file-formats.md and docs/keys.md say what the code says."""

import ast
import json
import re
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_structure_imports import FILES, FILES_AT_THE_TOP, PACKAGES, WITHOUT_TORCH, own_packages, package_of

import smallvision
from smallvision.experiment.experiment import Experiment
from smallvision.experiment.model.union import MODEL_SPECS
from smallvision.tasks import TASKS
from smallvision.tasks.base import Schema

ROOT = Path(__file__).parents[2]
SOURCE = Path(smallvision.__file__).parent
PAGE, FORMATS = ROOT / "docs" / "architecture.md", ROOT / "docs" / "file-formats.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="needs the repository")


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def loaded(name: str) -> ModuleType:
    """A script as a module."""
    loader = SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("file-formats")


def cells(page: str, heading: str) -> list[list[str]]:
    """The rows of the table of a section, without its head."""
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_packages_has_them_in_order(page: str) -> None:
    rows = cells(page, "The packages")
    assert [name.strip("`") for name, *_ in rows] == [name for name in PACKAGES if not name.startswith("__")]
    without = {name.strip("`") for name, _, torch in rows if torch == "no"}
    assert without == set(WITHOUT_TORCH) - {"tasks", *FILES_AT_THE_TOP} | {"errors"}


def test_every_import_points_downwards_in_the_drawing(page: str) -> None:
    section = page.partition("## The packages\n")[2].partition("\n## ")[0]
    rows = [line.replace("(the public names)", "").split() for line in section.splitlines() if line.startswith("    ")]
    height = {name: -number for number, row in enumerate(rows) for name in row}
    assert set(height) == set(PACKAGES)
    upwards = {
        f"{package_of(file)} -> {other}"
        for file in FILES
        for other in own_packages(file)
        if height[other] >= height[package_of(file)]
    }
    assert not upwards


def test_the_functions_on_the_way_of_an_image_are_there(page: str) -> None:
    rows = cells(page, "The way of one image")
    assert len(rows) > 10
    names = {name for row in rows for cell in row for name in re.findall(r"`([\w]+(?:\.\w+){2,})`", cell)}
    assert len(names) >= len(rows)
    for name in names:
        module, _, function = name.rpartition(".")
        tree = ast.parse((SOURCE / f"{module.replace('.', '/')}.py").read_text())
        targets = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert function in defined | {target.id for target in targets if isinstance(target, ast.Name)}, name


def test_every_file_that_the_page_names_is_there(page: str) -> None:
    for name in re.findall(r"`([\w/]+/[\w/]*(?:\.py)?)`", page.replace("probes/HASH/", "")):
        assert any((folder / name).exists() for folder in (ROOT, SOURCE)), name
    for name in re.findall(r"\]\(([\w./-]+)\)", page):
        assert (PAGE.parent / name).exists(), name


def test_the_dependencies_are_those_that_are_declared(page: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for key, lines in declared["optional-dependencies"].items() if key != "dev" for line in lines]
    wanted = {re.split(r"[<>=]", line)[0].lower() for line in [*declared["dependencies"], *extras]}
    rows = cells(page, "Dependencies")
    named = {re.sub(r" \(extra `\w+`\)", "", name).lower() for row in rows for name in row[0].split(", ")}
    assert named == wanted


def test_the_page_of_file_formats_is_what_the_schemas_say(script: ModuleType) -> None:
    assert script.page() == FORMATS.read_text(encoding="utf-8"), "run scripts/file-formats"


def test_the_page_of_keys_is_what_the_specs_say() -> None:
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert loaded("keys").page() == page, "run scripts/keys"
    for table in ("data", "recipe", "protocol"):
        spec = Experiment.model_fields[table].annotation
        assert spec is not None
        for name in set(spec.model_fields) - {"kind"}:
            assert f"| `{table}.{name}` |" in page
    for kind, spec in MODEL_SPECS.items():
        section = page.partition(f'### With `model.kind = "{kind}"`\n')[2].partition("\n#")[0]
        assert set(spec.model_fields) - {"kind"} <= set(re.findall(r"^\| `model\.(\w+)` \|", section, re.M)), kind


def test_a_key_without_a_description_and_a_description_without_a_key_are_found(script: ModuleType) -> None:
    schema = Schema({"known": "a number", "new": "a number"}, descriptions={"known": "One.", "gone": "Two."})
    with pytest.raises(SystemExit, match="new: has no description"):
        script.table(script.own_keys(schema), schema.descriptions, "key")
    assert script.stale({"mine": schema}) == ["task mine: gone"]
    assert script.stale({kind: task.schema for kind, task in TASKS.items()}) == []


RUNS = {
    "classify": {"data": {"validation": 0.2}, "model": {"kind": "mlp", "widths": [8]}},
    "reconstruct": {
        "data": {"validation": 0.2},
        "model": {"kind": "mlp-autoencoder", "widths": [16], "representation": 3},
        "task": {"kind": "reconstruct"},
    },
    "verify": {
        "data": {"validation": 0.2},
        "model": {"kind": "siamese", "encoder": {"experiment": "digits"}, "weights": "fresh"},
        "task": {"kind": "verify", "pairs": 1000},
        "recipe": {"order": "classes", "classes_per_batch": 10, "images_per_class": 8},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNS)
def test_the_page_has_every_key_and_array_of_a_run(kind: str, tmp_path: Path, page: str) -> None:
    from smallvision.experiment import build
    from smallvision.training import run as training
    from smallvision.training.user_objects import with_digests

    table = {"name": kind, **RUNS[kind]}
    table["recipe"] = {"epochs": 1, "select": "best-validation", **table.get("recipe", {})}
    experiment = build({**table, "data": {"source": "digits", **table["data"]}}, "the test")
    experiment = with_digests(experiment, None, None, None)
    run = tmp_path / "run"
    list(training.run(experiment, training.RunOptions(run, 0, device="cpu", threads=1)))
    formats = FORMATS.read_text(encoding="utf-8")
    own = documented(formats, f"Task `{kind}`")
    for file in ("state.json", "environment.json", "layers.json", "result.json", "metrics.jsonl", "steps.jsonl"):
        values = [json.loads(line) for line in ((run / file).read_text().splitlines() if file[-1] == "l" else [])]
        for value in values or [json.loads((run / file).read_text())]:
            splits = {name: value.pop(name) for name in ("train", "validation", "test") if name in value}
            assert set(value) <= documented(formats, f"`{file}`") | own, file
            assert {key for split in splits.values() if split for key in split} <= own | {"count", "copies"}
    with np.load(run / "evidence.npz") as evidence:
        assert set(evidence.files) <= documented(formats, "`evidence.npz`") | own
    listed = {
        name for row in cells(page, "A run directory, format version 1") for name in re.findall(r"`([^`]+)`", row[0])
    }
    assert {path.name for path in run.iterdir()} <= listed


def documented(formats: str, heading: str) -> set[str]:
    """The names in the tables of a section."""
    section = formats.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
