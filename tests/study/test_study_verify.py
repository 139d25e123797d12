"""A study of verifiers: judged on pairs that share no image, and chosen on validation pairs.

Only the winner and the baseline meet the test pairs.
"""

import json

import numpy as np
import pytest
from page_reading import says
from scipy import stats

from smallvision.comparison.disagreements import disagreements
from smallvision.data import load
from smallvision.experiment import load_study
from smallvision.rendering import format
from smallvision.report.study import page
from smallvision.study import selection
from smallvision.study.events import StudyOptions
from smallvision.study.runner import preview

pytestmark = pytest.mark.slow

GIVER = """
name = "giver"
data = { source = "digits", limit = 150 }
model = { kind = "mlp-autoencoder", widths = [24], representation = 12 }
task = { kind = "reconstruct" }
recipe = { epochs = 1 }
"""
BASE = """
name = "pairs"
data = {{ source = "digits", limit = 600, validation = 0.2 }}
model = {{ kind = "siamese", encoder = {{ experiment = "{giver}" }} }}
task = {{ kind = "verify" }}

[recipe]
epochs = 2
order = "classes"
classes_per_batch = 10
images_per_class = 6
optimizer = "adam"
learning_rate = 3e-3
"""
STUDY = """
name = "starts"
question = "Is an encoder that was trained before worth more than a fresh one, and which loss is better?"
base = "{base}"
seeds = 1
varies = ["model.weights", "model.head", "task"]
compare = "all"
[[case]]
name = "taken over"
[[case]]
name = "fresh"
set = {{ "model.weights" = "fresh" }}
[[case]]
name = "head"
set = {{ "model.weights" = "fresh", "model.head" = "dense", "task.loss" = "cross-entropy" }}
"""


