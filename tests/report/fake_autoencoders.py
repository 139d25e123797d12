"""A study of autoencoders that is made without training; its files are written by the product.

Its networks are scikit-learn's PCA of the digits, made worse. So their errors are truly those of their reconstructions,
and PCA's error with the same number of components is scikit-learn's.
"""

import io
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
from fake_study import Made, jobs, write
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from smallvision.comparison.predictions import AlignedPredictions
from smallvision.experiment import Study, build
from smallvision.runs.evidence import VALIDATION_EVIDENCE
from smallvision.runs.read import read_run
from smallvision.storage.files import write_bytes
from smallvision.study import selection, verdicts
from smallvision.study.read import read_study
from smallvision.tasks import TASKS

CLASSES = tuple("0123456789")
KEPT = {1: 0.5, 3: 0.2, 5: 0.15, 10: 0.4}  # by depth: what a network adds to PCA's error, times 0.01; on validation
TOML = """name = "ae"

[data]
source = "digits"
validation = 0.15

[model]
kind = "{kind}"
representation = {representation}
depth = {depth}
variational = {variational}

[task]
kind = "reconstruct"
{noise}

[recipe]
epochs = 3

[protocol]
test = "never"
"""


class Split:
    """Images of a split, PCA's reconstructions of them, and their ids."""

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray, fitted: PCA) -> None:
        self.name, self.images, self.labels, self.fitted = name, images, labels, fitted
        self.ids = np.stack(
            [np.arange(len(images)) + (10**6 if name == "test" else 0), np.zeros(len(images), np.int64)], 1
        )

    def pca(self, k: int) -> np.ndarray:
        """What k components keep, (N, 64) in [0, 1]."""
        kept = self.fitted.transform(self.images)[:, :k]
        made: np.ndarray = kept @ self.fitted.components_[:k] + self.fitted.mean_
        return made


def splits() -> dict[str, Split]:
    """120 digits each, of 600 that PCA is fitted to."""
    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    fitted = PCA().fit(images[:600])
    return {
        name: Split(name, images[first : first + 120], labels[first : first + 120], fitted)
        for name, first in (("train", 0), ("validation", 600), ("test", 720))
    }


def make(
    folder: Path,
    cases: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    seeds: int = 2,
    denoise: bool = False,
    variational: bool = False,
    pictured: bool = False,
    winner: str | None = None,
    met: Sequence[str] | None = None,
) -> Made:
    """Write study and runs under `folder`.

    Parameters
    ----------
    cases : name -> what it sets of the model; of representation 2, 8 and 32 unless given.
    variational : of all cases whose name is not "plain".
    pictured : whether evidence has PCA's pictures and those of random codes, as of runs that are not old.
    met : the cases that met the test split; the winner (by default the last) and the first unless given.
    """
    cases = cases or {f"representation={size}": {"representation": size} for size in (2, 8, 32)}
    known = splits()
    names = list(cases)
    winner = winner or names[-1]
    met = list(dict.fromkeys((winner, names[0]))) if met is None else list(met)
    runs = {}
    for name, sets in cases.items():
        own = {"kind": "mlp-autoencoder", "representation": 8, "depth": 3, **sets}
        taught = variational and name != "plain"
        also = {
            split: _pictured(one, own["representation"], len(name)) if pictured else {} for split, one in known.items()
        }
        paths = [
            _run(folder / f"{name.replace(' ', '-')}-s{seed}", own, seed, known, denoise, taught, name in met, also)
            for seed in range(seeds)
        ]
        runs[name] = [read_run(path) for path in paths]
    base = runs[names[0]][0].experiment
    study = Study.model_validate(
        {
            "name": "ae",
            "question": "How small?",
            "base": base,
            "seeds": seeds,
            "baseline": names[0],
            "case": [
                {"name": name, "set": {f"model.{key}": value for key, value in sets.items()}}
                for name, sets in cases.items()
            ],
        }
    )
    table = [selection.row(name, records, folder, {}) for name, records in runs.items()]
    answers = {
        "validation": _answers(known["validation"], runs),
        "test": _answers(known["test"], {name: runs[name] for name in met}),
    }
    pairs = [(name, names[0]) for name in names[1:]]
    found = verdicts.verdicts(study, runs, pairs, "validation")
    found += verdicts.verdicts(study, runs, [(met[0], met[1])], "test") if met[1:] else []
    planned = {
        "workers": 1,
        "threads": 1,
        "why": "asked for",
        "match": [],
        "timings": [],
        "jobs": jobs(folder, runs),
        "search": {"sampler": None, "tries": []},
    }
    path = write(
        folder,
        study,
        planned,
        "smallvision run ae",
        {
            "name": "ae",
            "hash": study.hash(),
            "question": "How small?",
            "baseline": names[0],
            "pairs": [list(pair) for pair in pairs],
            "choice": {"winner": winner, "by": selection.reason(TASKS["reconstruct"].metric), "met_test": met},
            "table": table,
            "verdicts": found,
            "answer": verdicts.answer(table, winner, names[0], found, TASKS["reconstruct"].metric),
            "commands": {"study": "smallvision run ae", "runs": []},
        },
    )
    pictures = {
        tuple(one): _bytes(image)[0]
        for split in known.values()
        for one, image in zip(split.ids.tolist(), split.images, strict=True)
    }
    return Made(read_study(path), answers if met else {"validation": answers["validation"]}, pictures)


