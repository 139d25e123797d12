"""Networks, losses and arrays passed in from Python: what decides that two calls are one run."""

import collections
import dataclasses
import enum
import functools
import math
import os
import random
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import smallvision as sv
from smallvision.errors import BadInput
from smallvision.training.fingerprint import UNKNOWN, fingerprint
from smallvision.training.user_objects import with_digests

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SHORT = ["recipe.epochs=1", "data.limit=200"]
ASKED = sv.show("digits", *SHORT)
FACTOR = 1.0
TABLE = {"factor": 1.0}


def hash_of(model=None, loss=None, data=None):
    return with_digests(ASKED, data, model, loss).hash()


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


@dataclasses.dataclass
class Setting:
    k: int = 1


Point = collections.namedtuple("Point", "x y")


class Net(nn.Module):
    """A network with one attribute beside its weights, which are always the same."""

    def __init__(self, k=None, inside=False):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        (self.body[1] if inside else self).k = k

    def forward(self, x):
        return self.body(x)


VALUES = [
    (1, 100),
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    ("a", "b"),
    (None, 0),
    (b"a", "a"),
    (1 + 2j, 2 + 1j),
    ((1, 2), [1, 2]),
    ([1, [2]], [1, [3]]),
    ({"a": 1}, {"a": 2}),
    ({1, 2}, {1, 3}),
    (frozenset({1}), {1}),
    (Kind.ONE, Kind.TWO),
    (Setting(1), Setting(2)),
    (Point(1, 2), Point(2, 1)),
    (slice(1), slice(2)),
    (range(3), range(4)),
    (torch.float32, torch.float64),
    (torch.Size([1, 2]), torch.Size([2, 1])),
    (torch.zeros(2), torch.ones(2)),
    (torch.zeros(2), torch.tensor([-0.0, 0.0])),
    (torch.zeros(2), torch.zeros(2, dtype=torch.bfloat16)),
    (torch.zeros(4), torch.zeros(2, 2)),
    (np.zeros(2), np.ones(2)),
    (np.zeros(2), np.zeros(2, np.float32)),
    (np.float64(1), np.float64(2)),
    (np.int64(1), np.int32(1)),
    (np.array([1, "a"], object), np.array([1, "b"], object)),
    (lambda x: x + 1, lambda x: x + 2),
    (F.relu, F.gelu),
    (torch.relu, torch.tanh),
    (np.sin, np.cos),
    (torch.Tensor.relu, torch.Tensor.tanh),
    (torch.ops.aten.relu, torch.ops.aten.tanh),
    (functools.partial(F.relu, inplace=True), functools.partial(F.relu, inplace=False)),
    (nn.ReLU, nn.GELU),
    (Net, Setting),
    (collections.deque([1]), collections.deque([2])),
    (collections.OrderedDict(a=1), collections.OrderedDict(a=2)),
    (collections.defaultdict(list), collections.defaultdict(set)),
    (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
    (torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.0, 2.0)),
]


@pytest.mark.parametrize(("one", "other"), VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("inside", [False, True])
def test_an_attribute_of_a_network_or_of_a_layer_in_it_counts(one, other, inside):
    first = hash_of(Net(one, inside))
    assert first == hash_of(Net(one, inside)), "the same call is the same experiment"
    assert first != hash_of(Net(other, inside))


def test_flags_hooks_and_weights_of_every_layer_count():
    def changed(change):
        net = Net()
        change(net)
        return hash_of(net)

    def doubled(module, given, output):
        return output * 2

    def halved(module, given, output):
        return output / 2

    def hooked(*hooks):
        return changed(lambda net: [net.body[1].register_forward_hook(hook) for hook in hooks])

    found = [
        hash_of(Net()),
        changed(lambda net: net.body[1].eval()),
        changed(lambda net: net.body[1].weight.requires_grad_(False)),
        changed(lambda net: net.body[1].weight.data.add_(1)),
        changed(lambda net: net.register_buffer("seen", torch.zeros(1), persistent=False)),
        changed(lambda net: net.register_buffer("seen", torch.ones(1), persistent=False)),
        changed(lambda net: nn.utils.parametrizations.weight_norm(net.body[1])),
        hooked(doubled),
        hooked(halved),
        hooked(doubled, halved),
        hooked(halved, doubled),
    ]
    assert len(set(found)) == len(found)
    assert hooked(doubled) == found[7], "the numbers that torch gives to hooks count for nothing"


def loss_of_a_table(logits, labels):
    return TABLE["factor"] * F.cross_entropy(logits, labels)


def loss_of_a_global(logits, labels):
    return FACTOR * F.cross_entropy(logits, labels)


def inner(logits, labels):
    return loss_of_a_global(logits, labels) if labels is not None else outer(logits, labels)  # in a circle


def outer(logits, labels):
    def nested():
        return inner(logits, labels)

    return nested()


class Weighted:
    """A callable object whose method reads a global and an attribute."""

    def __init__(self, by=1.0):
        self.by = by

    def __call__(self, logits, labels):
        return self.by * loss_of_a_global(logits, labels)

    def method(self, logits, labels):
        return self(logits, labels)


class Module(nn.Module):
    def forward(self, logits, labels):
        return loss_of_a_global(logits, labels)


@pytest.mark.parametrize(
    "make",
    [
        lambda: loss_of_a_global,
        lambda: inner,
        lambda: outer,
        lambda: lambda a, b: outer(a, b),
        Weighted,
        lambda: Weighted().method,
        Module,
        lambda: functools.partial(outer),
        lambda: functools.lru_cache(outer),
    ],
)
def test_globals_that_a_loss_reaches_count(make, monkeypatch):
    before = hash_of(loss=make())
    assert hash_of(loss=make()) == before
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 2.0)
    assert hash_of(loss=make()) != before


