"""What a person types in a notebook: figures, tables, and their own arrays, networks and losses passed in."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn

import smallvision as sv
from smallvision.errors import BadInput

pytestmark = pytest.mark.slow  # real runs, pages or processes for most tests

SHORT = ["recipe.epochs=2", "data.limit=400"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return sv.run("digits", *SHORT, out=tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def arrays():
    data = load_digits()
    pixels = np.round(data.images / 16 * 255).astype(np.uint8)
    return pixels[:1000], data.target[:1000], pixels[1000:], data.target[1000:]


def test_the_words_of_the_readme(run):
    assert run.result["test"]["accuracy"] > 0.3
    assert isinstance(run.curves(), Figure)
    assert isinstance(run.mistakes(20), Figure)
    assert isinstance(run.mistakes(5, confident=True), Figure)
    assert isinstance(run.confusion(), Figure)
    assert [row["epoch"] for row in run.metrics] == [1, 2]
    assert sum(row["parameters"] for row in run.layers) == run.result["parameters"]
    assert run.confused()[0]["count"] >= run.confused()[-1]["count"]
    assert "test accuracy" in repr(run)
    assert sv.open_run(run.path).result == run.result
    assert [row["name"] for row in sv.find_runs(run.path.parent)] == ["digits"]


def test_the_same_call_shows_the_finished_run(run):
    before = (run.path / "result.json").stat().st_mtime_ns
    assert sv.run("digits", *SHORT, out=run.path).result == run.result
    assert (run.path / "result.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_arrays_passed_in(arrays, tmp_path, monkeypatch):
    monkeypatch.setenv("SMALLVISION_RUNS", str(tmp_path))
    done = sv.run("digits", "recipe.epochs=4", data=arrays)
    assert done.result["counts"] == {"train": 850, "validation": 150, "test": 797}
    assert done.result["test"]["accuracy"] > 0.5
    other = (arrays[0][::-1].copy(), arrays[1][::-1].copy(), *arrays[2:])
    assert sv.run("digits", "recipe.epochs=4", data=other).path != done.path, "other arrays are another experiment"
    assert done.experiment.data.source == "arrays"


def test_arrays_that_do_not_fit_are_refused(arrays, tmp_path):
    x, y, tx, ty = arrays
    for bad in [(x,), (x, y, tx), (x, y[:-1]), (x.astype(float) * 3.7, y), (x, y - 1), (x, y.astype(float))]:
        with pytest.raises(BadInput):
            sv.run("digits", data=bad, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
    with pytest.raises(BadInput):
        sv.run("digits", data=(x, y, tx, np.where(ty == 9, 77, ty)), out=tmp_path / "run")


class Net(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU())
        self.top = nn.Linear(width, 10)

    def forward(self, x):
        return self.top(self.body(x))


def test_a_module_passed_in_is_trained_and_predicts_again(tmp_path):
    torch.manual_seed(0)
    done = sv.run("digits", *SHORT, model=Net(), out=tmp_path / "run")
    assert done.result["parameters"] == 64 * 24 + 24 + 24 * 10 + 10
    evidence = done.record.evidence
    probabilities = done.predict(evidence["first_pixels"])
    np.testing.assert_allclose(probabilities, evidence["probabilities"][:20], atol=1e-5)
    with pytest.raises(BadInput, match="pass it again"):
        sv.open_run(done.path).predict(evidence["first_pixels"])
    again = sv.open_run(done.path, model=Net())
    np.testing.assert_allclose(again.predict(evidence["first_pixels"]), probabilities, atol=1e-6)


def test_a_module_passed_in_stays_its_owners(tmp_path):
    net = Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    done = sv.run("digits", *SHORT, model=net, out=tmp_path / "run")
    done.predict(done.record.evidence["first_pixels"])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert sv.run("digits", *SHORT, model=net, out=tmp_path / "run").result == done.result, (
        "the same cell shows the same run"
    )


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.top = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.top(self.b(self.a(x.flatten(1)).relu()).relu())


def test_tied_weights_are_saved_and_read(tmp_path):
    done = sv.run("digits", *SHORT, model=Tied(), out=tmp_path / "run")
    evidence = done.record.evidence
    np.testing.assert_allclose(done.predict(evidence["first_pixels"]), evidence["probabilities"][:20], atol=1e-5)


def test_predict_takes_floats_of_any_width_and_refuses_other_ranges(run):
    pixels = run.record.evidence["first_pixels"]
    expected = run.predict(pixels)
    np.testing.assert_allclose(run.predict(pixels / 255), expected, atol=1e-5)
    np.testing.assert_allclose(run.predict(torch.from_numpy(pixels.copy()).double() / 255), expected, atol=1e-5)
    assert run.predict([]) == []
    for bad in (pixels.astype(float), pixels.astype(int), pixels[:, 0], pixels[:, :, :4]):
        with pytest.raises(BadInput, match="predict"):
            run.predict(bad)


def test_other_contents_of_a_loss_are_other_runs():
    from functools import partial

    from smallvision.training.fingerprint import fingerprint

    cross_entropy = nn.functional.cross_entropy

    def scaled(factor):
        return lambda logits, labels: factor * cross_entropy(logits, labels)

    losses = [
        partial(cross_entropy, label_smoothing=0.1),
        partial(cross_entropy, label_smoothing=0.2),
        nn.CrossEntropyLoss(weight=torch.ones(10)),
        nn.CrossEntropyLoss(weight=torch.arange(10.0)),
        scaled(1.0),
        scaled(2.0),
    ]
    assert len({fingerprint(loss).digest for loss in losses}) == len(losses)
    assert fingerprint(scaled(2.0)) == fingerprint(scaled(2.0))
    assert all(fingerprint(loss).unknown is None for loss in losses)


def test_settings_of_the_process_are_given_back(tmp_path):
    before = torch.get_num_threads()
    state = torch.get_rng_state()
    sv.run("digits", *SHORT, threads=1, out=tmp_path / "run")
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_resuming_on_other_data_is_refused(arrays, tmp_path):
    from smallvision.training import run

    x, y, _, _ = arrays
    folder = tmp_path / "pictures"
    from PIL import Image

    for i in range(60):
        (folder / str(y[i])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[i]).save(folder / str(y[i]) / f"{i}.png")
    asked = sv.show("digits", "data.source=folder", f"data.path={folder}", "data.validation=0", "recipe.epochs=2")
    running = run.run(asked, run.RunOptions(tmp_path / "run"))
    next(running)
    running.close()
    Image.fromarray(x[100]).save(folder / str(y[100]) / "new.png")
    with pytest.raises(BadInput, match="not those that this run began with"):
        sv.run(asked, out=tmp_path / "run", resume=True)


def test_a_module_that_gives_no_logits_is_refused(tmp_path):
    with pytest.raises(BadInput):
        sv.run("digits", *SHORT, model=nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), out=tmp_path / "run")
    with pytest.raises(BadInput):
        sv.run("digits", *SHORT, model=nn.Sequential(nn.Flatten(), nn.Linear(65, 10)), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_module_in_a_file_needs_trust(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n"
        "        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))\n"
        "    def forward(self, x):\n        return self.net(x)\n"
    )
    words = ["digits", *SHORT, "model={kind='net.py:Net', options={width=12}}"]
    with pytest.raises(BadInput, match="trust"):
        sv.run(*words, out=tmp_path / "run")
    done = sv.run(*words, out=tmp_path / "run", trust_code=True)
    assert done.result["parameters"] == 64 * 12 + 12 + 12 * 10 + 10
    assert done.experiment.model.digest, "the source's hash is recorded"


@pytest.mark.slow
def test_a_loss_passed_in_is_what_is_learned(tmp_path):
    plain = sv.run("digits", *SHORT, out=tmp_path / "plain")
    same = sv.run("digits", *SHORT, loss=nn.functional.cross_entropy, out=tmp_path / "same")
    assert (plain.path / "model.safetensors").read_bytes() == (same.path / "model.safetensors").read_bytes()

    def margin(logits, labels):
        return nn.functional.multi_margin_loss(logits, labels)

    other = sv.run("digits", *SHORT, loss=margin, out=tmp_path / "other")
    assert other.experiment.task.loss == "custom:margin"
    assert other.result["test"]["loss"] < plain.result["test"]["loss"]
    assert (plain.path / "model.safetensors").read_bytes() != (other.path / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("name", "passed", "said"),
    [
        (
            "digits-siamese",
            {"loss": nn.functional.cross_entropy},
            'loss: the task "verify" has its own losses',
        ),
        (
            "digits-autoencoder",
            {"loss": nn.functional.mse_loss},
            'loss: the task "reconstruct" has its own losses',
        ),
        ("digits-autoencoder", {"loss": nn.MSELoss()}, '"reconstruct" has its own losses'),
        ("digits", {"loss": "focal"}, "loss: got 'focal'; expected a function of logits"),
        ("digits", {"loss": 0.5}, "loss: got 0.5; expected a function of logits"),
        (
            "digits",
            {"loss": lambda logits: logits.mean()},
            "loss: it is called with logits (B, K) and labels (B,), but it does not accept them: ",
        ),
        (
            "digits",
            {"loss": lambda logits, labels: 0.5},
            "the loss that was passed in returned a float; expected a scalar tensor",
        ),
        (
            "digits",
            {"loss": lambda logits, labels: logits.mean(1)[:2]},
            "returned a tensor of shape (2,); expected a scalar tensor",
        ),
        (
            "digits-siamese",
            {"model": nn.Sequential(nn.Flatten(), nn.Linear(64, 10))},
            "needs a network that judges pairs of images",
        ),
        ("digits-autoencoder", {"model": nn.Sequential(nn.Flatten(), nn.Linear(64, 10))}, "needs an autoencoder"),
    ],
)
def test_what_is_passed_in_beside_a_task_that_has_no_use_for_it_is_one_line_before_training(
    name, passed, said, tmp_path
):
    with pytest.raises(BadInput) as caught:
        sv.run(name, "recipe.epochs=1", out=tmp_path / "run", **passed)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing is written"
