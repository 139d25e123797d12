"""An encoder that is taken over from another run.

A run starts with exactly its bits, the other run is made first and only once, and nothing of it is needed afterwards.
"""

import json
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch.nn import functional as F

import smallvision
from smallvision.data import load as images
from smallvision.data.batching.samplers import ORDERS
from smallvision.errors import BadInput
from smallvision.experiment import build, load
from smallvision.inference import predict
from smallvision.report.run import page
from smallvision.runs.read import read_run
from smallvision.tasks.classification.learn import ClassificationLearner
from smallvision.training import prepare
from smallvision.training import run as training_run
from smallvision.training.engine import train
from smallvision.training.run import RunOptions
from smallvision.training.state import begin
from smallvision.training.user_objects import with_digests

pytestmark = pytest.mark.slow

GIVER = """
name = "giver"
[data]
source = "digits"
limit = 200
normalize = {normalize}
[model]
kind = "cnn"
blocks = [{{ channels = {channels}, pool = 2, normalization = "batch", dropout = 0.2 }}]
dense = [12]
[recipe]
epochs = {epochs}
learning_rate = 0.05
"""
TAKER = """
name = "taker"
[data]
source = "digits"
limit = 300
validation = 0.2
[model]
kind = "encoder-classifier"
encoder = {encoder}
dense = [10]
{more}
[recipe]
epochs = 2
batch_size = 32
optimizer = "adamw"
weight_decay = 0.01
schedule = "one-cycle"
{last}
"""


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Every test has a folder of its own, with a folder of runs in it.

    No reports are written, since they take longer than runs, and the number of threads is put back afterwards.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(smallvision.Run, "report", lambda _: None)
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path / "runs"))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def giver(epochs=1, channels=4, normalize="{ mean = [0.25], std = [0.5] }", more=""):
    Path("giver.toml").write_text(GIVER.format(epochs=epochs, channels=channels, normalize=normalize) + more)
    return "giver.toml"


def taker(encoder='{ experiment = "giver.toml" }', more="", name="taker.toml", last=""):
    Path(name).write_text(TAKER.format(encoder=encoder, more=more, last=last))
    return name


def resolved(*overrides):
    return with_digests(load("taker.toml", overrides), None, None, None)


def run(name, *overrides, **options):
    return smallvision.run(name, *overrides, device="cpu", threads=1, **options)


def states():
    found = [read_run(path.parent) for path in Path("runs").glob("*/state.json")]
    return sorted((record.experiment.name, record.state["seed"]) for record in found)


def weights(path):
    return safetensors.torch.load((path / "model.safetensors").read_bytes())


def test_what_it_begins_with_are_the_weights_in_the_file_and_its_own_are_new():
    giver(), taker()
    other = run("giver.toml")
    asked = resolved()
    ready = prepare.prepare(asked, 0, torch.device("cpu"), encoder=read_run(other.path))
    taken, kept = weights(other.path), ready.model.encoder.state_dict()
    assert {name for name in taken if not name.startswith("output.")} == set(kept)
    assert all(torch.equal(value, taken[name]) for name, value in kept.items())
    assert ready.model.encoder.standardize.mean.item() == 0.25, (
        "it standardises as it learned to, not as this data would have it"
    )
    without = prepare.prepare(asked, 0, torch.device("cpu"))
    assert torch.equal(ready.model.output.weight, without.model.output.weight)
    assert not torch.equal(ready.model.encoder.dense[0].linear.weight, without.model.encoder.dense[0].linear.weight)


def test_run_makes_what_it_needs_first_and_only_once(capsys):
    giver(), taker()
    first = run("taker.toml", seed=3)
    assert "taker starts from the encoder of giver with seed 3, so that experiment runs first" in " ".join(
        capsys.readouterr().out.split()
    )
    assert states() == [("giver", 3), ("taker", 3)]
    other = next(Path("runs").glob("giver*"))
    digest = json.loads((other / "result.json").read_text())["model_sha256"]
    assert [digest in note and other.name in note and "seed 3" in note for note in first.result["notes"]].count(
        True
    ) == 1
    assert json.loads((first.path / "state.json").read_text())["encoder"]["run"] == other.name
    assert first.experiment.model.encoder.digest == load("giver.toml").hash()
    stamp = (other / "model.safetensors").stat().st_mtime_ns
    run("taker.toml", "model.rate=0.5", seed=3)
    run("taker.toml", "model.encoder.seed=3", seed=4)  # as asked: not its own seed's
    assert states() == [("giver", 3), ("taker", 3), ("taker", 3), ("taker", 4)]
    assert (other / "model.safetensors").stat().st_mtime_ns == stamp
    run("taker.toml", seed=4)
    assert states().count(("giver", 4)) == 1
    shutil.move(other, "runs/elsewhere")  # found by hash and seed, not by its name
    run("taker.toml", "model.rate=0.25", seed=3)
    assert states().count(("giver", 3)) == 1
    assert "begins with" not in capsys.readouterr().out.split("seed 4, which")[-1]


