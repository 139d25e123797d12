"""The seven changes of docs/extending.md, made with the code of the page and run by the commands of the page."""

import json
import re
import tomllib
from pathlib import Path
from shutil import copyfile, copytree

import numpy as np
import pytest
from page_code import BLOCK, PAGE, ROOT, changed, commands, files, sections, worked_in
from page_reading import Page
from safetensors.numpy import load_file

import smallvision
from smallvision.experiment import load

TASK = Path(__file__).parent / "task" / "smallvision_regression"


def result_of(run: Path) -> dict:
    return json.loads((run / "result.json").read_text())


def test_the_table_of_the_page_names_files_and_tests_that_are_there() -> None:
    """Each row links to its section, and the new files are those of the section's blocks."""
    rows = re.findall(r"^\| \[.+?\]\(#(\S+)\) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    titles = [
        re.sub(r"[^a-z0-9 ]", "", f"{n} {title}".lower()).replace(" ", "-") for n, title in enumerate(sections(), 1)
    ]
    assert [row[0] for row in rows] == titles
    here = Path(__file__).read_text()
    for (_, new, table, tests), text in zip(rows, sections().values(), strict=True):
        blocks = [block.partition("\n")[0] for _, block in BLOCK.findall(text)]
        made = {head.removeprefix("# src/smallvision/") for head in blocks if head.startswith("# src/")}
        named = set(re.findall(r"`([\w/]+\.py)`", new))
        assert named <= {*made, *(head.removeprefix("--- src/smallvision/") for head in blocks)}
        assert made <= named or "folder" in new
        for file in re.findall(r"`([\w/]+\.py)`", table):
            assert f"--- src/smallvision/{file}" in blocks
        for test in re.findall(r"`(\w+)`", tests):
            assert f"def {test}(" in here


def test_a_change_at_a_place_that_is_not_there_is_found() -> None:
    assert changed("a\nb\nc\n", " a\n+x\n@@\n-c\n+d\n", "file") == "a\nx\nb\nd\n"
    with pytest.raises(AssertionError, match="file has 0 times"):
        changed("a\n", " b\n+x\n", "file")
    with pytest.raises(AssertionError, match="file has 2 times"):
        changed("a\na\n", " a\n+x\n", "file")


@pytest.mark.parametrize("title", [title for title in sections() if title != "A task"])
def test_the_changes_of_a_section_have_their_places_and_are_python(title: str) -> None:
    made = files(title, ROOT)
    assert len(made) > 2
    for name, text in made.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
        elif name.endswith(".toml"):
            assert tomllib.loads(text)
            assert any(name in command for command in commands(title))


@pytest.mark.slow
def test_a_data_set(tmp_path: Path) -> None:
    """Files in SVHN's layout, 10 for the digit 0, are read as they were written."""
    from scipy.io import savemat

    random = np.random.default_rng(0)
    written = {}
    (tmp_path / "data" / "svhn").mkdir(parents=True)
    for name, count in (("train", 60), ("test", 30)):
        labels = np.arange(count) % 10
        pixels = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        written[name] = pixels, labels
        arrays = {"X": pixels.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None].astype(np.uint8)}
        savemat(tmp_path / "data" / "svhn" / f"{name}_32x32.mat", arrays, do_compression=True)
    (run,), _ = worked_in("A data set", tmp_path).run()
    assert result_of(run)["counts"] == {"train": 60, "test": 30}
    with np.load(run / "evidence.npz") as evidence:
        assert evidence["labels"].tolist() == written["test"][1].tolist()
        assert np.array_equal(evidence["first_pixels"], written["test"][0][evidence["first_index"]])


@pytest.mark.slow
def test_a_network(tmp_path: Path) -> None:
    (run,), _ = worked_in("A network", tmp_path).run()
    assert result_of(run)["test"]["accuracy"] > 0.5
    # a 3x3 convolution of 1 to 8 maps; a block of 8; one of 8 to 16 with a 1x1 shortcut; batch norms; 10 outputs
    convolutions = 72 + 2 * 576 + (8 * 16 + 16 * 16) * 9 + 8 * 16
    assert result_of(run)["parameters"] == convolutions + 2 * (3 * 8 + 3 * 16) + 170


