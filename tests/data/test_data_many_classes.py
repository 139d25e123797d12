"""Folders of very many classes, names of any length, and numbers beyond sense: refused at once, or counted once."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from smallvision.data import synthetic
from smallvision.data.datasets import folder
from smallvision.data.load import class_count, load
from smallvision.errors import BadInput
from smallvision.experiment import build
from smallvision.experiment.io import build_data
from smallvision.experiment.io import load as load_experiment
from smallvision.rendering import style
from smallvision.tasks import task_of
from smallvision.training.prepare import prepare

CLASSES = 3000


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Class folders, each with one link to the same image."""
    base = tmp_path_factory.mktemp("many")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(base / "one.png")
    for number in range(CLASSES):
        (base / "all" / f"c{number}").mkdir(parents=True)
        os.link(base / "one.png", base / "all" / f"c{number}" / "a.png")
    return base / "all"


def experiment(path):
    data = {"source": "folder", "path": str(path)}
    return build({"name": "a", "data": data, "model": {"kind": "mlp"}, "task": {"kind": "classify"}}, "a")


def test_more_classes_than_fit_are_refused_before_a_class_folder_is_listed(many, monkeypatch):
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(folder.os, "scandir", lambda path: listed.append(path) or scandir(path))
    monkeypatch.setattr("smallvision.data.memory.available_bytes", lambda: 10**8)
    with pytest.raises(
        BadInput, match=r"there are 3,000 classes, .* would take 432.0 MB .* only 100.0 MB are .* at most"
    ) as caught:
        prepare(experiment(many), 0, torch.device("cpu"))
    assert len(listed) < 10  # of more than 3 000 folders
    fit = int(str(caught.value).split("at most ")[1].split(" ")[0].replace(",", ""))
    needed = task_of(experiment(many)).scoring_bytes
    assert needed(fit, fit) <= 10**8 < needed(fit + 1, fit + 1)


def test_more_classes_than_any_data_set_has_are_refused_before_a_class_folder_is_listed(many, monkeypatch):
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(folder.os, "scandir", lambda path: listed.append(path) or scandir(path))
    spec = build_data({"source": "folder", "path": str(many)}, "a")
    monkeypatch.setattr(folder, "MOST_CLASSES", CLASSES - 1)
    for ask in (class_count, load):
        with pytest.raises(
            BadInput, match=("folder has 3,000 class folders, and a data set may have at most 2,999 classes; ")
        ):
            ask(spec, None)
    assert len(listed) < 20
    monkeypatch.setattr(folder, "MOST_CLASSES", CLASSES)
    assert class_count(spec) == CLASSES


def test_a_folder_is_listed_once_for_each_class_and_no_file_is_asked_for_its_kind(many, monkeypatch):
    listed, asked = [], []
    scandir, stat = os.scandir, os.stat
    monkeypatch.setattr(folder.os, "scandir", lambda path: listed.append(path) or scandir(path))
    monkeypatch.setattr(folder.os, "stat", lambda *given, **more: asked.append(given) or stat(*given, **more))
    classes = [path.name for path in folder._folders(many)]
    files = folder._files(many, classes)
    assert [label for _, label in files] == list(range(CLASSES))
    assert classes[2] == "c2"
    assert len(listed) == CLASSES + 2
    assert len(asked) < 10


def test_classes_are_counted_as_an_experiment_chooses_them(many):
    spec = {"source": "folder", "path": str(many)}
    assert class_count(build_data(spec, "a")) == CLASSES
    assert class_count(build_data({**spec, "classes": ["c1", "c2"]}, "a")) == 2
    assert class_count(build_data({"source": "mnist"}, "a")) == 0


def test_names_in_a_figure_are_told_apart_with_one_count_of_them(monkeypatch):
    class Counted(str):
        compared = 0

        def __eq__(self, other):
            Counted.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    monkeypatch.setattr(style, "short", lambda name, length: Counted(name))
    names = [Counted(f"c{number}") for number in range(CLASSES)] + [Counted("c7")]
    out = style.distinct(names)
    assert (out[7], out[8], out[-1]) == ("c7 #7", "c8", f"c7 #{CLASSES}")
    assert Counted.compared < 10 * CLASSES


@pytest.mark.parametrize("count", [10**40, 2**63, -(10**40), 60_001, 9])
def test_more_digits_than_there_are_cannot_be_made(count):
    with pytest.raises(BadInput, match=r"--train .*: equally many images of each of 10 digits"):
        synthetic.plan(np.arange(1000) % 10, (32,), count, 0)


LONG = "k" * 100
CUT = "k" * 51 + "..." + "k" * 26


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"x.toml: unknown key {LONG}; known: a", f"x.toml: unknown key {CUT}; known: a"),
        (f'x: no class "{"a b " * 40}" here', f'x: no class "{("a b " * 40)[:51]}...{("a b " * 40)[-26:]}" here'),
        (f'x: "{LONG}" and "{LONG}"', f'x: "{CUT}" and "{CUT}"'),
        (f"/{'d' * 200}/x y/{'e' * 200}.png: wrong", f"/{'d' * 200}/x y/{'e' * 200}.png: wrong"),
        (f"{'d' * 200}.toml: wrong", f"{'d' * 200}.toml: wrong"),
        (f"x: see {'d' * 100}/a and a/{'d' * 100}", f"x: see {'d' * 100}/a and a/{'d' * 100}"),
        (f'x: "a" {"words " * 30}"b"', f'x: "a" {"words " * 30}"b"'),
    ],
)
def test_names_in_messages_are_cut_and_paths_are_whole(text, expected):
    assert str(BadInput(text)) == expected


def test_keys_of_overrides_are_cut():
    for override in (f"data.{LONG}=1", f"data.source.{LONG}.a=1", f"{LONG}=1"):
        with pytest.raises(BadInput) as caught:
            load_experiment("mnist-cnn", [override])
        assert LONG not in str(caught.value)
        assert "kkk..." in str(caught.value)