def test_an_unfinished_need_is_gone_on_with_and_one_that_never_met_the_test_split_will_do():
    giver(epochs=3), taker()
    asked = load("giver.toml", ["protocol.test=never"])
    other = Path("runs") / f"giver-{asked.hash()}-s0"
    events = training_run.run(asked, RunOptions(other, device="cpu", threads=1))
    for _ in range(4):
        next(events)
    events.close()
    assert run("taker.toml", "protocol.test=never").result["looks"] == 0
    assert states() == [("giver", 0), ("taker", 0)]
    done = run("taker.toml")
    assert other.name in " ".join(done.result["notes"])
    assert states() == [("giver", 0), ("taker", 0), ("taker", 0)]


def test_frozen_it_ends_as_it_began_and_else_it_does_not():
    giver(), taker()
    frozen, moved = (weights(run("taker.toml", f"model.rate={rate}").path) for rate in ("0.0", "0.3"))
    taken = weights(next(Path("runs").glob("giver*")))
    kept = [name for name in taken if not name.startswith("output.")]
    assert all(torch.equal(frozen[f"encoder.{name}"], taken[name]) for name in kept)
    changed = {name for name in kept if not torch.equal(moved[f"encoder.{name}"], taken[name])}
    assert changed == {name for name in kept if not name.startswith("standardize.")}


