"""The public names: those that type checkers see are those that are imported when they are used."""

import ast
from pathlib import Path

import smallvision as sv


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
