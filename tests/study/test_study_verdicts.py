"""What a study answers: verdicts, confounds, pictures, and the sentence.

The figures of verdicts are computed again from the evidence files.
"""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from smallvision.comparison.confounders import config_differences, confounder
from smallvision.comparison.disagreements import disagreements
from smallvision.comparison.predictions import gather
from smallvision.data import load
from smallvision.errors import BadInput
from smallvision.experiment import load_study
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.read import read_study
from smallvision.study.verdicts import answer, verdicts, with_texts
from smallvision.tasks import TASKS

pytestmark = pytest.mark.slow

THREE = '[[case]]\nname = "wide"\nset = { "model.blocks.0.channels" = 8, "recipe.learning_rate" = 0.004 }\n'


@pytest.fixture(autouse=True)
def one_thread_a_process(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def right(record, case, split):
    """Which images each run of a case got right, by id, from the arrays alone: a list of {id: bool}."""
    out = []
    for run in record.runs(case):
        names = [name for name in ("evidence.npz", "evidence-validation.npz") if (run.path / name).exists()]
        for name in names:
            with np.load(run.path / name) as found:
                if str(found["split"]) == split:
                    hits = (found["predictions"] == found["labels"]).tolist()
                    out.append(dict(zip(map(tuple, found["ids"].tolist()), hits, strict=True)))
    return out


def crossed(a, b):
    """The p-value of the rule for recipes, from images put in one order here."""
    from smallvision.stats.seeds import recipes

    order = sorted(a[0])
    return recipes(*(np.array([[one[key] for key in order] for one in side]) for side in (a, b))).p


def test_declared_pairs_are_judged_on_validation_and_the_winner_on_the_test_split(lent, tiny, finish, tmp_path):
    study = tiny(THREE, seeds=5, epochs=1).model_copy(update={"baseline": "mlp", "compare": "all"})
    record, _ = finish(study, tmp_path / "runs", workers=1)
    winner, found = record.result["choice"]["winner"], record.verdicts
    declared = [one for one in found if one["split"] == "validation"]
    assert [one["pair"] for one in declared] == [["cnn", "mlp"], ["cnn", "wide"], ["mlp", "wide"]]
    ps = []
    for one in declared:
        a, b = (right(record, case, "validation") for case in one["pair"])
        assert one["runs"] == [5, 5]
        assert one["kind"] == "recipes"
        shares = [np.mean([list(run.values()) for run in side]) for side in (a, b)]
        assert one["accuracies"] == pytest.approx(shares, abs=1e-12)
        assert one["p"] == pytest.approx(crossed(a, b), rel=1e-9)
        ps.append(one["p"])
    holm = np.maximum.accumulate(np.sort(ps) * np.arange(3, 0, -1)).clip(max=1)[
        np.argsort(np.argsort(ps, kind="stable"), kind="stable")
    ]
    assert [one["adjusted_p"] for one in declared] == pytest.approx(holm.tolist(), rel=1e-9)
    met = [one for one in found if one["split"] == "test"]
    if winner == "mlp":
        assert met == []
    else:
        assert [one["pair"] for one in met] == [[winner, "mlp"]]
        assert met[0]["adjusted_p"] == met[0]["p"]
        assert record.result["answer"]["split"] == "test"
    # what differs, and what confounds it: the third case changes the rate beside the network
    by_pair = {tuple(one["pair"]): one for one in declared}
    keys = [text.split(":")[0] for text in by_pair["cnn", "wide"]["differing"]]
    assert keys == ["model.blocks.0.channels", "model.blocks.1.channels", "model.dense.0", "recipe.learning_rate"]
    assert "recipe.learning_rate" in by_pair["cnn", "wide"]["confound"]
    assert by_pair["cnn", "mlp"]["confound"] == ""
    json.dumps(found)

    # pictures: those of the images on which the answer's pair disagrees, straight from the data
    told = record.result["answer"]
    answers = record.answers()[told["split"]]
    kept = record.pictures
    splits = load.load(record.study.base.data.model_copy(update={"limit": 300}), None).named()
    pixels = {
        tuple(one): image.numpy()
        for name in ("validation", "test")
        for one, image in zip(splits[name].ids.tolist(), splits[name].pixels, strict=True)
    }
    for kind in disagreements(answers, *told["pair"]):
        for one in map(tuple, answers.ids[kind.rows].tolist()):
            np.testing.assert_array_equal(kept[one], pixels[one])

    # what is meant to differ confounds nothing; what is searched or solved for every case alike does not either
    runs = record.runs("cnn")[0], record.runs("wide")[0]
    assert confounder(("a", "b"), runs, ("model", "recipe")) == ""
    assert confounder(("a", "b"), runs, (), ("recipe.learning_rate",)) == ""
    assert "recipe.learning_rate" in confounder(("a", "b"), runs, ("model",))
    assert config_differences(runs[0], runs[0]) == ()
    meant = study.model_copy(update={"varies": ("model", "recipe")})
    cases = {case: record.runs(case) for case in ("cnn", "mlp", "wide")}
    assert {one["confound"] for one in verdicts(meant, cases, [("cnn", "wide")], "validation")} == {""}

    # a study of a smallvision that did not compare is concluded again, from the same runs
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/model.safetensors")}
    file = record.path / "study.json"
    old = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in old.items() if key not in ("answer", "verdicts")}))
    again, _ = finish(study, tmp_path / "runs", workers=1)
    assert again.result == record.result
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps

    # damaged files of a study, one line each
    for name, content, text in (
        ("study.json", json.dumps({**old, "verdicts": [{"pair": ["cnn"]}]}), 'has no "split"'),
        (
            "study.json",
            json.dumps({**old, "verdicts": [{**old["verdicts"][0], "interval": [0.1]}]}),
            "interval has 1 entries",
        ),
        ("pictures.npz", "no archive", "not a readable"),
    ):
        (record.path / name).write_text(content)
        with pytest.raises(BadInput, match=text) as raised:
            assert read_study(record.path).pictures
        assert "\n" not in str(raised.value)
        file.write_text(json.dumps(old))