def test_the_loop_trains_encoder_and_head_at_their_own_rates():
    """Against a plain loop over torch's optimiser with two groups."""
    encoder = {"experiment": "any", "model": {"kind": "mlp", "widths": [14]}}
    asked = build(
        {
            "name": "rates",
            "data": {"source": "digits", "limit": 300},
            "model": {"kind": "encoder-classifier", "weights": "fresh", "rate": 0.1, "dense": [10], "encoder": encoder},
            "recipe": {"epochs": 2, "batch_size": 32, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05},
        },
        "rates",
    )
    splits = images.load(asked.data)
    ours, theirs = (prepare.prepare(asked, 5, torch.device("cpu")).model for _ in range(2))
    state = begin(ours, asked.recipe)
    list(train(state, ClassificationLearner(asked.task), splits, asked, 7))
    head = [*theirs.dense.parameters(), *theirs.output.parameters()]
    optimizer = torch.optim.SGD(
        [{"params": list(theirs.encoder.parameters()), "lr": 0.005}, {"params": head}], 0.05, 0.9
    )
    for epoch in range(2):
        for rows in ORDERS["shuffled"](splits.train.labels, 32, False, 7, epoch):
            optimizer.zero_grad()
            F.cross_entropy(theirs(splits.train.pixels[rows].float() / 255), splits.train.labels[rows]).backward()
            optimizer.step()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_finished_run_needs_nothing_of_the_other_and_answers_as_a_composition_of_both_files():
    giver(), taker(more="rate = 0.0")
    done = run("taker.toml")
    taken = weights(next(Path("runs").glob("giver*")))
    shutil.rmtree(next(Path("runs").glob("giver*")))
    Path("giver.toml").unlink()
    loaded = predict.load(read_run(done.path))
    pixels = torch.rand(5, 1, 8, 8)
    maps = F.conv2d((pixels - 0.25) / 0.5, taken["blocks.0.convolution.weight"])
    norm = [taken[f"blocks.0.norm.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    features = F.max_pool2d(F.relu(F.batch_norm(maps, *norm)), 2).flatten(1)
    own = weights(done.path)
    for layer in (
        (taken["dense.0.linear.weight"], taken["dense.0.linear.bias"]),
        (own["dense.0.linear.weight"], own["dense.0.linear.bias"]),
    ):
        features = F.relu(F.linear(features, *layer))
    expected = F.linear(features, own["output.weight"], own["output.bias"]).softmax(1)
    torch.testing.assert_close(torch.from_numpy(predict.predict(loaded, pixels)), expected.detach())
    assert run(str(done.path / "experiment.toml")).path == done.path, "it is shown, not repeated"


def test_resumed_without_the_other_run_it_ends_with_the_same_bits(monkeypatch):
    monkeypatch.setattr(training_run, "SAVE_SECONDS", 0.0)
    giver(), taker(more="rate = 0.5\ndense_dropout = 0.2")
    whole = run("taker.toml", out="whole")
    shutil.copytree("runs", "kept")
    events = training_run.run(
        resolved(), RunOptions(Path("cut"), device="cpu", threads=1, encoder=next(Path("runs").glob("giver*")))
    )
    for _ in range(2):
        next(events)
    events.close()
    shutil.rmtree("runs")
    cut = run("taker.toml", out="cut", resume=True)
    assert (cut.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
    assert cut.result["notes"] == whole.result["notes"]
    assert not Path("runs").exists(), "the other run was not made again"


def test_of_a_run_given_by_its_folder_the_weights_decide():
    giver()
    other = run("giver.toml", out="mine")
    taker('{ run = "mine" }')
    asked = resolved()
    assert asked.model.encoder.digest == other.result["model_sha256"]
    assert asked.model.encoder.model == other.experiment.model
    done = run("taker.toml", "model.rate=0.0")
    assert torch.equal(
        weights(done.path)["encoder.dense.0.linear.weight"], weights(other.path)["dense.0.linear.weight"]
    )
    shutil.rmtree("mine")
    run("giver.toml", seed=1, out="mine")
    assert resolved().hash() != asked.hash(), "other weights, another experiment"
    with pytest.raises(
        BadInput, match=r"^model\.encoder: mine: this is not the run that the experiment was written for"
    ):
        list(training_run.run(asked, RunOptions(Path("stale"), device="cpu", threads=1)))
    assert not Path("stale").exists()


def test_the_hash_follows_what_is_taken_over_and_nothing_else():
    giver(), taker(), taker(more='weights = "fresh"', name="fresh.toml")

    def hashes():
        return [with_digests(load(name), None, None, None).hash() for name in ("taker.toml", "fresh.toml")]

    first = hashes()
    giver(more='[protocol]\ntest = "watched"')
    assert hashes() == first, "when the test split is met changes no weights"
    giver(epochs=2)
    assert [one == other for one, other in zip(hashes(), first, strict=True)] == [False, True], (
        "of fresh weights only the layers count"
    )
    giver(channels=5)
    assert [one == other for one, other in zip(hashes(), first, strict=True)] == [False, False]
    giver()
    assert hashes() == first
    again = build(resolved().model_dump(mode="json", exclude_none=True), "again")
    assert again.hash() == first[0], "what is filled in is read back"


def test_fresh_needs_the_other_experiment_and_none_of_its_runs():
    giver(), taker(more='weights = "fresh"\nrate = 0.5')
    done = run("taker.toml")
    assert states() == [("taker", 0)]
    assert not [note for note in done.result["notes"] if "taken over" in note]
    assert smallvision.layers(load("taker.toml")) == read_run(done.path).layers
    assert page.write(read_run(done.path), Path("report.html")).stat().st_size > 10_000


def test_a_need_may_have_needs_and_a_network_of_ones_own():
    Path("net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Flatten(), nn.Linear(64, 9), nn.Tanh(), nn.Linear(9, 10))\n"
    )
    text = GIVER.format(epochs=1, channels=4, normalize='"none"')
    start, end = text.index("[model]"), text.index("[recipe]")
    Path("giver.toml").write_text(text[:start] + '[model]\nkind = "net.py:Net"\n' + text[end:])
    taker(more="rate = 0.0"), taker('{ experiment = "taker.toml" }', more="rate = 0.0", name="last.toml")
    with pytest.raises(BadInput, match="add --trust-code"):
        run("last.toml", "name=last")
    done = run("last.toml", "name=last", trust_code=True)
    assert states() == [("giver", 0), ("last", 0), ("taker", 0)]
    first, second = (weights(next(Path("runs").glob(f"{name}*"))) for name in ("giver", "taker"))
    own = weights(done.path)
    assert torch.equal(own["encoder.encoder.net.1.weight"], first["net.1.weight"])
    assert torch.equal(own["encoder.dense.0.linear.weight"], second["dense.0.linear.weight"])
    assert not [name for name in own if "net.3" in name or name.startswith("encoder.output")]
    digest = done.experiment.model.encoder.digest
    Path("net.py").write_text(Path("net.py").read_text().replace("Tanh", "ReLU"))
    assert with_digests(load("last.toml"), None, None, None).model.encoder.digest != digest


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ('{ experiment = "gver.toml" }', r"model\.encoder\.experiment: gver\.toml: no such file"),
        ('{ experiment = "digit" }', r'model\.encoder\.experiment: no experiment named "digit".*digits'),
        ('{ experiment = "digits-smoke" }', r"model\.encoder\.experiment: digits-smoke: this is a study"),
        (
            '{ experiment = "taker.toml" }',
            r"model\.encoder: the encoders depend on one another in a circle \(taker\.toml needs taker\.toml\); change "
            "one of them",
        ),
        (
            '{ experiment = "round.toml" }',
            r"model\.encoder: the encoders depend on one another in a circle \(round\.toml needs taker\.toml needs "
            r"round\.toml\); change one of them",
        ),
        ('{ run = "nowhere" }', r"model\.encoder\.run: nowhere: there is no such run; make one with smallvision run"),
        ('{ run = "." }', r"model\.encoder\.run: \.: there is no experiment\.toml"),
        (
            '{ run = "begun" }',
            r"encoder\.run: begun: the run is not finished, so it has no encoder yet; go on with: smallvision run "
            r"begun/experiment.toml --seed 2 --out begun --root \S+ --resume$",
        ),
        ('{ run = "begun", seed = 3 }', r"model\.encoder: seed has no effect together with run"),
        (
            '{ run = "begun", set = { "recipe.epochs" = 2 } }',
            r"model\.encoder: set has no effect together with run, because that run is finished; leave it out",
        ),
        (
            '{ experiment = "giver.toml", set = { "recipe.epoch" = 2 } }',
            r"model\.encoder\.experiment: giver\.toml: unknown key recipe\.epoch",
        ),
        (
            '{ experiment = "giver.toml", set = { "recipe.epochs" = 0 } }',
            r"model\.encoder\.experiment: giver\.toml: recipe\.epochs: got 0",
        ),
        ('{ experiment = "giver.toml", set = 3 }', r"model\.encoder\.set: .*expected a table of settings"),
        ("{ }", r'model\.encoder: expected \{ experiment = "NAME" \} or \{ run = "FOLDER" \}, got neither'),
    ],
)
def test_what_cannot_give_an_encoder_is_refused_in_one_line(encoder, message):
    taker(encoder), taker('{ experiment = "taker.toml" }', name="round.toml")
    events = training_run.run(load(giver()), RunOptions(Path("begun"), seed=2, device="cpu", threads=1))
    next(events)
    events.close()
    with pytest.raises(BadInput, match=message) as found:
        run("taker.toml")
    assert "\n" not in str(found.value)
    assert not Path("runs").exists()


def test_what_is_taken_over_can_be_changed_as_a_case_of_a_study_changes_it(capsys):
    giver()
    settings = (
        '{ "recipe.epochs" = 2, "recipe.schedule" = { kind = "cosine" }, '
        'data = { normalize = "none" }, "recipe.clip" = 0.5 }'
    )
    taker(f'{{ experiment = "giver.toml", set = {settings} }}')
    with pytest.raises(BadInput, match=r"make it first with: smallvision run giver\.toml .* --seed 1") as found:
        list(training_run.run(resolved(), RunOptions(Path("alone"), seed=1, device="cpu", threads=1)))
    words = shlex.split(str(found.value).split("smallvision run ")[1])[:-2]
    assert words[0] == "giver.toml"
    asked = load(*words[:1], words[1:])
    assert (asked.recipe.epochs, asked.recipe.schedule.kind, asked.data.normalize, asked.recipe.clip) == (
        2,
        "cosine",
        "none",
        0.5,
    )
    done = run("taker.toml")
    assert states() == [("giver", 0), ("taker", 0)]
    (other,) = (read_run(path.parent) for path in Path("runs").glob("giver*/state.json"))
    assert other.result["experiment"] == asked.hash() == done.experiment.model.encoder.digest
    assert predict.load(read_run(done.path)).model.encoder.standardize.identity
    again = build(tomllib.loads((done.path / "experiment.toml").read_text()), "again")
    assert again.hash() == done.result["experiment"]
    Path("giver.toml").unlink()
    assert with_digests(again, None, None, None).hash() == done.result["experiment"]


def test_images_of_another_shape_are_refused_before_anything_is_run():
    giver(), taker()
    arrays = (torch.randint(256, (60, 3, 8, 8), dtype=torch.uint8).numpy(), (torch.arange(60) % 3).numpy())
    with pytest.raises(
        BadInput, match=r"^model\.encoder: giver was trained on images of 1x8x8, but these are of 3x8x8; use an encoder"
    ):
        run("taker.toml", "data.limit=0.9", data=arrays)
    assert not Path("runs").exists()
    other = run("giver.toml")
    with pytest.raises(
        BadInput, match=r"^model\.encoder: .*giver-\w+-s0 was trained on images of 1x8x8, but these are of 3x8x8"
    ):
        prepare.encoder_weights(resolved().model.encoder, read_run(other.path), (3, 8, 8))


def test_without_the_run_the_lab_says_which_command_makes_it():
    giver(), taker()
    with pytest.raises(
        BadInput,
        match=r"no finished run of giver\.toml with seed 6; make it first with: smallvision run giver\.toml --seed 6$",
    ):
        list(training_run.run(resolved(), RunOptions(Path("alone"), seed=6, device="cpu", threads=1)))
    other = run("giver.toml", out="other")
    (other.path / "model.safetensors").write_bytes(bytes(8))
    with pytest.raises(BadInput, match=r"model\.safetensors: this is not the file that the run wrote"):
        list(training_run.run(resolved(), RunOptions(Path("alone"), device="cpu", threads=1, encoder=other.path)))
    assert not Path("alone").exists()
