"""A probe of a run that is made without a network; its files are written by the product.

Its classifiers, scores and maps are scikit-learn's. The representation is PCA of noisy images, so that its figures are
truly those of its features and are neither the best nor the worst.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from smallvision.experiment.probe import ProbeSpec
from smallvision.metrics.intervals import wilson
from smallvision.runs import probes
from smallvision.stats.verdict import compare_runs, judge

COUNTS = {"train": 300, "chosen_on": 150, "shown": 150}


def images(classes: int = 10, color: bool = False, scale: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (N, C, H, W) and labels of the first classes of the digits.

    In colour each class has a background of its own.
    """
    digits = load_digits()
    some = np.flatnonzero(digits.target < classes)
    order = np.random.default_rng(seed).permutation(some)
    gray = np.kron(digits.images[order] / 16, np.ones((scale, scale)))[:, None]
    labels = digits.target[order]
    if color:
        ground = np.random.default_rng(1).random((classes, 3))[labels][:, :, None, None]
        gray = 0.8 * gray + 0.2 * ground * (1 - gray)
    return (255 * gray).round().astype(np.uint8), labels.astype(np.int64)


def make(
    run_path: Path,
    *,
    classes: Sequence[str] = tuple("0123456789"),
    color: bool = False,
    scale: int = 1,
    size: int = 6,
    kinds: Sequence[Any] = ("knn", "linear"),
    maps: Sequence[Any] = ("pca", "tsne"),
    without: Sequence[str] = (),
    noise: float = 0.3,
    seed: int = 0,
    run_seed: int = 0,
    split: str = "test",
    chosen_on: str = "validation",
    name: str = "digits-autoencoder",
    notes: Sequence[str] = ("kept as it is",),
    weights: str = "0" * 64,
    counts: dict[str, int] = COUNTS,
    projected: Any = None,
) -> Path:
    """Write RUN/probes/<hash>/ and return it; RUN has to be there.

    Parameters
    ----------
    size : values of the representation.
    kinds, maps, seed : as of ProbeSpec.
    without : sources that are left out.
    noise : what the representation loses.
    projected : kind, features -> places; scikit-learn's PCA, turned for other kinds than "pca", unless given.
    """
    spec = ProbeSpec(kinds=tuple(kinds), train=counts["train"], test=counts["shown"], maps=tuple(maps), seed=seed)
    pixels, labels = images(len(classes), color, scale)
    flat = pixels.reshape(len(pixels), -1) / 255
    ends = np.cumsum([counts["train"], counts["chosen_on"], counts["shown"]])
    rows = {
        key: np.arange(end - counts[key], end) for key, end in zip(("train", "chosen_on", "shown"), ends, strict=True)
    }
    rng = np.random.default_rng([seed, run_seed])
    fitted = PCA(min(size, flat.shape[1])).fit(flat[rows["train"]])
    features = {
        "representation": fitted.transform(flat + rng.normal(0, noise, flat.shape)).astype(np.float32),
        "pixels": flat,
        "pca": fitted.transform(flat),
        "untrained": flat @ rng.normal(size=(flat.shape[1], size)),
    }
    titles = {
        "representation": f"representation, {size} values",
        "pixels": "pixels",
        "pca": f"PCA, {size} components",
        "untrained": "untrained encoder",
    }
    features = {key: value for key, value in features.items() if key not in without}
    known = {key: labels[some] for key, some in rows.items()}
    sources, predictions, matrices = [], [], []
    for key, values in features.items():
        found = [
            _probe(kind, {part: values[some] for part, some in rows.items()}, known, classes) for kind in spec.probes
        ]
        near = (
            NearestNeighbors(n_neighbors=8, metric="cosine")
            .fit(values[rows["train"]])
            .kneighbors(values[rows["shown"]])[1]
        )
        same = known["train"][near] == known["shown"][:, None]
        sources.append(
            {
                "name": key,
                "title": titles[key],
                "size": values.shape[1],
                "seconds": 0.5,
                "probes": [one for one, _ in found],
                "precision": {"1": float(same[:, :1].mean()), "8": float(same.mean())},
            }
        )
        predictions.append([said for _, said in found])
        matrices.append([confusion_matrix(known["shown"], said, labels=range(len(classes))) for _, said in found])
    arrays: dict[str, np.ndarray] = {
        "labels": known["shown"],
        "ids": np.stack([rows["shown"], 0 * rows["shown"]], 1),
        "predictions": np.array(predictions, np.int64),
        "confusion": np.array(matrices, np.int64),
        "spectrum": fitted.explained_variance_ratio_ / fitted.explained_variance_ratio_.sum(),
    }
    arrays |= _retrieval(features, pixels, rows, known, len(classes))
    drawn = _maps(arrays, features, pixels, rows, known, maps, projected)
    result = {
        "format_version": 1,
        "name": name,
        "experiment": "fake",
        "seed": run_seed,
        "model_sha256": weights,
        "command": f"smallvision probe {name} --seed {seed}",
        "classes": list(classes),
        "split": split,
        "chosen_on": chosen_on,
        "counts": counts,
        "looks": int(split == "test"),
        "sources": sources,
        "dimensions": {"dead": 0, "duplicates": 1, "effective_rank": 4.25},
        "comparisons": _comparisons(np.array(predictions) == known["shown"], list(features), spec.probes),
        "maps": drawn,
        "notes": list(notes),
        "environment": {"format_version": 1, **fake_run.ENVIRONMENT},
    }
    return probes.write(run_path, spec, result, arrays)


