"""The public names: those that type checkers see are those that are imported when they are used."""

import ast
from pathlib import Path

import smallvision as sv
from smallvision.api import names


def test_type_checkers_see_every_public_name_in_the_module_it_comes_from():
    tree = ast.parse(Path(sv.__file__).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: statement.module
        for statement in checked.body
        if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith("smallvision.")
        for alias in statement.names
    }
    assert seen == {name: f"smallvision.api.{module}" for name, module in sv._MODULES.items()}
    assert sorted(seen) == sorted(sv.__all__)


def test_a_public_name_is_what_its_module_defines():
    for name, module in sv._MODULES.items():
        assert getattr(sv, name).__module__ == f"smallvision.api.{module}", name


def test_the_studies_that_type_checkers_know_are_those_of_the_catalog():
    assert list(names.StudyName.__args__) == [row["name"] for row in sv.catalog() if row["kind"] == "study"]


def test_the_names_of_the_package_are_the_public_ones():
    assert dir(sv) == sorted([*sv.__all__, "__version__"])
    for name in sv.__all__:
        assert callable(getattr(sv, name))
