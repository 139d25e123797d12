"""A probe from end to end.

What it wrote is computed again from the run's weights by scikit-learn, scipy, statsmodels and brute force.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.multitest import multipletests

import smallvision as sv
from smallvision import nn as networks
from smallvision.data import load
from smallvision.metrics.linear_probe import CS
from smallvision.probing import run
from smallvision.probing.projections import vote
from smallvision.probing.sampling import sample
from smallvision.runs.read import read_run

SOURCES = ("representation", "pixels", "pca", "untrained")
KINDS = ("knn-cosine", "knn-euclidean", "linear")


def rows_of(whole, part):
    """Where the images of a part are in a split, by their ids."""
    places = {tuple(one): row for row, one in enumerate(whole.ids.tolist())}
    return np.array([places[tuple(one)] for one in part.ids.tolist()])


@pytest.fixture(scope="module")
def splits(trained):
    return load.load(read_run(trained).experiment.data)


@pytest.fixture(scope="module")
def drawn(splits, spec):
    return sample(splits, spec)


@pytest.fixture(scope="module")
def features(trained, splits, drawn):
    """Source -> its features of the three parts, from outside the probe's own code."""
    run = sv.open_run(trained)
    parts = [part.pixels for part in (drawn.train, drawn.chosen_on, drawn.shown)]
    flat = [part.flatten(1).numpy() / 255 for part in parts]
    fitted = PCA(8, svd_solver="full").fit(splits.train.pixels.flatten(1).numpy() / 255)
    fresh = networks.build(
        run.experiment.model, networks.InputSpec((1, 8, 8), 10, run.result["mean"], run.result["std"]), 3
    ).eval()
    with torch.no_grad():
        untrained = [fresh.encode(part.float() / 255).numpy() for part in parts]
    return {
        "representation": [run.encode(part) for part in parts],
        "pixels": flat,
        "pca": [fitted.transform(part) for part in flat],
        "untrained": untrained,
    }


def test_events_go_from_the_images_to_the_folder(events, found):
    assert isinstance(events[0], run.StepStarted)
    assert [event.name for event in events if isinstance(event, run.Source)] == list(SOURCES)
    assert isinstance(events[-1], run.Probed)
    assert events[-1].new
    for event in events:
        if isinstance(event, run.Source):
            entry = next(one for one in found.result["sources"] if one["name"] == event.name)
            assert [one["accuracy"] for one in entry["probes"]] == [one.accuracy for one in event.probes]
            assert entry["seconds"] == event.seconds > 0


def test_images_are_balanced_and_never_shared(found, splits, drawn):
    assert found.result["counts"] == {"train": 300, "chosen_on": len(splits.validation), "shown": 100}
    assert (found.result["split"], found.result["chosen_on"], found.result["looks"]) == ("test", "validation", 1)
    for part, each in ((drawn.train, 30), (drawn.shown, 10)):
        assert np.bincount(part.labels.numpy()).tolist() == [each] * 10
    assert (found.evidence["ids"] == drawn.shown.ids.numpy()).all()
    rows = rows_of(splits.test, drawn.shown)
    assert (found.evidence["labels"] == splits.test.labels.numpy()[rows]).all()
    assert (splits.test.pixels[torch.from_numpy(rows)] == drawn.shown.pixels).all()


@pytest.mark.parametrize("source", range(4), ids=SOURCES)
@pytest.mark.parametrize("probe", range(3), ids=KINDS)
def test_predictions_and_settings_are_scikit_learn_s(found, drawn, features, source, probe):
    train, held, shown = features[SOURCES[source]]
    labels, known, right = (part.labels.numpy() for part in (drawn.train, drawn.chosen_on, drawn.shown))
    entry = found.result["sources"][source]["probes"][probe]
    assert (entry["kind"], entry["setting"], entry["count"]) == (KINDS[probe], "C" if probe == 2 else "k", 100)
    values = [value for value, _ in entry["tried"]]
    if probe == 2:
        assert values == list(CS)
        models = {value: make_pipeline(StandardScaler(), LogisticRegression(C=value, max_iter=500)) for value in values}
    else:
        models = {
            value: KNeighborsClassifier(int(value), metric=KINDS[probe].partition("-")[2], algorithm="brute")
            for value in values
        }
    for value, accuracy in entry["tried"]:
        # Ties and rounding may make a small difference.
        assert models[value].fit(train, labels).score(held, known) == pytest.approx(accuracy, abs=0.02)
    assert entry["value"] == max(entry["tried"], key=lambda one: (one[1], -one[0]))[0]
    said = found.evidence["predictions"][source, probe]
    assert (models[entry["value"]].predict(shown) == said).mean() >= 0.98
    assert entry["accuracy"] == pytest.approx((said == right).mean())
    assert entry["macro_f1"] == pytest.approx(f1_score(right, said, average="macro", zero_division=0))
    assert (found.evidence["confusion"][source, probe] == confusion_matrix(right, said, labels=range(10))).all()