def _probe(
    kind: str, values: dict[str, np.ndarray], known: dict[str, np.ndarray], classes: Sequence[str]
) -> tuple[dict[str, Any], Any]:
    tried, models = [], {}
    scaler = StandardScaler().fit(values["train"]) if kind == "linear" else None
    given = {key: scaler.transform(value) if scaler else value for key, value in values.items()}
    for setting in (0.001, 0.01, 0.1) if scaler else (1, 3, 9):
        model = RidgeClassifier(1 / setting) if scaler else KNeighborsClassifier(setting, metric=kind.partition("-")[2])
        models[setting] = model.fit(given["train"], known["train"])
        tried.append([float(setting), float(model.score(given["chosen_on"], known["chosen_on"]))])
    best = max(tried, key=lambda one: (one[1], -one[0]))[0]
    said = models[best].predict(given["shown"])
    columns = precision_recall_fscore_support(known["shown"], said, labels=range(len(classes)), zero_division=0)
    per_class = [
        {
            "class": name,
            **{key: float(column[i]) for key, column in zip(("precision", "recall", "f1"), columns[:3], strict=True)},
            "support": int(columns[3][i]),
        }
        for i, name in enumerate(classes)
    ]
    right = int((said == known["shown"]).sum())
    return {
        "kind": kind,
        "setting": "C" if scaler else "k",
        "value": best,
        "tried": tried,
        "count": len(said),
        "accuracy": right / len(said),
        "interval": list(wilson(right, len(said))),
        "notes": [],
        "per_class": per_class,
        "macro_f1": float(f1_score(known["shown"], said, labels=range(len(classes)), average="macro", zero_division=0)),
    }, said


def _comparisons(right: np.ndarray, sources: Sequence[str], kinds: Sequence[str]) -> list[dict[str, Any]]:
    asked = [(p, s) for p in range(len(kinds)) for s in range(1, len(sources))]
    if not asked:
        return []
    judged = judge([compare_runs(right[0, p], right[s, p], ("representation", sources[s])) for p, s in asked])
    return [
        {
            "probe": kinds[p],
            "against": sources[s],
            "difference": one.difference,
            "interval": list(one.interval),
            "p": one.p,
            "adjusted_p": one.adjusted_p,
            "verdict": one.verdict,
            "sentence": one.sentence,
        }
        for (p, s), one in zip(asked, judged, strict=True)
    ]


def _retrieval(
    features: dict[str, np.ndarray],
    pixels: np.ndarray,
    rows: dict[str, np.ndarray],
    known: dict[str, np.ndarray],
    classes: int,
) -> dict[str, np.ndarray]:
    asked = np.array([np.flatnonzero(known["shown"] == label)[0] for label in range(classes)])
    out = {"query_index": asked, "query_pixels": pixels[rows["shown"][asked]]}
    for key in [name for name in ("representation", "pixels") if name in features]:
        finder = NearestNeighbors(n_neighbors=8, metric="cosine").fit(features[key][rows["train"]])
        distances, near = finder.kneighbors(features[key][rows["shown"][asked]])
        out |= {
            f"neighbours_{key}_pixels": pixels[rows["train"][near]],
            f"neighbours_{key}_labels": known["train"][near],
            f"neighbours_{key}_distances": distances.clip(0),
        }
    return out


def _maps(
    arrays: dict[str, np.ndarray],
    features: dict[str, np.ndarray],
    pixels: np.ndarray,
    rows: dict[str, np.ndarray],
    known: dict[str, np.ndarray],
    maps: Sequence[str],
    projected: Any,
) -> list[dict[str, Any]]:
    if not maps:
        return []
    count = len(rows["shown"])
    arrays["map_index"] = np.arange(count)
    arrays["thumb_index"] = np.arange(0, count, 2)[:400]
    arrays["thumbs"] = pixels[rows["shown"][arrays["thumb_index"]]]
    out = []
    for kind in maps:
        for key in [name for name in ("representation", "pixels") if name in features]:
            values = features[key][rows["shown"]]
            places = projected(kind, values) if projected else PCA(min(2, values.shape[1])).fit_transform(values)
            places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
            arrays[f"map_{kind}_{key}"] = (places if kind == "pca" else places[:, ::-1] * 7).astype(np.float32)
            near = NearestNeighbors(n_neighbors=11).fit(places).kneighbors(places)[1][:, 1:]
            votes = [np.bincount(known["shown"][one]).argmax() for one in near]
            right = float((votes == known["shown"]).mean())
            out.append({"kind": kind, "source": key, "images": count, "seconds": 1.5, "neighbours": right})
    return out