def test_everything_else_of_a_loss_counts(monkeypatch):
    def closed(factor):
        return lambda a, b, by=1.0, *, plus=0.0: factor * by * F.cross_entropy(a, b) + plus

    def default(**given):
        made = closed(1.0)
        made.__defaults__, made.__kwdefaults__ = (given.get("by", 1.0),), {"plus": given.get("plus", 0.0)}
        return made

    losses = [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.5),
        nn.CrossEntropyLoss(reduction="sum"),
        F.cross_entropy,
        F.multi_margin_loss,
        functools.partial(F.cross_entropy, label_smoothing=0.1),
        functools.partial(F.cross_entropy, label_smoothing=0.2),
        closed(1.0),
        closed(2.0),
        default(by=2.0),
        default(plus=2.0),
        Weighted(1.0),
        Weighted(2.0),
        Weighted(2.0).method,
        *[lambda a, b: F.cross_entropy(a, b), lambda a, b: F.nll_loss(a, b)],  # both on one line
    ]
    hashes = [hash_of(loss=loss) for loss in losses]
    assert len(set(hashes)) == len(losses)
    assert hashes == [hash_of(loss=loss) for loss in losses]
    before = hash_of(loss=loss_of_a_table)
    monkeypatch.setitem(TABLE, "factor", 2.0)
    assert hash_of(loss=loss_of_a_table) != before