def test_neighbours_are_those_of_brute_force(found, drawn, features):
    labels, right = drawn.train.labels.numpy(), drawn.shown.labels.numpy()
    asked = found.evidence["query_index"]
    assert asked.tolist() == [int(np.flatnonzero(right == label)[0]) for label in range(10)]
    assert (found.evidence["query_pixels"] == drawn.shown.pixels.numpy()[asked]).all()
    for entry in found.result["sources"]:
        train, _, shown = features[entry["name"]]
        far = cdist(shown, train, "cosine")
        near = np.argsort(far, axis=1, kind="stable")[:, :8]
        same = labels[near] == right[:, None]
        assert entry["precision"] == pytest.approx({"1": same[:, 0].mean(), "8": same.mean()}, abs=0.01)
        if entry["name"] in ("representation", "pixels"):
            name = f"neighbours_{entry['name']}"
            assert found.evidence[f"{name}_distances"] == pytest.approx(np.sort(far[asked], axis=1)[:, :8], abs=1e-6)
            for q in range(10):  # each picture is of a training image that lies so far
                for picture, label, distance in zip(
                    *(found.evidence[f"{name}_{key}"][q] for key in ("pixels", "labels", "distances")), strict=True
                ):
                    rows = np.flatnonzero((drawn.train.pixels.numpy() == picture).all((1, 2, 3)))
                    assert any(
                        labels[row] == label and far[asked[q], row] == pytest.approx(distance, abs=1e-6) for row in rows
                    )


def test_comparisons_are_exact_mcnemar_under_holm(found):
    right = found.evidence["predictions"] == found.evidence["labels"]
    entries = found.result["comparisons"]
    assert [(one["probe"], one["against"]) for one in entries] == [
        (kind, source) for kind in KINDS for source in SOURCES[1:]
    ]
    ps = []
    for one in entries:
        a, b = right[0, KINDS.index(one["probe"])], right[SOURCES.index(one["against"]), KINDS.index(one["probe"])]
        only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
        ps.append(binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0)
        assert one["difference"] == pytest.approx(a.mean() - b.mean())
        assert one["interval"][0] <= one["difference"] <= one["interval"][1]
        assert (one["interval"][0] > 0 or one["interval"][1] < 0) == (one["verdict"] != "not distinguishable")
        assert ("not distinguishable" in one["sentence"]) == (one["verdict"] == "not distinguishable")
    assert [one["p"] for one in entries] == pytest.approx(ps)
    assert [one["adjusted_p"] for one in entries] == pytest.approx(multipletests(ps, method="holm")[1])
    better = next(one for one in entries if one["verdict"] != "not distinguishable")  # an untrained network is worse
    assert f"difference {abs(100 * better['difference']):.1f} points" in better["sentence"]


def test_spectrum_is_that_of_scikit_learn(found, features):
    shares = PCA(8).fit(features["representation"][2]).explained_variance_ratio_
    assert found.evidence["spectrum"] == pytest.approx(shares, abs=1e-6)
    sigma = np.sqrt(shares) / np.sqrt(shares).sum()
    assert found.result["dimensions"]["effective_rank"] == pytest.approx(
        np.exp(-(sigma * np.log(sigma)).sum()), abs=1e-4
    )


def test_maps_are_of_a_part_of_the_images_and_their_votes_of_brute_force(found, drawn, features):
    rows = found.evidence["map_index"]
    labels = drawn.shown.labels.numpy()[rows]
    assert len(rows) == 60
    assert all(a < b for a, b in pairwise(rows))
    assert [(one["kind"], one["source"]) for one in found.result["maps"]] == [
        (kind, source) for kind in ("pca", "tsne") for source in ("representation", "pixels")
    ]
    for one in found.result["maps"]:
        places = found.evidence[f"map_{one['kind']}_{one['source']}"]
        assert one["neighbours"] == pytest.approx(brute_vote(places, labels))
        if one["kind"] == "pca":
            theirs = PCA(2).fit_transform(features[one["source"]][2][rows])
            assert np.abs(places) == pytest.approx(np.abs(theirs), abs=1e-4)
    thumbs = found.evidence["thumb_index"]
    assert thumbs.tolist() == list(range(60))
    assert (found.evidence["thumbs"] == drawn.shown.pixels.numpy()[rows[thumbs]]).all()


def brute_vote(places, labels, voters=10):
    right = 0
    far = cdist(places.astype(np.float64), places.astype(np.float64))
    for row in range(len(places)):
        others = [one for one in np.argsort(far[row], kind="stable") if one != row][:voters]
        right += np.bincount(labels[others]).argmax() == labels[row]
    return right / len(places)


def test_a_vote_leaves_the_image_itself_out_even_where_all_are_in_one_place():
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    places = np.zeros((7, 2), np.float32)
    # Class 1 loses its majority: three of each are left.
    assert vote(places, labels) == pytest.approx(brute_vote(places, labels, 6))
    rng = np.random.default_rng(0)
    crowd = np.repeat(rng.normal(size=(15, 2)).astype(np.float32), 2, axis=0)
    classes = np.tile([0, 1], 15)  # its own twin is of the other class
    assert vote(crowd, classes) == pytest.approx(brute_vote(crowd, classes))


def test_the_same_probe_gives_the_same_figures(trained, copy, found, spec):
    (copy / "probes" / found.path.name).rename(copy / "elsewhere")
    again = list(run.probe(read_run(copy), spec))[-1]
    assert again.new
    from smallvision.runs import probes

    other = probes.read(again.path)
    assert other.evidence.keys() == found.evidence.keys()
    assert all(np.array_equal(other.evidence[name], values) for name, values in found.evidence.items())
    assert other.result["sources"][0]["probes"] == found.result["sources"][0]["probes"]
    assert other.result["comparisons"] == found.result["comparisons"]
