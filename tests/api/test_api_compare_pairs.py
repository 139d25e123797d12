"""Verifiers are compared on pairs that share no image, in whatever order the images had.

The figures are compared with scipy's; the page is read.
"""

import shutil
import sys

import numpy as np
import pytest
from page_reading import Page, numbers, says
from scipy import stats

import smallvision as sv
from smallvision import cli
from smallvision.comparison.predictions import gather
from smallvision.data import load
from smallvision.errors import BadInput
from smallvision.report.comparison import verdicts

SHORT = ["recipe.epochs=1", "data.limit=600"]
CHANGES = {
    "triplet": [],
    "contrastive": ["task={kind='verify', loss='contrastive'}"],
    "validation": ["protocol.test=never"],
    "other pairs": ["data.seed=1", "protocol.test=never", "task={kind='verify', loss='contrastive'}"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sv.Run, "report", lambda _: None)
        return {
            name: sv.run(
                "digits-siamese", *SHORT, *change, device="cpu", threads=1, out=folder / name.replace(" ", "-")
            ).path
            for name, change in CHANGES.items()
        }


def right(path):
    """Which pairs a run got right, by the ids of both images, straight from its file."""
    with np.load(path / "evidence.npz") as found:
        ids = found["ids"][found["alone_pairs"]].tolist()
        return {frozenset(map(tuple, pair)): bool(hit) for pair, hit in zip(ids, found["alone_right"], strict=True)}


def test_two_verifiers_by_mcnemar_on_pairs_that_share_no_image(runs):
    found = sv.compare(runs["triplet"], runs["contrastive"])
    one, other = right(runs["triplet"]), right(runs["contrastive"])
    assert one.keys() == other.keys()
    assert len(frozenset.union(*one)) == 2 * len(one), "no image is in two pairs"
    only = tuple(sum(a[pair] and not b[pair] for pair in one) for a, b in ((other, one), (one, other)))
    (verdict,) = found.verdicts
    assert verdict.only_right == only
    assert verdict.p == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue, rel=1e-12)
    assert verdict.accuracies == pytest.approx((np.mean(list(other.values())), np.mean(list(one.values()))))
    assert found.images == len(one)
    says(verdict.sentence, str(len(one)), str(only[0]), str(only[1]))
    gap = abs(100 * verdict.difference)
    assert f"difference {gap:.{1 if gap >= 1 else 2}f} points" in verdict.sentence
    assert "images" not in verdict.sentence
    assert found.answers.classes == ("not the same", "the same")
    truth = {
        tuple(ids): label for ids, label in zip(found.answers.ids.tolist(), found.answers.labels.tolist(), strict=True)
    }
    test = load.load(found.sides[0].runs[0].experiment.data).test
    labels = {tuple(one): label for one, label in zip(test.ids.tolist(), test.labels.tolist(), strict=True)}
    assert all((labels[ids[:2]] == labels[ids[2:]]) == same for ids, same in truth.items())


def test_the_order_in_which_a_run_saw_its_images_does_not_matter(runs, tmp_path):
    """Images put in another order, and the pairs drawn of them there, are the same pairs."""
    from smallvision.inference import predict
    from smallvision.runs.read import read_run
    from smallvision.tasks import Scores
    from smallvision.tasks.verification.evidence import alone

    record = read_run(runs["triplet"])
    found, loaded = record.evidence, predict.load(record)
    test = load.load(record.experiment.data).test
    order = np.random.default_rng(0).permutation(len(test))
    turned = {name: found[name][order] for name in ("ids", "labels", "representation")}
    again = alone(loaded.model, test, Scores({}, len(test), turned, record.result["verifier"]))
    sets = [
        {frozenset(map(tuple, pair)): bool(hit) for pair, hit in zip(ids[pairs].tolist(), hits, strict=True)}
        for ids, pairs, hits in (
            (found["ids"], found["alone_pairs"], found["alone_right"]),
            (turned["ids"], again["alone_pairs"], again["alone_right"]),
        )
    ]
    assert sets[0] == sets[1]
    place = np.argsort(order)
    shuffled = tmp_path / "shuffled"
    shutil.copytree(runs["triplet"], shuffled)
    arrays = {**found, **turned, **again, "pairs": place[found["pairs"]], "first_index": place[found["first_index"]]}
    np.savez(shuffled / "evidence.npz", **arrays)
    assert (
        sv.compare(shuffled, runs["contrastive"]).verdicts == sv.compare(runs["triplet"], runs["contrastive"]).verdicts
    )


def test_the_command_says_pairs_and_the_page_shows_both_images_of_one(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "smallvision",
            "compare",
            *map(str, (runs["triplet"], runs["contrastive"])),
            "--out",
            str(tmp_path / "page.html"),
        ],
    )
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    out = capsys.readouterr().out
    count = len(right(runs["triplet"]))
    says(out, str(count), "test")
    page = Page((tmp_path / "page.html").read_text())
    assert page.has("p.answer"), "of two sides the sentence stands there"
    assert not page.has("p.question")
    assert page.has("#verdicts [data-about=independent]")
    assert {numbers(one.text)[-1] for one in page.all("[data-about=disagreement]")} == {str(count)}
    labels = [one["alt"].partition(":")[2].partition(";")[0].strip() for one in page.all("#images img")]
    assert set(labels) <= {"the same", "not the same"}
    assert labels
    found = sv.compare(runs["triplet"], runs["contrastive"])
    test = load.load(found.sides[0].runs[0].experiment.data).test
    pixels = {tuple(one): image.numpy() for one, image in zip(test.ids.tolist(), test.pixels, strict=True)}
    names = found.sides[1].name, found.sides[0].name
    gallery = verdicts.gallery(found.answers, names, pixels)
    shown = [image for kind in gallery.kinds for image in kind.images]
    rows = [row for kind in found.disagreements() for row in kind.rows]
    assert len(shown) == len(rows) > 0
    assert gallery.missing == 0
    for image, row in zip(shown, rows, strict=True):
        one, other = (pixels[tuple(ids)] for ids in found.answers.ids[row].reshape(2, 2).tolist())
        np.testing.assert_array_equal(image.pixels, np.concatenate([one, np.full((1, 8, 1), 255, np.uint8), other], 2))
        assert image.label == ("not the same", "the same")[found.answers.labels[row]]
    half = {ids: pixels[ids] for ids in list(pixels)[: len(pixels) // 2]}
    few = verdicts.gallery(found.answers, names, half)
    assert 0 < few.missing <= len(shown)


def test_other_pairs_are_refused(runs):
    with pytest.raises(BadInput, match=r"\d+ pairs, .* \d+, .*\d+ "):
        sv.compare(runs["validation"], runs["other pairs"])
    with pytest.raises(BadInput, match=r"on validation images, .* on test images"):
        sv.compare(runs["contrastive"], runs["validation"])


def test_runs_whose_images_make_no_independent_pair_are_refused_in_one_line(runs, tmp_path):
    path = tmp_path / "none"
    shutil.copytree(runs["triplet"], path)
    with np.load(path / "evidence.npz") as found:
        arrays = dict(found)
    for name in ("pairs", "same", "right", "probabilities"):
        arrays[f"alone_{name}"] = arrays[f"alone_{name}"][:0]
    np.savez(path / "evidence.npz", **arrays)
    with pytest.raises(BadInput, match=str(path)) as caught:
        gather({"a": [sv.open_run(path).record]}, "test")
    assert "\n" not in str(caught.value)
