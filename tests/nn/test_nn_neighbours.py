"""Files that a person's network imports beside it: part of its digest, and never those of another folder."""

import hashlib
import sys

import pytest
import torch

import smallvision as sv
from smallvision.errors import BadInput
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.nn import InputSpec, build
from smallvision.nn.user_model import load_class, source_digest

NET = """
from torch import nn
import helper

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, helper.WIDTH), nn.ReLU(), nn.Linear(helper.WIDTH, 10))

    def forward(self, x):
        return self.net(x)
"""


@pytest.fixture
def folder(tmp_path):
    """A function that makes a folder of files and gives the first of them."""

    def make(name, **files):
        for file, text in files.items():
            path = tmp_path / name / (file.replace("__", "/") + ".py" if file != "init" else "pkg/__init__.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / name / f"{next(iter(files))}.py"

    return make


def made(file, name="Net"):
    return build(CustomSpec(kind=f"{file}:{name}"), InputSpec((1, 8, 8), 10, (0.0,), (1.0,)), 0, trust_code=True)


def test_a_file_without_neighbours_keeps_its_digest(folder):
    text = "import os\nimport torch\nfrom torch import nn\nfrom . import nothing\nimport_module = 3\n"
    file = folder("a", net=text, other="x = 1\n")
    assert source_digest(file) == hashlib.sha256(text.encode()).hexdigest()
    broken = folder("b", net="import helper\ndef broken(:\n", helper="x = 1\n")
    assert source_digest(broken) == hashlib.sha256(broken.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"net": "import helper\n", "helper": "x = 1\n"}, "helper.py"),
        ({"net": "import helper as h\n", "helper": "import deeper\n", "deeper": "x = 1\n"}, "deeper.py"),
        ({"net": "from helper import x\n", "helper": "x = 1\n"}, "helper.py"),
        ({"net": "def f():\n    if 1:\n        import helper\n", "helper": "x = 1\n"}, "helper.py"),
        ({"net": "import pkg.part\n", "init": "", "pkg__part": "x = 1\n"}, "pkg/part.py"),
        ({"net": "import pkg.part\n", "init": "", "pkg__part": "x = 1\n"}, "pkg/__init__.py"),
        ({"net": "from pkg import part\n", "init": "", "pkg__part": "x = 1\n"}, "pkg/part.py"),
        ({"net": "from pkg import *\n", "init": "", "pkg__part": "x = 1\n"}, "pkg/part.py"),
        ({"net": "import pkg\n", "init": "from . import part\n", "pkg__part": "x = 1\n"}, "pkg/part.py"),
        ({"net": "import pkg\n", "init": "from .part import x\n", "pkg__part": "x = 1\n"}, "pkg/part.py"),
        ({"net": "import pkg.part\n", "pkg__part": "from .other import x\n", "pkg__other": "x = 1\n"}, "pkg/other.py"),
        ({"net": "import importlib\nh = importlib.import_module('helper')\n", "helper": "x = 1\n"}, "helper.py"),
        ({"net": "import helper\n", "helper": "import net\n"}, "helper.py"),
    ],
)
def test_every_file_that_is_imported_beside_it_counts(folder, files, changed):
    file = folder("a", **files)
    before = source_digest(file)
    assert source_digest(folder("b", **files)) == before, "the folder does not count"
    (file.parent / "unused.py").write_text("x = 1\n")
    assert source_digest(file) == before
    place = file.parent / changed
    place.write_text(place.read_text() + "# changed\n")
    assert source_digest(file) != before


def test_two_folders_with_a_helper_each_build_their_own_networks(folder):
    before = dict(sys.modules), list(sys.path)
    one, other = folder("one", net=NET, helper="WIDTH = 5\n"), folder("other", net=NET, helper="WIDTH = 7\n")
    widths = [made(file).net.net[1].out_features for file in (one, other, one)]
    assert widths == [5, 7, 5]
    assert "helper" not in sys.modules
    assert sys.path == before[1]
    assert all(sys.modules.get(name) is module for name, module in before[0].items()), "no other module was replaced"


LATE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        {imports}
        return self.net(x) * factor