@pytest.mark.slow
def test_a_transform(tmp_path: Path) -> None:
    """Each image is mixed of as much of the others as its target says."""
    code = (
        "import torch, json; from smallvision.data import transforms\n"
        "from smallvision.data.batching.batch import Batch\n"
        "from smallvision.experiment.data import CutMix\n"
        "mix = transforms.build([CutMix(kind='cutmix')], 3)\n"
        "pixels = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8)\n"
        "out = mix(Batch(pixels, torch.arange(3)), torch.Generator().manual_seed(2))\n"
        "shares = [[(image == value).float().mean().item() for value in (0.0, 0.5, 1.0)] for image in out.pixels]\n"
        "print(json.dumps([shares, out.targets.tolist()]))"
    )
    (run,), (shares, targets) = worked_in("A transform", tmp_path).run(code)
    assert result_of(run)["test"]["accuracy"] > 0.5
    assert np.allclose(shares, targets)
    assert 0 < np.max(targets, axis=1).min() < 1, "some pixels are of another image"


@pytest.mark.slow
def test_a_loss(tmp_path: Path) -> None:
    """The loss is that of pytorch-metric-learning, and a verifier learns by it."""
    code = (
        "import torch; from pytorch_metric_learning.losses import SupConLoss\n"
        "from smallvision.losses.supervised_contrastive import supervised_contrastive\n"
        "made, labels = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4\n"
        "losses = supervised_contrastive(made, labels, 0.1), SupConLoss(temperature=0.1)(made, labels)\n"
        "print([float(loss) for loss in losses])"
    )
    (run,), (ours, theirs) = worked_in("A loss of a verifier", tmp_path).run(code)
    assert result_of(run)["test"]["pair_accuracy"] > 0.7
    assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.slow
def test_a_report_section(tmp_path: Path) -> None:
    (run,), _ = worked_in("A section of a report", tmp_path).run()
    page = Page((run / "report.html").read_text())
    with np.load(run / "evidence.npz") as evidence:
        sure, right = evidence["probabilities"].max(1), evidence["predictions"] == evidence["labels"]
    rows = [row.text for row in page.one("#confidence").all("tr")][1:]
    ranges = [(low, high) for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 0.99), (0.99, 2))]
    some = [(sure >= low) & (sure < high) for low, high in ranges]
    expected = [(inside.sum(), f"{100 * right[inside].mean():.2f}") for inside in some if inside.any()]
    assert [(row.split()[-5], row.split()[-2]) for row in rows] == [(str(count), share) for count, share in expected]
    assert "#confidence" in {link["href"] for link in page.all("a") if "href" in link.attributes}


@pytest.mark.slow
def test_a_task_inside(tmp_path: Path) -> None:
    """The added package of test_extending_task.py as a built-in task."""
    copytree(Path(smallvision.__file__).parent, tmp_path / "src" / "smallvision")
    folder = tmp_path / "src" / "smallvision" / "tasks" / "regression"
    folder.mkdir()
    copyfile(TASK / "__init__.py", folder / "task.py")
    copyfile(TASK / "learn.py", folder / "learn.py")
    (run,), _ = worked_in("A task", tmp_path).run()
    assert result_of(run)["test"]["mae"] < 2.0, "the mean alone is off by 2.5"
    assert f"{result_of(run)['test']['mae']:.3f}" in Page((run / "report.html").read_text()).one("p.verdict").text


@pytest.mark.slow
def test_a_recipe_key(tmp_path: Path) -> None:
    """Centralised gradients leave the sum of each row of a weight as it was; without the key no hash changes."""
    change = worked_in("A key of the recipe", tmp_path)
    plain = tmp_path / "plain.toml"
    plain.write_text((tmp_path / "centralize.toml").read_text().replace("centralize = true\n", ""))
    code = (
        "import json; from smallvision import nn; from smallvision.experiment import load\n"
        "from smallvision.nn.input_spec import InputSpec\n"
        "plain, own = load('plain.toml'), load('centralize.toml')\n"
        "model = nn.build(own.model, InputSpec((1, 8, 8), 10, [0.0], [1.0]), 0)\n"
        "differs = plain.recipe.time_key() != own.recipe.time_key()\n"
        "print(json.dumps([model.output.weight.sum(1).tolist(), plain.hash(), differs]))"
    )
    (own, other), (start, plain_hash, differs) = change.run(code)
    ends = [load_file(run / "model.safetensors")["output.weight"].sum(1) for run in (own, other)]
    assert np.allclose(ends[0], start, atol=1e-4)
    assert not np.allclose(ends[1], start, atol=1e-2)
    assert plain_hash == load(str(plain)).hash() == result_of(other)["experiment"]
    assert differs, "the key decides how long a run takes"