SOURCES = {
    "the loss": "def loss(a, b):\n    return F.cross_entropy(a, b){change}\n",
    "a function that it calls": "def other(a, b):\n    return F.cross_entropy(a, b){change}\n"
    "def loss(a, b):\n    return other(a, b)\n",
    "a class that it makes": "class Other:\n    def at(self, x):\n        return x{change}\n"
    "def loss(a, b):\n    return Other().at(F.cross_entropy(a, b))\n",
    "a base class": "class Base:\n    def at(self, x):\n        return x{change}\nclass Other(Base):\n    k = 1\n"
    "def loss(a, b):\n    return Other().at(F.cross_entropy(a, b))\n",
    "a class attribute": "class Other:\n    k = 1{change}\n"
    "def loss(a, b):\n    return Other.k * F.cross_entropy(a, b)\n",
    "a property": "class Other:\n    @property\n    def k(self):\n        return 1{change}\n"
    "def loss(a, b):\n    return Other().k * F.cross_entropy(a, b)\n",
    "a decorated function": "import functools\n@functools.cache\ndef k():\n    return 1{change}\n"
    "def loss(a, b):\n    return k() * F.cross_entropy(a, b)\n",
    "a set in the code": "def loss(a, b):\n    return F.cross_entropy(a, b) if 1 in {{1, 2{change}}} else a.mean()\n",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_code_that_changed_counts_and_comments_do_not(source):
    def loss(change, comment=""):
        module = types.ModuleType("notebook")
        exec(f"{comment}\nimport torch.nn.functional as F\n" + source.format(change=change), vars(module))
        return module.loss

    assert hash_of(loss=loss("")) == hash_of(loss=loss("", "# a remark\n\n"))
    assert hash_of(loss=loss("")) != hash_of(loss=loss(" + 1"))


def test_a_module_of_ones_own_that_a_loss_reads_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("FACTOR = 1.0\nOTHER = 1\n")
    space = {}
    exec(
        f"import {name} as own\nimport torch.nn.functional as F\n"
        "def reads(a, b):\n    return own.FACTOR * F.cross_entropy(a, b)\n"
        f"def imports(a, b):\n    import {name} as it\n    return getattr(it, 'FACTOR') * F.cross_entropy(a, b)\n",
        space,
    )
    own = sys.modules[name]
    before = [hash_of(loss=space[which]) for which in ("reads", "imports")]
    own.OTHER = 2
    assert hash_of(loss=space["reads"]) == before[0], "it reads another name of the module"
    own.FACTOR = 2.0
    assert hash_of(loss=space["reads"]) != before[0]
    assert hash_of(loss=space["imports"]) != before[1]


def test_a_layer_whose_class_changed_is_another_network():
    def net(body):
        space = {"nn": nn, "__name__": "notebook"}
        exec(f"class Layer(nn.Module):\n    def forward(self, x):\n        return {body}\n", space)
        found = Net()
        found.body.append(space["Layer"]())
        return found

    assert hash_of(net("x * 2")) == hash_of(net("x * 2"))
    assert hash_of(net("x * 2")) != hash_of(net("x * 3"))


def test_fingerprints_are_the_same_in_every_process():
    script = (
        "import torch, collections, functools\nfrom torch import nn\n"
        "from smallvision.training.fingerprint import fingerprint\n"
        "class Net(nn.Module):\n    kinds = {'a', 'b', 'c'}\n    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.lstm, self.names = nn.Linear(2, 2), nn.LSTM(2, 2), {'x', 'y', 'z', 1, (2, 'w')}\n"
        "        self.a.register_forward_hook(lambda *_: None)\n"
        "    def forward(self, x):\n        return x if x in {'p', 'q', 'r'} else self.a(x)\n"
        "torch.manual_seed(0)\n"
        "found = [fingerprint(part) for part in (Net(), Net, functools.partial(Net), nn.CrossEntropyLoss)]\n"
        "assert not any(one.unknown for one in found), found\nprint(*[one.digest for one in found])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_the_state_of_the_processs_generators_counts_for_nothing():
    def loss(a, b):
        return (
            random.random() + np.random.rand() + torch.rand(1, generator=torch.default_generator)
        ) * F.cross_entropy(a, b)

    before = hash_of(loss=loss)
    random.random(), np.random.rand(), torch.rand(1)
    assert hash_of(loss=loss) == before
    assert fingerprint(loss).unknown is None


LOCK = threading.Lock()


def reads_a_file(logits, labels):
    return float(open("factor.txt").read()) * F.cross_entropy(logits, labels)


def holds_a_lock(logits, labels):
    with LOCK:
        return F.cross_entropy(logits, labels)


def loads_an_array(logits, labels):
    return F.cross_entropy(logits, labels) * float(np.load("factor.npy"))


def loads_tensors(logits, labels):
    return F.cross_entropy(logits, labels) * torch.load("factor.pt")


def reads_by_a_path(logits, labels):
    return F.cross_entropy(logits, labels) * float(Path("factor.txt").read_text())


def reads_the_environment(logits, labels):
    return F.cross_entropy(logits, labels) * float(os.environ["FACTOR"])


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (loads_an_array, r"loads_an_array reads something outside the program through np\.load"),
        (loads_tensors, r"through torch\.load"),
        (reads_by_a_path, "through Path"),
        (reads_the_environment, r"through os\.environ"),
        (Net(LOCK), "k of Net is a lock"),
        (Net(i for i in []), "k of Net is a generator"),
        (Net(inside=True, k=[LOCK]), "k of Linear is a lock"),
        (holds_a_lock, "LOCK of holds_a_lock is a lock"),
        (reads_a_file, r"reads_a_file calls open\(\)"),
        (torch.jit.script(nn.Linear(2, 2)), "compiled"),
        (torch.compile(nn.Linear(2, 2)), "compiled"),
        (torch.compile(loss_of_a_global), "compiled"),
    ],
)
def test_what_cannot_be_told_is_never_the_same_twice(thing, why):
    one, other = fingerprint(thing), fingerprint(thing)
    assert one.digest != other.digest
    assert one.digest.startswith(UNKNOWN)
    assert re.search(why, one.unknown)


