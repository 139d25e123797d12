"""People's own modules: wrapped, checked by one forward pass, executed only with trust."""

import hashlib
import sys

import pytest
import torch
from torch import nn

from smallvision.errors import BadInput
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.nn import InputSpec, adopt, build
from smallvision.nn.user_model import source_digest

SHAPE, MEAN, STD = (3, 8, 8), (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
SOURCE = """
from pathlib import Path
import neighbour
from torch import nn

Path(__file__).with_suffix(".ran").touch()

class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.first = nn.Linear(192, width)
        self.last = nn.Linear(width, neighbour.CLASSES)

    def forward(self, x):
        return self.last(self.first(x.flatten(1)).relu())

class Other:
    pass
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "neighbour.py").write_text("CLASSES = 4\n")
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def load(path, name="Net", trust=True, **more):
    return build(CustomSpec(kind=f"{path}:{name}", **more), InputSpec(SHAPE, 4, MEAN, STD), 7, trust_code=trust)


def test_without_trust_nothing_is_executed(file):
    with pytest.raises(BadInput, match="--trust-code"):
        load(file, trust=False)
    assert not file.with_suffix(".ran").exists()


def test_with_trust_it_is_built_from_the_seed_with_its_options(file):
    before, path = torch.random.get_rng_state(), list(sys.path)
    one, two = load(file, options={"width": 9}), load(file, options={"width": 9})
    assert file.with_suffix(".ran").exists()
    assert sys.path == path
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.net.first.out_features == 9
    assert one.training
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    pixels = torch.rand(5, *SHAPE)
    given = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(one(pixels), one.net(given))
    torch.testing.assert_close(one.encode(pixels), one.net.first(given.flatten(1)).relu())
    assert torch.equal(one.state_dict()["standardize.std"].flatten(), torch.tensor(STD))
    held = [p for group in one.parameter_groups(0.1) for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in one.parameters()}
    assert one.notes == ()


def test_the_digest_holds_a_run_to_its_source(file):
    digest = source_digest(file)
    own, beside = (hashlib.sha256(text.encode()).hexdigest() for text in (SOURCE, "CLASSES = 4\n"))
    assert digest == hashlib.sha256(f"{own}\nneighbour.py {beside}".encode()).hexdigest()
    load(file, digest=digest)
    file.write_text(SOURCE + "\n# changed\n")
    with pytest.raises(BadInput, match=r"^model\.digest: .* has changed"):
        load(file, digest=digest)


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        (None, "Net", "cannot read"),
        ("def broken(:\n", "Net", "fails while it is imported: SyntaxError"),
        ("1 / 0\n", "Net", "fails while it is imported: ZeroDivisionError"),
        (SOURCE, "Nett", 'no nn.Module called "Nett"; did you mean "Net"'),
        (SOURCE, "Other", 'no nn.Module called "Other"'),
        ("x = 1\n", "Net", "it defines no nn.Module"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(file, change, name, message):
    if change is None:
        file.unlink()
    else:
        file.write_text(change)
    with pytest.raises(BadInput) as refused:
        load(file, name)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_wrong_options_are_told(file):
    with pytest.raises(BadInput, match=r"^model\.options: .*depth"):
        load(file, options={"depth": 3})


def test_a_spec_for_python_modules_cannot_be_built():
    with pytest.raises(BadInput, match="passed in from Python"):
        build(CustomSpec(kind="custom"), InputSpec(SHAPE, 4, MEAN, STD), 0)


def adopted(module, classes=4):
    return adopt(module, InputSpec(SHAPE, classes, MEAN, STD))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), r"returns \(2, 10\) .*logits \(2, 4\)"),
        (nn.Conv2d(3, 4, 3), r"returns \(2, 4, 6, 6\)"),
        (nn.Linear(3, 4), r"forward fails on images of shape \(2, 3, 8, 8\): RuntimeError"),
        (nn.Sequential(nn.Flatten(0), nn.LSTM(384, 4)), "forward"),
    ],
)
def test_what_makes_no_logits_is_refused(module, message):
    with pytest.raises(BadInput, match=message):
        adopted(module)


def test_a_softmax_is_noticed_and_allowed():
    for end, word in ((nn.Softmax(1), "softmax"), (nn.LogSoftmax(1), "log-softmax")):
        model = adopted(nn.Sequential(nn.Flatten(), nn.Linear(192, 4), end))
        assert len(model.notes) == 1
        assert f"a {word}" in model.notes[0]


def test_adopting_leaves_the_module_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout(), nn.Flatten(), nn.Linear(180, 4))
    module[1].eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    random = torch.random.get_rng_state()
    model = adopted(module)
    assert [m.training for m in module] == [True, False, True, True, True]
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not any(m._forward_pre_hooks for m in model.modules())
    assert model.encode(torch.rand(2, *SHAPE)).shape == (2, 180)


def test_without_a_dense_layer_the_features_are_the_output():
    model = adopted(nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()))
    pixels = torch.rand(2, *SHAPE)
    assert torch.equal(model.encode(pixels), model(pixels))
