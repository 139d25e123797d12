"""Pages in a dark theme, their commands, and what an experiment changes of the catalog."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from smallvision.experiment import load, lookup
from smallvision.experiment.changes import from_catalog, stated, stated_study, study_from_catalog
from smallvision.experiment.io import catalog, parse_toml
from smallvision.rendering import embed, format, style
from smallvision.rendering.svg import inline
from smallvision.tasks.classification import figures

CSS = (Path(style.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2.2, 1 to 21."""
    shades = []
    for color in (one, other):
        short = color.removeprefix("#")
        full = short if len(short) == 6 else "".join(2 * letter for letter in short)
        parts = np.array([int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        shades.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    low, high = sorted(shades)
    return (high + 0.05) / (low + 0.05)


def themes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.S)
    return {name: dict(re.findall(r"--([\w-]+): (#\w+)", text)) for name, text in (("light", light), ("dark", dark))}


def test_text_and_lines_are_legible_in_both_themes() -> None:
    for name, colors in themes().items():
        for text in ("ink", "muted", "accent", "bad", "good"):
            for ground in ("paper", "wash", "warn"):
                assert contrast(colors[text], colors[ground]) >= 4.5, (name, text, ground)
        for line in ("blue", "vermilion", "green"):
            assert contrast(colors[line], colors["paper"]) >= 3, (name, line)
    assert set(themes()["light"]) == set(themes()["dark"]) >= set(embed.THEME.values())


def test_a_figure_follows_the_theme_and_its_cells_are_inverted_as_a_whole() -> None:
    matrix = np.array([[9, 1], [2, 8]])
    box = ElementTree.fromstring(inline(figures.confusion(matrix, ["a", "b"]), "what it shows", "one"))
    assert box.get("class") == "drawing"
    cells = [one for one in box.iter() if one.get("class") == style.CELLS]
    inside = {id(part) for one in cells for part in one.iter()}
    numbers = [part.text for one in cells for part in one.iter() if part.tag == "text"]
    assert {"9", "1", "2", "8"} <= set(numbers)
    assert any(one.tag == "image" for one in cells)
    for one in box.iter():
        said = one.get("style", "")
        for color in (style.INK, "#ffffff"):
            literal = re.search(rf"(?<!,){color}", said)
            assert not literal or id(one) in inside
            assert f",{color})" not in said or id(one) not in inside
    assert "var(--ink,#222222)" in ElementTree.tostring(box, encoding="unicode")
    assert ".cells { filter: invert(1)" in CSS


def test_commands_are_typed_where_the_runs_folder_is(tmp_path: Path) -> None:
    run = tmp_path / "some where" / "runs" / "digits-s0"
    assert format.run_path(run) == "runs/digits-s0"
    assert format.run_path(Path("runs/digits-s0")) == "runs/digits-s0"
    typed = f"smallvision run '{run.parent}/other-s0/experiment.toml' --root /data"
    assert format.relative_command(typed, run) == "smallvision run 'runs/other-s0/experiment.toml' --root /data"
    assert format.relative_command("smallvision run digits", run) == "smallvision run digits"


@pytest.mark.parametrize(
    ("keys", "changed"),
    [
        ([], []),
        (["recipe.epochs=3"], ["recipe.epochs = 3 instead of 30"]),
        (["data.limit=100"], ["data.limit = 100"]),
        (["model.dense=[]"], ["model.dense = [] instead of [64]"]),
        (['model={kind="mlp"}'], ['model.kind = "mlp" instead of "cnn"']),
        (["name=other"], None),
        (["about=mine", "minutes=9"], []),
    ],
)
def test_what_is_changed_of_the_catalogs_experiment(keys: list[str], changed: list[str] | None) -> None:
    found = from_catalog(load("digits", keys))
    assert (found if found is None else list(found)) == changed


def test_no_entry_of_the_catalog_is_changed_and_what_is_stated_says_it_all() -> None:
    for name in catalog():
        asked = load(name)
        assert from_catalog(asked) == ()
        assert type(asked).model_validate({**parse_toml(stated(asked)), "name": name}).hash() == asked.hash()
    asked = load("digits-encoder-classifier")
    encoder = asked.model.encoder.model_copy(update={"digest": "0" * 8})  # as a run records it
    assert from_catalog(asked.model_copy(update={"model": asked.model.model_copy(update={"encoder": encoder})})) == ()
    for name in lookup.studies():
        assert study_from_catalog(lookup.load_study(name)) == ()
    few = lookup.load_study("digits-smoke", ["seeds=2"])
    assert study_from_catalog(few) == ("seeds = [0, 1] instead of [0, 1, 2, 3, 4]",)
    assert "seeds = [0, 1]" in stated_study(few)