def _answers(split: Split, runs: Mapping[str, Sequence[Any]]) -> AlignedPredictions:
    values = {}
    for name, records in runs.items():
        arrays = [
            np.load(record.path / file)["mse"]
            for record in records
            for file in (VALIDATION_EVIDENCE, "evidence.npz")
            if _is_of(record.path / file, split.name)
        ]
        values[name] = np.stack(arrays).astype(np.float64)
    return AlignedPredictions(split.name, split.ids, split.labels, CLASSES, {}, TASKS["reconstruct"].metric, values)


def _is_of(file: Path, split: str) -> bool:
    return file.exists() and str(np.load(file)["split"]) == split


def _run(
    path: Path,
    model: Mapping[str, Any],
    seed: int,
    known: Mapping[str, Split],
    denoise: bool,
    variational: bool,
    met: bool,
    also: Mapping[str, Mapping[str, np.ndarray]],
) -> Path:
    """A run directory; `also` are further arrays of each split's evidence."""
    size, depth = int(model["representation"]), int(model["depth"])
    noise = "[task.denoise]\namount = 0.2" if denoise else ""
    toml = TOML.format(
        kind=model["kind"], representation=size, depth=depth, variational=str(variational).lower(), noise=noise
    )
    rng = np.random.default_rng(1000 * size + 10 * depth + seed)
    scored, evidence = {}, {}
    for name, split in known.items():
        share = 1 / depth if name == "train" else KEPT.get(depth, 0.3)
        made = split.pca(size) + rng.normal(0, np.sqrt(0.01 * share), split.images.shape)
        scored[name], evidence[name] = _scored(split, made, size, denoise)
        evidence[name] |= also[name]
    shown = ("validation", "test") if met else ("validation",)

    def measured(record: dict[str, Any]) -> dict[str, Any]:
        both = {
            name: dict.fromkeys(("loss", "mse"), scored[name]["mse"] * 9 / record["epoch"] ** 2)
            for name in ("train", "validation")
        }
        return {**record, **both}

    fake_run.make(
        path,
        epochs=3,
        steps_per_epoch=20,
        count=20,
        shape=(1, 8, 8),
        test=False,
        seed=seed,
        classes=CLASSES,
        experiment=build(tomllib.loads(toml), "fake"),
        measured=measured,
        evidence=evidence[shown[-1]],
        totals={"parameters": 1000 * size, "multiply_adds": 900 * size, "parameter_bytes": 4000 * size},
        result={
            "seconds": 6.0 + seed,
            "seconds_per_epoch": 2.0 + seed / 3,
            "looks": int(met),
            "train": {key: scored["train"][key] for key in ("loss", "mse", "count", "psnr", "ssim")},
            **{name: scored[name] for name in shown},
        },
    )
    if met:  # as a later look at the test split leaves it
        packed = io.BytesIO()
        np.savez_compressed(packed, **evidence["validation"])
        write_bytes(path / VALIDATION_EVIDENCE, packed.getvalue())
    return path