"""


@pytest.mark.parametrize(
    "imports",
    [
        "from helper import factor",
        "from pkg.part import factor",
        "import pkg.part; factor = pkg.part.factor",
        "from pkg import part; factor = part.factor",
        "import importlib; factor = importlib.import_module('helper').factor",
        "from importlib import import_module; factor = import_module('pkg.part').factor",
        "import importlib; part = importlib.import_module('.part', 'pkg'); factor = part.factor",
    ],
)
def test_imports_that_are_executed_later_find_the_files_of_their_folder(folder, imports):
    files = {"net": LATE.format(imports=imports), "init": ""}
    one = folder(
        "one", **files, helper="factor = 2.0\n", pkg__part="from .deeper import factor\n", pkg__deeper="factor = 2.0\n"
    )
    other = folder(
        "other",
        **files,
        helper="factor = 3.0\n",
        pkg__part="from .deeper import factor\n",
        pkg__deeper="factor = 3.0\n",
    )
    networks = made(one), made(other)
    pixels = torch.rand(2, 1, 8, 8)
    for network, factor in zip((*networks, networks[0]), (2.0, 3.0, 2.0), strict=True):
        assert torch.equal(network(pixels), network.net.net(pixels) * factor)


def test_a_neighbour_may_be_called_as_a_module_that_is_loaded_already(folder):
    import statistics

    files = {"net": NET.replace("helper", "statistics"), "statistics": "import random\nWIDTH = 6\n"}
    assert made(folder("a", **files)).net.net[1].out_features == 6
    assert sys.modules["statistics"] is statistics
    unimported = {
        "net": NET.replace("helper.WIDTH", "8").replace(
            "import helper", "import statistics\nassert statistics.mean([1]) == 1"
        )
    }
    assert made(folder("b", **unimported)).net.net[1].out_features == 8


def test_dataclasses_in_circles_and_packages_work_as_in_any_program(folder):
    net = NET.replace(
        "import helper",
        "from pkg.part import Setting\nimport helper\nassert Setting(3).twice == 6\nfrom helper import *",
    )
    part = (
        "from __future__ import annotations\nimport dataclasses\nfrom . import sibling\n"
        "@dataclasses.dataclass\nclass Setting:\n    k: int\n"
        "    @property\n    def twice(self):\n        return sibling.two() * self.k\n"
    )
    files = {
        "net": net,
        "init": "",
        "pkg__part": part,
        "pkg__sibling": "from . import part\ndef two():\n    return 2 if part else 0\n",
    }
    assert (
        made(folder("a", **files, helper="import net\nWIDTH = 5\ndef name():\n    return net.Net\n"))
        .net.net[1]
        .out_features
        == 5
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"net": NET}, "net.py fails while it is imported: ModuleNotFoundError: No module named 'helper'"),
        (
            {"net": NET, "helper": "import missing_one\n"},
            "helper.py, line 1: ModuleNotFoundError: No module named 'missing_one'",
        ),
        ({"net": NET, "helper": "def broken(:\n"}, "SyntaxError: invalid syntax (helper.py, line 1)"),
        ({"net": NET, "helper": "WIDTH = 3\nraise ValueError('two\\nlines')\n"}, "helper.py, line 2: ValueError: two"),
        ({"net": NET, "helper": "from deeper import x\n", "deeper": "from helper import WIDTH\n"}, "circular import"),
        (
            {"net": NET.replace("import helper", "from helper import WIDE"), "helper": "WIDTH = 3\n"},
            "cannot import name 'WIDE' from 'helper'",
        ),
        ({"net": NET.replace("import helper", "import pkg.part"), "init": ""}, "No module named 'pkg.part'"),
    ],
)
def test_a_neighbour_that_cannot_be_imported_is_told_in_one_line(folder, files, message):
    file = folder("a", **files)
    before = {name for name in sys.modules if "smallvision_custom" in name}
    with pytest.raises(BadInput) as refused:
        made(file)
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"model.kind: {file} fails while it is imported: ")
    assert "\n" not in str(refused.value)
    assert {name for name in sys.modules if "smallvision_custom" in name} == before, "nothing of it stays"


def test_a_neighbour_that_changed_is_told_and_older_digests_are_still_taken(folder):
    file = folder("a", net=NET, helper="WIDTH = 5\n")
    digest, alone = source_digest(file), hashlib.sha256(NET.encode()).hexdigest()
    load_class(CustomSpec(kind=f"{file}:Net", digest=digest))
    load_class(CustomSpec(kind=f"{file}:Net", digest=alone))
    (file.parent / "helper.py").write_text("WIDTH = 6\n")
    with pytest.raises(
        BadInput, match=r"^model\.digest: .*net\.py, or one of the files that it imports \(helper\.py\), has changed"
    ):
        load_class(CustomSpec(kind=f"{file}:Net", digest=digest))


@pytest.mark.slow
def test_a_run_and_a_study_build_what_stands_in_their_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    one, other = folder("one", net=NET, helper="WIDTH = 5\n"), folder("other", net=NET, helper="WIDTH = 7\n")
    text = f"""
name = "folders"
question = "Which folder?"
base = "digits"
seeds = 1
set = {{ "recipe.epochs" = 1, "data.limit" = 200 }}
[[case]]
name = "one"
set = {{ model = {{ kind = "{one}:Net" }} }}
[[case]]
name = "other"
set = {{ model = {{ kind = "{other}:Net" }} }}
"""
    (tmp_path / "folders.toml").write_text(text)
    record = sv.run(str(tmp_path / "folders.toml"), trust_code=True, workers=1)
    found = {row["case"]: record.runs(row["case"])[0] for row in record.table}
    assert {name: run.result["parameters"] for name, run in found.items()} == {
        "one": 65 * 5 + 6 * 10,
        "other": 65 * 7 + 8 * 10,
    }
    words = ["digits", "recipe.epochs=1", "data.limit=200", f"model={{kind='{one}:Net'}}"]
    first = sv.run(*words, trust_code=True)
    assert sv.run(*words, trust_code=True).path == first.path
    (one.parent / "helper.py").write_text("WIDTH = 6\n")
    assert sv.run(*words, trust_code=True).path != first.path, "a neighbour that changed makes another experiment"