def test_a_compiled_function_of_an_extension_cannot_be_told(monkeypatch):
    from smallvision.training import fingerprint as module

    def loss(logits, labels):
        return math.sin(1.0) * torch._C._nn.nll_loss_nd(logits, labels)

    assert fingerprint(loss).unknown is None, "torch's own and Python's own are told by their names"
    library = module._library
    monkeypatch.setattr(module, "_library", lambda name: None if name == "math" else library(name))
    assert fingerprint(loss).unknown == "math.sin is a compiled function"


def test_a_run_with_something_that_cannot_be_told_is_run_and_run_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    runs = [sv.run("digits", *SHORT, loss=holds_a_lock) for _ in range(2)]
    assert runs[0].path != runs[1].path
    assert any(
        "LOCK of holds_a_lock is a lock" in note and "never taken for an earlier one" in note
        for note in runs[0].result["notes"]
    )
    assert (runs[0].path / "model.safetensors").read_bytes() == (runs[1].path / "model.safetensors").read_bytes()
    done = sv.run("digits", *SHORT, model=Net(LOCK))
    assert any("k of Net is a lock" in note for note in done.result["notes"])
    assert done.predict(done.record.evidence["first_pixels"]).shape == (20, 10)


def test_the_calls_of_the_issue_are_runs_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    calls = [
        {"loss": nn.CrossEntropyLoss()},
        {"loss": nn.CrossEntropyLoss(label_smoothing=0.5)},
        {"model": Net(1)},
        {"model": Net(100)},
    ]
    runs = [sv.run("digits", *SHORT, **call) for call in calls]
    assert len({run.path for run in runs}) == len(calls)
    assert runs[0].result["test"]["loss"] != runs[1].result["test"]["loss"]
    again = sv.run("digits", *SHORT, loss=nn.CrossEntropyLoss(label_smoothing=0.5))
    assert again.path == runs[1].path


# Arrays


def test_arrays_count_by_their_values_names_and_types():
    x, y = np.arange(128, dtype=np.uint8).reshape(2, 8, 8), np.array([0, 1])
    same = [
        {"x_train": x, "y_train": y},
        (x, y),
        (torch.from_numpy(x), torch.from_numpy(y)),
        (np.asfortranarray(x), y),
        (np.repeat(x, 2, axis=2)[..., ::2], y),
        (x, [0, 1]),
        {"y_train": [0, 1], "x_train": x},
    ]
    frozen = x.copy()
    frozen.setflags(write=False)
    same.append((frozen, y))
    assert len({hash_of(data=data) for data in same}) == 1
    other = [
        (x, y),
        (x[::-1], y),
        (x, y[::-1]),
        (x.astype(np.int16), y),
        (np.zeros((2, 8, 8)), y),
        (np.full((2, 8, 8), -0.0), y),
        (np.full((2, 8, 8), np.nan), y),
        (x.reshape(2, 1, 8, 8), y),
        (x, y, x, y),
        {"x_train": x, "y_train": y, "classes": ["a", "b"]},
        {"x_train": x, "y_train": y, "classes": ["b", "a"]},
        {"x_train": x, "y_train": y, "x_val": x, "y_val": y},
    ]
    assert len({hash_of(data=data) for data in other}) == len(other)
    named = {"x_train": x, "y_train": y, "classes": np.array(["a", "b"])}
    assert hash_of(data=named) == hash_of(data=other[9])


@pytest.mark.parametrize(
    "bad",
    [
        {1: np.zeros(2)},
        (np.zeros((0, 8, 8), np.uint8), np.zeros(0, int)),
        (torch.zeros(2, 8, 8, dtype=torch.bfloat16), [0, 1]),
        (np.zeros((2, 8, 8), "datetime64[s]"), [0, 1]),
        (torch.zeros(2, 8, 8).to_sparse(), [0, 1]),
        ([[1], [1, 2]], [0, 1]),
        (np.array([object(), object()]), [0, 1]),
    ],
)
def test_what_is_no_array_of_images_is_refused_in_one_line(bad, tmp_path):
    with pytest.raises(BadInput) as refused:
        sv.run("digits", data=bad, out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


# A class, or a function that makes the network


class Drawn(nn.Module):
    """A network whose weights are drawn when it is made, one of them by numpy."""

    def __init__(self, width=12):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        self.scale = nn.Parameter(torch.tensor(np.random.rand()).float())

    def forward(self, x):
        return self.scale * self.body(x)


def make():
    return Drawn(9)


@pytest.mark.parametrize("model", [Drawn, make, functools.partial(Drawn, 14), lambda: Drawn(16)])
def test_a_network_is_made_under_the_runs_seed(model, tmp_path, monkeypatch):
    runs = []
    for folder in ("one", "other"):
        monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / folder))
        torch.manual_seed(len(folder))
        states = torch.random.get_rng_state(), np.random.get_state()[1].copy()
        runs.append(sv.run("digits", *SHORT, model=model, seed=3))
        assert torch.equal(torch.random.get_rng_state(), states[0])
        assert np.array_equal(np.random.get_state()[1], states[1])
    assert runs[0].path.name == runs[1].path.name
    assert (runs[0].path / "model.safetensors").read_bytes() == (runs[1].path / "model.safetensors").read_bytes()
    assert not any("its weights" in note for note in runs[0].result["notes"])
    before = (runs[1].path / "result.json").stat().st_mtime_ns
    assert sv.run("digits", *SHORT, model=model, seed=3).path == runs[1].path, "the second call shows the finished run"
    assert (runs[1].path / "result.json").stat().st_mtime_ns == before
    other = sv.run("digits", *SHORT, model=model, seed=4)
    assert (other.path / "model.safetensors").read_bytes() != (runs[1].path / "model.safetensors").read_bytes()