def _scored(split: Split, made: np.ndarray, size: int, denoise: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A split's scores as in result.json, and its evidence."""
    errors = ((made - split.images) ** 2).mean(1)
    noise = np.random.default_rng(len(split.name)).normal(
        0, 0.2, split.images.shape
    )  # the same for every run, as in scoring
    noisy = np.clip(split.images + noise, 0, 1)
    ladder = [k for k in (1, 2, 5, 8, 16, 32, 60) if k <= max(size, 60)]
    beside = [float(((split.pca(k) - split.images) ** 2).mean()) for k in ladder]
    worst = np.argsort(-errors.astype(np.float32), kind="stable")[:20]
    arrays: dict[str, Any] = {
        "split": np.array(split.name),
        "labels": split.labels,
        "ids": split.ids,
        "mse": errors.astype(np.float32),
        "psnr": (-10 * np.log10(errors)).astype(np.float32),
        "ssim": (1 - 3 * errors).astype(np.float32),
        "representation": split.fitted.transform(split.images)[:, :size].astype(np.float32),
        "pca_components": np.array(ladder),
        "pca_mse": np.array(beside),
    }
    for which, index in (("first", np.arange(20)), ("worst", worst)):
        arrays |= {
            f"{which}_index": index,
            f"{which}_pixels": _bytes(split.images[index]),
            f"{which}_reconstructions": _bytes(made[index]),
        }
        arrays |= {f"{which}_noisy": _bytes(noisy[index])} if denoise else {}
    values = {key: float(arrays[key].mean(dtype=np.float64)) for key in ("mse", "psnr", "ssim")}
    pca = {"components": size, "mse": float(((split.pca(size) - split.images) ** 2).mean())}
    beside_it = {"noisy_mse": float(((noisy - split.images) ** 2).mean())} if denoise else {}
    return {"loss": values["mse"], **values, **beside_it, "count": len(errors), "pca": pca}, arrays


def _pictured(split: Split, size: int, seed: int) -> dict[str, Any]:
    """What a run of today has and an old run lacks.

    These are PCA's reconstructions, and the samples and interpolations of both PCA and the network.
    """
    made, rng = split.pca(size), np.random.default_rng(seed)
    ends = np.array([[3, 7], [20, 2], [50, 51]])
    steps = np.linspace(0, 1, 9)[:, None]
    fading = (1 - steps) * made[ends[:, 0], None] + steps * made[ends[:, 1], None]  # (3, 9, 64)
    return {
        "first_pca": _bytes(made[:20]),
        "first_pca_mse": ((made - split.images) ** 2).mean(1)[:20],
        "interpolation_index": ends,
        "pca_samples": _bytes(made[100 - size : 120 - size]),
        "samples": _bytes(rng.random((20, 64))),
        "pca_interpolations": _bytes(fading.reshape(-1, 64)).reshape(3, 9, 1, 8, 8),
        "interpolations": _bytes(rng.random((27, 64))).reshape(3, 9, 1, 8, 8),
    }


def _bytes(images: np.ndarray) -> np.ndarray:
    """(N, 64) in [0, 1] as uint8 (N, 1, 8, 8)."""
    pixels: np.ndarray = (255 * images.clip(0, 1)).round().astype(np.uint8).reshape(-1, 1, 8, 8)
    return pixels