@pytest.fixture(autouse=True)
def one_thread_a_process(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def right(path, split):
    """Which pairs a run got right, by the ids of both images, straight from its files."""
    for name in ("evidence.npz", "evidence-validation.npz"):
        if (path / name).exists():
            with np.load(path / name) as found:
                if str(found["split"]) == split:
                    ids = found["ids"][found["alone_pairs"]].tolist()
                    return {
                        frozenset(map(tuple, pair)): bool(hit)
                        for pair, hit in zip(ids, found["alone_right"], strict=True)
                    }
    raise AssertionError(f"{path} was not scored on {split}")


def said_and_same(path):
    """Of each test pair whether it was said to be of one class and whether it is, from a run's files alone."""
    threshold = json.loads((path / "result.json").read_text())["verifier"]["threshold"]
    with np.load(path / "evidence.npz") as found:
        assert str(found["split"]) == "test"
        return list(zip(found["probabilities"] >= threshold, found["same"] == 1, strict=True))


def test_verifiers_are_compared_pair_by_pair_and_only_the_winner_and_the_baseline_meet_the_test_split(
    lent, finish, tmp_path
):
    for name, text in (
        ("giver", GIVER),
        ("base", BASE.format(giver=tmp_path / "giver.toml")),
        ("starts", STUDY.format(base=tmp_path / "base.toml")),
    ):
        (tmp_path / f"{name}.toml").write_text(text)
    study = load_study(str(tmp_path / "starts.toml"))
    estimated = preview(study, StudyOptions(tmp_path / "runs", device="cpu", workers=1))
    assert len(estimated.seconds) == 4, "three cases and the autoencoder"
    batch = ["classes_per_batch=2", "images_per_class=40", "batch_size=80"]
    few = load_study(str(tmp_path / "starts.toml"), [f"set.recipe.{key}" for key in batch])
    assert preview(few, StudyOptions(tmp_path / "runs", device="cpu", workers=1)).total > 0, (
        "steps are timed on enough images of a class"
    )
    record, _ = finish(study, tmp_path / "runs", workers=1)
    rows = {row["case"]: row for row in record.table}
    winner = record.result["choice"]["winner"]
    assert winner == max(
        rows, key=lambda case: (rows[case]["validation"]["pair_accuracy"], -rows[case]["validation"]["loss"])
    )
    assert (
        record.result["choice"]["by"]
        == "highest mean validation accuracy on pairs, then lowest loss"
        == selection.reason(record.metric)
    )
    met = {case for case, row in rows.items() if "test" in row}
    assert met == {winner, record.result["baseline"]}
    assert record.result["baseline"] == "taken over"
    for case, row in rows.items():
        (run,) = record.runs(case)
        assert run.result["looks"] == (case in met)
        assert row["validation"]["pair_accuracy"] == run.result["validation"]["pair_accuracy"]

    declared = [one for one in record.verdicts if one["split"] == "validation"]
    assert [one["pair"] for one in declared] == [["taken over", "fresh"], ["taken over", "head"], ["fresh", "head"]]
    for one in record.verdicts:
        a, b = (right(record.runs(case)[0].path, one["split"]) for case in one["pair"])
        assert a.keys() == b.keys()
        assert len(frozenset.union(*a)) == 2 * len(a), "no image is in two pairs"
        only = [sum(x[pair] and not y[pair] for pair in a) for x, y in ((a, b), (b, a))]
        assert one["only_right"] == only
        assert one["images"] == [len(a), len(a)]
        assert one["p"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0, rel=1e-12)
        assert one["measure"]["key"] == "pair_accuracy"
        says(one["sentence"], str(len(a)))
        assert one["confound"] == ""

    told = record.result["answer"]
    answers, kept = record.answers()[told["split"]], record.pictures
    splits = load.load(record.runs("fresh")[0].experiment.data).named()
    pixels = {
        tuple(one): image.numpy()
        for split in ("validation", "test")
        for one, image in zip(splits[split].ids.tolist(), splits[split].pixels, strict=True)
    }
    shown = [one for kind in disagreements(answers, *told["pair"]) for one in answers.images(kind.rows)]
    assert shown
    for one in shown:
        np.testing.assert_array_equal(kept[one], pixels[one])

    text = page.page(record, record.answers(), kept)
    for said in (
        told["sentence"],
        "validation accuracy on pairs (%)",
        "Verdicts are based on as many pairs as possible of which no two share an image",
        f"of {len(answers.labels)} pairs",
        "drawn anew, since pairs share them",
    ):
        assert said in text, said
    best = record.runs(winner)[0]
    wrong = sum(1 for answer, same in said_and_same(best.path) if answer != same)
    for said in (
        "The best verifier",
        f"its run with seed {best.result['seed']}",
        f"smallvision same {best.path.parent.name}/{best.path.name} ",
        "Wrong answers",
        f"{wrong} of {format.whole(best.result['test']['pairs'])} pairs",
        "Right answers",
        "training image near it",
        'id="best-ask"',
        'href="#verifier"',
        ".couple {",
    ):
        assert said in text, said
    low, high = record.runs("fresh")[0].result["validation"]["intervals"]["pair_accuracy"]
    assert f"{100 * low:.2f} to {100 * high:.2f}" in text, "one seed alone has the interval that its run found"


UNSEEN = """
name = "kept-out"
question = "Which loss is better for classes never seen?"
base = "digits-siamese"
seeds = 1
varies = ["task"]
[set]
"data.limit" = 400
"data.unseen_classes" = [7, 8, 9]
"recipe.classes_per_batch" = 7
"recipe.batch_size" = 56
"recipe.epochs" = 1
[probe]
kinds = ["knn"]
train = 70
test = 70
maps = []
[[case]]
name = "triplet"
[[case]]
name = "contrastive"
set = { "task.loss" = "contrastive" }
[[case]]
name = "wide"
set = { "task.margin" = 2.0 }
"""


def test_a_study_with_classes_kept_out_is_probed_to_its_end(lent, finish, tmp_path):
    (tmp_path / "kept-out.toml").write_text(UNSEEN)
    record, _ = finish(load_study(str(tmp_path / "kept-out.toml")), tmp_path / "runs", workers=1)
    assert record.state["status"] == "finished"
    met = record.result["choice"]["met_test"]
    assert len(met) < 3, "there are runs that never met the test split, and are probed all the same"
    found = record.probes()
    assert list(found) == ["triplet", "contrastive", "wide"]
    for case, (one,) in found.items():
        (run,) = record.runs(case)
        assert (one.result["split"], one.result["looks"]) == ("test", 1)
        assert one.result["classes"] == [str(number) for number in range(7)]
        assert run.result["looks"] == (case in met)
        assert ("unseen" in run.result) == (case in met)
    assert record.probe_verdicts
