"""`compare`: joins runs image by image, computes scipy's figures, names what confounds, refuses what is impossible."""

import json
import shutil
import sys

import numpy as np
import pytest
from page_reading import Page, plain, says
from scipy import stats

import smallvision as sv
from smallvision.cli import main
from smallvision.errors import BadInput

pytestmark = pytest.mark.slow

QUICK = ("recipe.epochs=1", "data.limit=300")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Paths of quick runs of digits: five seeds of two learning rates, and one of each other change."""
    folder = tmp_path_factory.mktemp("runs")
    changes = {
        "slow": ["recipe.learning_rate=0.0005"],
        "fast": ["recipe.learning_rate=0.01"],
        "mlp": ["recipe.learning_rate=0.01", "model={kind='mlp', widths=[16]}"],
        "mlp and rate": ["model={kind='mlp', widths=[16]}"],
        "other test images": ["recipe.learning_rate=0.01", "data.seed=1"],
        "validation": ["recipe.learning_rate=0.01", "protocol.test=never"],
    }
    made = {}
    for name, change in changes.items():
        for seed in range(5 if name in ("slow", "fast") else 1):
            made[name, seed] = sv.run(
                "digits", *QUICK, *change, seed=seed, out=folder / f"{name} {seed}".replace(" ", "-")
            ).path
    return made


@pytest.fixture
def type_in(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["smallvision", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return run


def answers(path):
    """Which images a run got right, by id, straight from its file."""
    with np.load(path / "evidence.npz") as found:
        return {
            tuple(one): bool(hit)
            for one, hit in zip(found["ids"].tolist(), found["predictions"] == found["labels"], strict=True)
        }


def test_two_networks_by_mcnemar_on_images_paired_by_id(runs):
    found = sv.compare(runs["slow", 0], runs["fast", 0])
    slow, fast = answers(runs["slow", 0]), answers(runs["fast", 0])
    only_fast, only_slow = (sum(a[one] and not b[one] for one in slow) for a, b in ((fast, slow), (slow, fast)))
    (verdict,) = found.verdicts
    assert verdict.kind == "these two trained networks"
    assert verdict.only_right == (only_fast, only_slow)
    assert verdict.p == pytest.approx(stats.binomtest(only_fast, only_fast + only_slow).pvalue, rel=1e-12)
    assert found.images == len(slow) == 360
    assert found.confounders == ("",)
    assert [text.partition(":")[0] for text in found.config_differences[0]] == ["recipe.learning_rate"]


def test_equivalence_is_told_in_python_and_on_the_terminal(runs, type_in):
    paths = [runs[name, seed] for seed in range(5) for name in ("slow", "fast")]
    (verdict,) = sv.compare(*paths, equivalence=0.2).verdicts
    assert sv.compare(*paths).verdicts[0].equivalence is None
    low, high = verdict.equivalence.interval
    assert verdict.equivalence.ruled_out == (max(-low, high) < 0.2)
    status, out, _ = type_in("compare", *paths, "--equivalence", "0.2")
    assert status == 0
    says(plain(out), verdict.sentence, verdict.equivalence.sentence)
    status, out, err = type_in("compare", *paths, "--equivalence", "20")
    assert (status, out) == (2, "")
    says(err, "equivalence: got 20, a difference of 2000 percentage points; use a share of at most 0.2")


def test_the_order_in_which_a_run_saw_its_images_does_not_matter(runs, tmp_path):
    shuffled = tmp_path / "shuffled"
    shutil.copytree(runs["fast", 0], shuffled)
    with np.load(shuffled / "evidence.npz") as found:
        arrays = dict(found)
    order = np.random.default_rng(0).permutation(len(arrays["labels"]))
    for name in ("ids", "labels", "predictions", "probabilities"):
        arrays[name] = arrays[name][order]
    for name in ("first_index", "mistake_index", "confident_index"):
        arrays[name] = np.argsort(order)[arrays[name]]
    np.savez(shuffled / "evidence.npz", **arrays)
    assert sv.compare(runs["slow", 0], shuffled).verdicts == sv.compare(runs["slow", 0], runs["fast", 0]).verdicts


def test_five_seeds_a_side_are_recipes(runs):
    found = sv.compare(*(runs[name, seed] for seed in range(5) for name in ("slow", "fast")))
    (verdict,) = found.verdicts
    assert verdict.kind == "recipes"
    assert verdict.runs == (5, 5)
    means = [np.mean([list(answers(runs[name, seed]).values()) for seed in range(5)]) for name in ("fast", "slow")]
    assert verdict.difference == pytest.approx(means[0] - means[1], abs=1e-12)
    assert [side.name for side in found.sides] == [
        "digits (recipe.learning_rate=0.0005)",
        "digits (recipe.learning_rate=0.01)",
    ]


def test_several_sides_are_judged_as_one_family(runs):
    found = sv.compare(runs["slow", 0], runs["fast", 0], runs["mlp", 0])
    assert [verdict.comparisons for verdict in found.verdicts] == [2, 2]
    assert all(verdict.adjusted_p >= verdict.p for verdict in found.verdicts)


def test_what_confounds_is_named(runs):
    (line,) = sv.compare(runs["slow", 0], runs["mlp", 0]).confounders
    assert "recipe.learning_rate: 0.01 against 0.0005" in line
    assert "model.kind: mlp against cnn" in line
    assert sv.compare(runs["slow", 0], runs["fast", 0], question=["recipe"]).confounders == ("",)
    assert sv.compare(runs["fast", 0], runs["mlp", 0], question=["model"]).confounders == ("",)
    (line,) = sv.compare(runs["slow", 0], runs["fast", 0], question=["recipe.learn"]).confounders
    assert "in more than recipe.learn," in line


def test_validation_images_serve_where_both_were_scored_on_them(runs, tmp_path):
    looked = tmp_path / "looked"
    shutil.copytree(runs["slow", 0], looked)
    other = sv.run("digits", *QUICK, "protocol.test=never", out=tmp_path / "never").path
    shutil.copy(other / "evidence.npz", looked / "evidence-validation.npz")  # as a look leaves it
    found = sv.compare(runs["validation", 0], looked)
    assert found.split == "validation"
    assert found.images == json.loads((other / "result.json").read_text())["counts"]["validation"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((("slow", 0), ("slow", 1)), "one experiment only"),
        ((("slow", 0), ("slow", 0)), "would count twice"),
        ((("slow", 0), ("validation", 0)), "on validation images, .* on test images"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs, names, said):
    with pytest.raises(BadInput, match=said):
        sv.compare(*(runs[name] for name in names))


def test_other_images_and_other_labels_are_refused(runs, tmp_path):
    # Every class gets the number of the next one.
    turn = {"labels": 0, "predictions": 0, "confusion": (0, 1), "probabilities": 1}
    changes = {
        "360 images, .* has 360, and only 0 are the same": lambda a: {"ids": a["ids"] + 1},
        "but other labels": lambda a: {
            name: (a[name] + 1) % 10 if axis == 0 else np.roll(a[name], 1, axis) for name, axis in turn.items()
        },
    }
    for number, (said, change) in enumerate(changes.items()):
        changed = tmp_path / str(number)
        shutil.copytree(runs["fast", 0], changed)
        with np.load(changed / "evidence.npz") as found:
            arrays = dict(found)
        np.savez(changed / "evidence.npz", **{**arrays, **change(arrays)})
        with pytest.raises(BadInput, match=said):
            sv.compare(runs["slow", 0], changed)


def test_the_command_says_the_sentence(runs, type_in):
    status, out, err = type_in("compare", runs["slow", 0], runs["mlp", 0])
    assert (status, err) == (0, "")
    (verdict,) = sv.compare(runs["slow", 0], runs["mlp", 0]).verdicts
    assert plain(verdict.sentence) in plain(out)
    says(out, "recipe.learning_rate", "model.kind")


def test_published_figures(type_in):
    status, out, _ = type_in("compare", "--published", "98.93", "99.07", "--of", "10000")
    assert status == 0
    says(out, "98.93 %", "99.07 %", sv.compare_published("98.93", "99.07 %", 10_000).verdict)
    with_z = stats.norm.sf(abs(9893 - 9907) / 10000 / np.sqrt(2 * 0.99 * 0.01 / 10000)) * 2
    assert sv.compare_published("98.93", "99.07 %", 10_000).p == pytest.approx(with_z, rel=0.01)
    assert sv.compare_published(0.9893, 0.9907, 10_000) == sv.compare_published("98.93", "99.07", 10_000)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare"], "at least two experiments"),
        (["compare", "--published", "98", "99"], "--of"),
        (["compare", "--published", "98", "x", "--of", "100"], 'got "x"'),
        (["compare", "--published", "98", "101", "--of", "100"], "0 to 100"),
        (["compare", "--published", "98", "99", "--of", "0"], "images"),
        (["compare", "nowhere", "--of", "100"], "--published"),
    ],
    ids=str,
)
def test_mistakes_are_one_line_with_status_2(type_in, words, said):
    status, out, err = type_in(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_runs_are_compared_as_their_paths_are_and_show_themselves_shortly(runs):
    one, other = (sv.open_run(runs[side, 0]) for side in ("slow", "mlp"))
    found, by_path = sv.compare(one, other), sv.compare(one.path, other.path)
    assert [verdict.sentence for verdict in found.verdicts] == [verdict.sentence for verdict in by_path.verdicts]
    for shown in (one, found):
        assert len(repr(shown)) < 1500
    card = Page(found._repr_html_())
    assert found.verdicts[0].sentence in card.text
    accuracy = json.loads((one.path / "result.json").read_text())["test"]["accuracy"]
    card = Page(one._repr_html_())
    says(card.text, f"accuracy {100 * accuracy:.2f}", str(one.path / "report.html"))
    assert len(card.all("svg")) == 1
    with pytest.raises(BadInput, match="got '7'; expected the path of a run directory, or a run"):
        sv.compare(one, 7)