def test_weights_drawn_under_the_seed_are_those_of_the_seed(tmp_path):
    from smallvision.nn import made

    found = made.network(lambda: nn.Linear(3, 2), 7)
    torch.manual_seed(7)
    assert torch.equal(found.weight, nn.Linear(3, 2).weight)


def test_a_network_that_is_made_predicts_probes_and_resumes(tmp_path):
    from smallvision.training import run

    done = sv.run("digits", "recipe.epochs=2", "data.limit=200", model=Drawn, out=tmp_path / "whole")
    pixels = done.record.evidence["first_pixels"]
    np.testing.assert_allclose(done.predict(pixels), done.record.evidence["probabilities"][:20], atol=1e-5)
    for again in (Drawn, Drawn(), lambda: Drawn()):
        np.testing.assert_array_equal(sv.open_run(done.path, model=again).predict(pixels), done.predict(pixels))
    asked = with_digests(sv.show("digits", "recipe.epochs=2", "data.limit=200"), None, Drawn, None)
    running = run.run(asked, run.RunOptions(tmp_path / "part"), passed=run.UserObjects(model=Drawn))
    for event in running:
        if isinstance(event, run.EpochRecord):
            break
    running.close()
    went_on = sv.run("digits", "recipe.epochs=2", "data.limit=200", model=Drawn, out=tmp_path / "part", resume=True)
    assert (went_on.path / "model.safetensors").read_bytes() == (done.path / "model.safetensors").read_bytes()


def test_a_network_with_its_weights_is_told(tmp_path):
    done = sv.run("digits", *SHORT, model=Net(), out=tmp_path / "run")
    assert any(
        note.startswith("the network was passed in with its weights, so they do not depend on the seed")
        for note in done.result["notes"]
    )


class Needing(Drawn):
    def __init__(self, width):
        super().__init__(width)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Needing,
            r"^model: Needing\(\) cannot make the network \(TypeError: .*'width'\); pass an instance, or a function",
        ),
        (lambda: None, r"returned a NoneType; expected an nn\.Module$"),
        (lambda: 1 / 0, "cannot make the network .ZeroDivisionError: division by zero"),
        ("net", r"^model: got 'net' \(str\); expected an nn\.Module, a class of one, or a function without arguments"),
        (Setting, "^model: got the class Setting, which is not an nn.Module"),
    ],
)
def test_what_makes_no_network_is_refused(model, message, tmp_path):
    with pytest.raises(BadInput, match=message) as refused:
        sv.run("digits", *SHORT, model=model, out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("loss", "message"),
    [(nn.CrossEntropyLoss, r"loss=CrossEntropyLoss\(\)"), (object(), "a function"), ("l1", "a function")],
)
def test_what_is_no_loss_is_refused(loss, message, tmp_path):
    with pytest.raises(BadInput, match=f"^loss: got .*{message}"):
        sv.run("digits", *SHORT, loss=loss, out=tmp_path / "run")


class Times(Net):
    def forward(self, x):
        return self.k * self.body(x)


def test_a_run_opened_with_another_network_gives_no_answers(tmp_path):
    done = sv.run("digits", *SHORT, model=Times(1.0), out=tmp_path / "run")
    pixels = done.record.evidence["first_pixels"]
    assert np.array_equal(sv.open_run(done.path, model=Times(1.0)).predict(pixels), done.predict(pixels))
    with pytest.raises(
        BadInput, match="is not the one of this run: its probabilities for the run's first images differ"
    ):
        sv.open_run(done.path, model=Times(100.0)).predict(pixels)
