"""A verifier's run directory read back: what contradicts itself is refused, in one line that names it."""

import json
from pathlib import Path
from typing import Any

import fake_verifier
import numpy as np
import pytest

from smallvision.errors import BadInput
from smallvision.runs.read import read_run

PARTS = ("_pixels", "_near", "_near_labels", "_near_distances")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fake_verifier.make(tmp_path / "run", unseen=("fox", "elk"))


def refused(path: Path, *words_: str) -> None:
    with pytest.raises(BadInput) as caught:
        _ = read_run(path).evidence
    assert "\n" not in str(caught.value)
    for word in words_:
        assert word in str(caught.value)


@pytest.mark.slow
def test_evidence_that_contradicts_itself_is_refused(run: Path) -> None:
    good = (run / "evidence.npz").read_bytes()
    with np.load(run / "evidence.npz") as old:
        arrays = dict(old)
    pairs, same, likely, bins = arrays["pairs"], arrays["same"], arrays["probabilities"], arrays["reliability"]
    rows, near = arrays["gallery_wrong_same"], arrays["gallery_right_other_near_distances"]
    alone = pairs.copy()
    alone[:, 1] = alone[:, 0]
    one_kind = np.flatnonzero(same == 1)
    kept = {name: arrays[name][one_kind] for name in ("pairs", "same", "distances", "scores", "probabilities")}
    galleries: dict[str, None] = dict.fromkeys(name for name in arrays if name.startswith("gallery_"))
    swapped = {f"gallery_right_same{part}": arrays[f"gallery_wrong_other{part}"][::-1].copy() for part in ("", *PARTS)}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"pairs": None}, "pairs"),
        ({"same": None}, "same"),
        ({"scores": None}, "scores"),
        ({"distances": likely[:-1]}, "expected M ="),
        ({"pairs": pairs + 60}, "pairs has values outside"),
        ({"pairs": alone}, "image with itself"),
        ({"same": 1 - same}, "same does not say"),
        ({"same": 2 * same}, "same does not say"),
        ({"probabilities": likely * 2}, "probabilities has values outside"),
        ({"probabilities": likely - 1}, "probabilities has values outside"),
        ({"distances": -arrays["distances"]}, "distances has values below"),
        ({"distances": likely * np.nan}, "distances"),
        ({"representation": arrays["labels"]}, "representation"),
        ({**kept, **galleries, "reliability": None}, "pairs are all of one class"),
        ({"reliability": bins[:, :2]}, "reliability"),
        ({"reliability": bins[::-1].copy()}, "reliability"),
        ({"reliability": bins[:-1]}, "reliability"),
        ({"reliability": bins + np.array([0, 2, 0])}, "reliability"),
        ({"reliability": bins * [1, 1, 0.5]}, "reliability"),
        ({"reliability": bins * [2, 1, 1]}, "reliability"),
        ({"reliability": np.zeros((0, 3))}, "reliability"),
        ({"reliability": bins * [0.9, 1, 1]}, "reliability"),
        ({"reliability": bins - [0, 1, 0]}, "reliability"),
        ({"reliability": bins * [1, 0.5, 1]}, "reliability"),
        ({"gallery_wrong_same": rows[::-1].copy()}, "gallery_wrong_same does not list the most confident pairs first"),
        ({"gallery_wrong_same": rows + 300}, "gallery_wrong_same has values outside"),
        ({"gallery_wrong_same": rows[:-1]}, "gallery_wrong_same"),
        ({"gallery_wrong_same": rows[:1].repeat(len(rows))}, "each once"),
        (swapped, "no threshold separates"),
        (
            {"gallery_wrong_same": arrays["gallery_right_same"][: len(rows)]},
            "gallery_wrong_same refers to pairs of another kind",
        ),
        *(({f"gallery_right_same{part}": None}, f"gallery_right_same{part}") for part in PARTS),
        (
            {"gallery_right_other_near_labels": arrays["gallery_right_other_near_labels"] + 3},
            "gallery_right_other_near_labels",
        ),
        ({"gallery_right_other_near_distances": near[..., ::-1].copy()}, "gallery_right_other_near_distances"),
        ({"gallery_right_other_near_distances": near - 100}, "gallery_right_other_near_distances"),
        ({"gallery_right_same_near": arrays["gallery_right_same_near"][:, :, :2]}, "near"),
        ({"gallery_right_same_pixels": arrays["gallery_right_same_pixels"] / 255}, "gallery_right_same_pixels"),
        *(
            ({f"unseen_{name}": None}, f"unseen_{name}")
            for name in ("labels", "same", "distances", "probabilities", "classes")
        ),
        ({"unseen_labels": arrays["unseen_labels"] + 2}, "unseen_labels"),
        ({"unseen_pairs": arrays["unseen_pairs"] + 40}, "unseen_pairs"),
        ({"unseen_same": 1 - arrays["unseen_same"]}, "unseen_same does not say"),
        ({"unseen_distances": -likely}, "unseen_distances"),
        ({"unseen_probabilities": likely + 1}, "unseen_probabilities"),
        ({"labels": arrays["labels"] + 1}, "labels"),
        ({"split": np.array("unseen")}, "split"),
    ]
    for changed, word in cases:
        fake_verifier.changed(run, **changed)
        refused(run, "evidence.npz", word)
        (run / "evidence.npz").write_bytes(good)
    assert read_run(run).evidence is not None


WRONG: list[tuple[dict[str, object], str]] = [
    ({"test": {"pair_accuracy": 1.5}}, "test.pair_accuracy"),
    ({"test": {"auc": "0.9"}}, "test.auc"),
    ({"verifier": None}, "verifier"),
    ({"test": {"intervals": {"pair_accuracy": [0.5]}}}, "test.intervals.pair_accuracy has 1 value"),
    (
        {"test": {"class_pairs": [{"classes": ["cat"], "pairs": 1, "accuracy": 1, "distance": 1}]}},
        "test.class_pairs[0].classes has 1",
    ),
    ({"verifier": {"threshold": -0.1}}, "verifier.threshold"),
    ({"verifier": {"slope": "steep"}}, "verifier.slope"),
    ({"test": {"dimensions": {"dead": -1}}}, "test.dimensions"),
    ({"unseen": {"pair_accuracy": None}}, "unseen.pair_accuracy"),
]


@pytest.mark.parametrize(("values", "place"), WRONG)
def test_wrong_scores_are_named(run: Path, values: dict[str, Any], place: str) -> None:
    result = json.loads((run / "result.json").read_text())
    ((key, new),) = values.items()
    fake_verifier.change(run / "result.json", **{key: {**result[key], **new} if new else new})
    with pytest.raises(BadInput) as caught:
        read_run(run)
    assert place in str(caught.value)


def test_a_result_without_its_verifier_is_damaged(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    del result["verifier"]
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(BadInput, match='has no "verifier"'):
        read_run(run)