def row(case, accuracy, loss=1.0):
    return {"case": case, "validation": {"accuracy": accuracy, "loss": loss}}


def said(a, b, split="validation", verdict="A is better"):
    return {
        "pair": [a, b],
        "names": [a, b],
        "split": split,
        "verdict": verdict,
        "sentence": f"{a} is better than {b}.",
    }


@pytest.mark.parametrize(
    ("found", "winner", "pair", "split", "words"),
    [
        ([said("a", "b"), said("a", "b", "test")], "a", ["a", "b"], "test", "On the test images, a is better than b"),
        (
            [said("b", "a"), said("c", "a")],
            "a",
            ["b", "a"],
            "validation",
            "is a, the baseline. On the same images, b is",
        ),
        ([said("c", "a")], "a", ["c", "a"], "validation", "the baseline. On the same images, c is"),
        ([said("b", "c")], "a", None, "validation", "nothing was compared with it"),
        ([], "a", None, "validation", "nothing was compared with it"),
    ],
)
def test_the_answer_rests_on_the_test_split_where_there_is_one(found, winner, pair, split, words):
    told = answer(
        [row("a", 0.9), row("c", 0.7), row("b", 0.8)],
        winner,
        "a" if "baseline" in words else "b",
        found,
        TASKS["classify"].metric,
    )
    assert (told["pair"], told["split"]) == (pair, split)
    assert words in told["sentence"]


def test_sentences_call_cases_by_their_texts():
    right = np.arange(1000) >= 50
    (judged,) = judge([compare_runs(right, np.roll(right, 90), ("flip", "none"))], equivalence=0.2)
    assert with_texts(judged, {"other": "x"}) is judged
    verdict = with_texts(judged, {"flip": "training with flips"})
    start = "training with flips and none are not distinguishable ("
    assert verdict.names == judged.names == ("flip", "none")
    assert judged.sentence == verdict.sentence.replace("training with flips", "flip")
    assert f"For these two trained networks, {start}" in verdict.sentence
    assert "points between training with flips and none is ruled out" in verdict.equivalence.sentence
    verdict_texts = {"flip": "training with flips"}
    entry = {"pair": ["flip", "none"], "split": "test", **asdict(verdict)}
    told = answer(
        [row("flip", 0.9), row("none", 0.9)], "flip", "none", [entry], TASKS["classify"].metric, verdict_texts
    )
    assert told["sentence"].startswith(f"On the test images, for these two trained networks, {start}")
    alone = answer([row("flip", 0.9)], "flip", "none", [], TASKS["classify"].metric, {"flip": "training with flips"})
    assert "The best on validation images is training with flips, and nothing" in alone["sentence"]


def test_two_cases_of_one_seed_are_these_two_networks(lent, tiny, finish, tmp_path):
    record, _ = finish(tiny(seeds=1, epochs=1), tmp_path / "runs", workers=1)
    one = record.verdicts[0]
    (a,), (b,) = (right(record, case, "validation") for case in one["pair"])
    only = [sum(x[key] and not y[key] for key in a) for x, y in ((a, b), (b, a))]
    assert one["kind"] == "these two trained networks"
    assert one["only_right"] == only
    assert one["p"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0, rel=1e-12)
    assert math.isclose(one["difference"], (only[0] - only[1]) / len(a))


def test_answers_to_other_images_are_refused(lent, tiny, finish, tmp_path):
    record, _ = finish(tiny(seeds=1, epochs=1), tmp_path / "runs", workers=1)
    study = tiny(seeds=1, epochs=1)
    other, _ = finish(study.model_copy(update={"set": {**study.set, "data.seed": 5}}), tmp_path / "runs", workers=1)
    with pytest.raises(BadInput, match="accuracies on different images cannot be compared"):
        gather({"a": record.runs("cnn"), "b": other.runs("cnn")}, "validation")


@pytest.mark.parametrize("text", ['varies = ["protocol"]', 'varies = ["lr"]', "varies = [3]"])
def test_what_is_meant_to_vary_is_keys_of_an_experiment(tmp_path, text):
    file = tmp_path / "s.toml"
    file.write_text(f'name = "s"\nbase = "digits"\n{text}\n[axes]\n"recipe.epochs" = [1, 2]\n')
    with pytest.raises(BadInput, match="varies"):
        load_study(str(file))


def test_cases_with_other_validation_images_are_told_so_and_nothing_is_lost(lent, tiny, finish, tmp_path):
    study = tiny(seeds=1, epochs=1)
    first, second = study.case
    study = study.model_copy(
        update={"case": (first, second.model_copy(update={"set": {**second.set, "data.seed": 5}}))}
    )
    record, _ = finish(study, tmp_path / "runs", workers=1)
    assert record.state["status"] == "finished"
    assert record.verdicts == []
    assert record.answers() == record.pictures == {}
    assert "nothing was compared with it" in record.result["answer"]["sentence"]
    assert "accuracies on different images cannot be compared" in record.result["answer"]["sentence"]
