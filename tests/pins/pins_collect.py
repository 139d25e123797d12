"""Collects from the code what must not change by accident: python tests/pins/pins_collect.py [FILE] writes it down.

`pins.json` holds what the code gave when it was written. A change of that file is a change of what people's files, runs
and programs rely on, so it is made on purpose and said in CHANGELOG.md. Parts of the package are imported here and
nowhere else in these tests, so that this is the one place to change when one of them moves.
"""

import hashlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import typer
from pydantic import TypeAdapter

import smallvision as sv
from smallvision.cli import app
from smallvision.experiment import Experiment, ProbeSpec, Study, load, load_any
from smallvision.experiment.model.union import ModelSpec
from smallvision.nn import NETWORKS as KINDS
from smallvision.nn import InputSpec, build
from smallvision.study.plan.cases import expand
from smallvision.training.user_objects import with_digests

PINS = Path(__file__).with_name("pins.json")
SPEC: TypeAdapter[Any] = TypeAdapter(ModelSpec)

PROBES: dict[str, dict[str, Any]] = {
    "default": {},
    "knn on all": {"kinds": ["knn"], "train": "all", "test": "all", "maps": []},
    "every key": {
        "kinds": ["linear"],
        "train": 500,
        "test": 100,
        "maps": ["umap", "pca"],
        "map_images": 100,
        "seed": 7,
    },
}

# Each key of an experiment is set in one of these, most of them to something that is not its default.
OVERRIDES: dict[str, tuple[str, list[str]]] = {
    "every key of classification": (
        "digits",
        [
            "data.classes=['1', 3, 5, 7]",
            "data.limit=0.5",
            "data.validation=40",
            "data.seed=4",
            "data.normalize={mean=[0.3], std=[0.4]}",
            "data.expand={flip=false, noise=0.2}",
            "data.augment=[{kind='flip', probability=0.4}, {kind='crop', padding=1, fill='reflect'}, "
            "{kind='resized-crop', scale=[0.5, 1.0], ratio=[0.8, 1.2]}, {kind='rotate', degrees=5}, "
            "{kind='noise', distribution='gaussian', amount=0.2}, {kind='cutout', size=2, probability=0.3}]",
            "model.blocks=[{channels=8, kernel=2, stride=2, padding=1, pool=3, pool_stride=1, pool_kind='mean', "
            "normalization='group', activation='elu', dropout=0.1}]",
            "model.head='global-max'",
            "model.dense_activation='gelu'",
            "model.dense_dropout=0.2",
            "model.init='he'",
            "model.convolution='by-hand'",
            "task.label_smoothing=0.1",
            "recipe.epochs=3",
            "recipe.batch_size=20",
            "recipe.order=shuffled",
            "recipe.drop_last=true",
            "recipe.optimizer=sgd",
            "recipe.momentum=0.9",
            "recipe.nesterov=true",
            "recipe.weight_decay=0.01",
            "recipe.schedule={kind='one-cycle', warmup=0.1}",
            "recipe.clip=1.0",
            "recipe.average=0.9",
            "recipe.select=best-validation",
            "recipe.patience=2",
            "recipe.precision=bf16",
            "recipe.deterministic=false",
            "protocol.test=watched",
        ],
    ),
    "images of a folder": (
        "digits",
        ["data={source='folder', path='some/where', size=[16, 20], color='rgb', skip_bad=true, limit_per_class=9}"],
    ),
    "an mlp": (
        "digits",
        [
            "model={kind='mlp', widths=[9, 8], activation='tanh', normalization='layer', dropout=0.1, init='xavier'}",
            "recipe.optimizer=adamw",
            "recipe.betas=[0.8, 0.99]",
            "recipe.schedule=constant",
        ],
    ),
    "lenet-5": (
        "digits",
        ["model={kind='lenet5', activation='relu', pool_kind='max', init='he', convolution='by-hand'}"],
    ),
    "a network of one's own": ("digits", ["model={kind='own.py:Net', options={width=3}}"]),
    "a dense autoencoder": (
        "digits-autoencoder",
        [
            "model={kind='mlp-autoencoder', widths=[30, 20], representation=7, tied=true, "
            "normalization='batch', init='he', "
            "representation_activation='relu', output='linear'}",
            "data.normalize=standardize",
            "task={kind='reconstruct', target='normalized', denoise={distribution='uniform', amount=0.2}}",
        ],
    ),
    "a convolutional autoencoder": (
        "digits-autoencoder",
        [
            "model={kind='conv-autoencoder', depth=4, channels=[10, 12], kernel=5, down='pool', "
            "up='upsample', variational=true, "
            "overcomplete=true, representation=5}",
            "task={kind='reconstruct', loss='bce', beta=0.5}",
        ],
    ),
    "a mixed autoencoder": (
        "digits-autoencoder",
        ["model={kind='combo-autoencoder', depth=4, dense=[40], channels=[6], kernel=5, down='pool', up='upsample'}"],
    ),
    "a classifier on an encoder": (
        "digits-encoder-classifier",
        [
            "model={kind='encoder-classifier', encoder={experiment='digits-autoencoder', seed=2, "
            "set={'recipe.epochs'=4}}, rate=0.0, "
            "dense=[5], dense_activation='tanh', dense_dropout=0.1, init='he'}"
        ],
    ),
    "a verifier with a dense head": (
        "digits-siamese",
        [
            "model={kind='siamese', encoder={experiment='digits'}, weights='taken-over', rate=0.5, "
            "distance='cosine', head='dense', "
            "dense=[9], init='xavier'}",
            "task={kind='verify', loss='contrastive', margin=0.7, head_weight=2.0, false_accept=0.01, "
            "pairs=100, pairs_per_image=4}",
            "data.unseen_classes=[8, 9]",
            "recipe.classes_per_batch=4",
            "recipe.images_per_class=5",
            "recipe.batch_size=20",
        ],
    ),
    "a verifier's cross-entropy": (
        "digits-siamese",
        [
            "model.head=dense",
            "task={kind='verify', loss='cross-entropy', representation_penalty=1e-4, weight_penalty=1e-5}",
        ],
    ),
    "a loss and a miner of a library": (
        "digits-siamese",
        [
            "task={kind='verify', loss='metric.MultiSimilarityLoss', loss_options={alpha=3}, "
            "mining='metric.MultiSimilarityMiner', "
            "mining_options={epsilon=0.2}}"
        ],
    ),
    "a triplet's mining": ("digits-siamese", ["task.mining=hard", "task.margin=0.3"]),
}

# Each part of an experiment with as little said as it can do with: what is left are the defaults.
PLAIN: dict[str, tuple[str, list[str]]] = {
    "classification": (
        "digits",
        [
            "data={source='digits', augment=[{kind='flip'}, {kind='crop'}, {kind='resized-crop'}, "
            "{kind='rotate'}, {kind='noise'}, "
            "{kind='cutout'}], expand={}}",
            "model={kind='cnn', blocks=[{channels=4}]}",
            "recipe={}",
        ],
    ),
    "one cycle": ("digits", ["data.validation=0", "model={kind='lenet5'}", "recipe={schedule='one-cycle'}"]),
    "mlp": ("digits", ["model={kind='mlp'}", "recipe={schedule='cosine'}"]),
    "dense": ("digits-autoencoder", ["model={kind='mlp-autoencoder'}", "task={kind='reconstruct', denoise={}}"]),
    "convolutional": ("digits-autoencoder", ["model={kind='conv-autoencoder'}", "task={kind='reconstruct'}"]),
    "mixed": ("digits-autoencoder", ["model={kind='combo-autoencoder'}"]),
    "on an encoder": (
        "digits-encoder-classifier",
        ["model={kind='encoder-classifier', encoder={experiment='digits-autoencoder'}}"],
    ),
    "siamese": ("digits-siamese", ["model={kind='siamese', encoder={experiment='digits'}}", "task={kind='verify'}"]),
}

NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"kind": "mlp", "widths": [6, 5], "normalization": "batch", "dropout": 0.1},
    "mlp, layer norm": {"kind": "mlp", "widths": [6], "normalization": "layer"},
    "cnn": {
        "kind": "cnn",
        "dense": [7],
        "dense_dropout": 0.1,
        "blocks": [
            {"channels": 4, "normalization": "batch", "pool": 2, "dropout": 0.1},
            {"channels": 6, "kernel": 2, "normalization": "group"},
        ],
    },
    "cnn, by hand": {"kind": "cnn", "convolution": "by-hand", "head": "global-mean", "blocks": [{"channels": 4}]},
    "lenet5": {"kind": "lenet5"},
    "mlp-autoencoder": {"kind": "mlp-autoencoder", "widths": [9, 8], "representation": 4, "normalization": "batch"},
    "mlp-autoencoder, tied": {"kind": "mlp-autoencoder", "widths": [9], "representation": 4, "tied": True},
    "mlp-autoencoder, variational": {
        "kind": "mlp-autoencoder",
        "widths": [9],
        "representation": 4,
        "variational": True,
    },
    "conv-autoencoder": {
        "kind": "conv-autoencoder",
        "depth": 3,
        "channels": [4, 5],
        "representation": 4,
        "normalization": "batch",
    },
    "conv-autoencoder, up": {
        "kind": "conv-autoencoder",
        "channels": [4],
        "representation": 4,
        "down": "pool",
        "up": "upsample",
        "variational": True,
    },
    "combo-autoencoder": {
        "kind": "combo-autoencoder",
        "depth": 4,
        "channels": [4],
        "representation": 4,
        "normalization": "batch",
    },
    "combo-autoencoder, variational": {
        "kind": "combo-autoencoder",
        "depth": 3,
        "representation": 4,
        "variational": True,
    },
    "encoder-classifier": {
        "kind": "encoder-classifier",
        "dense": [7],
        "dense_dropout": 0.1,
        "encoder": {
            "experiment": "any",
            "model": {
                "kind": "conv-autoencoder",
                "depth": 2,
                "channels": [4],
                "representation": 5,
                "normalization": "batch",
                "variational": True,
            },
        },
    },
    "encoder-classifier, on a cnn": {
        "kind": "encoder-classifier",
        "encoder": {"experiment": "any", "model": {"kind": "cnn", "blocks": [{"channels": 4}], "dense": [6]}},
    },
    "siamese, distance": {
        "kind": "siamese",
        "representation": 5,
        "normalized": True,
        "encoder": {"experiment": "any", "model": {"kind": "cnn", "blocks": [{"channels": 4}], "dense": [6]}},
    },
    "siamese, dense": {
        "kind": "siamese",
        "head": "dense",
        "dense": [7],
        "encoder": {"experiment": "any", "model": {"kind": "mlp-autoencoder", "widths": [9], "representation": 4}},
    },
}


def digest(canonical: dict[str, Any]) -> str:
    """The sha256 of a canonical form, whole."""
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hashes(experiment: Experiment) -> dict[str, str]:
    """As it is written, as it is run (with the network and the digest of the encoder that it takes over), and whole."""
    as_run = with_digests(experiment, None, None, None)
    return {
        "hash": experiment.hash(),
        "as run": as_run.hash(),
        "protocol aside": as_run.training_hash(),
        "sha256": digest(as_run.canonical()),
    }


def catalog() -> dict[str, Any]:
    """Every entry of the catalog, with the cases of a study."""
    found: dict[str, Any] = {}
    for name in [row["name"] for row in sv.catalog()]:
        entry = load_any(name)
        if not isinstance(entry, Study):
            found[name] = hashes(entry)
            continue
        cases = {case: hashes(experiment) for case, experiment in expand(entry).cases.items()}
        found[name] = {
            "hash": entry.hash(),
            "sha256": digest(entry.canonical()),
            "base": hashes(entry.base),
            "cases": cases,
        }
        if entry.probe is not None:
            found[name]["probe"] = entry.probe.hash()
    return found


def experiments() -> dict[str, Any]:
    """Hash and whole canonical form of experiments that set each key."""
    found = {}
    for name, (entry, overrides) in OVERRIDES.items():
        one = load(entry, overrides)
        found[name] = {"hash": one.hash(), "canonical": one.canonical()}
    return found


def defaults() -> dict[str, Any]:
    """Experiments with every default filled in. A key that is added later may stand beside these."""
    return {name: load(entry, overrides).model_dump(mode="json") for name, (entry, overrides) in PLAIN.items()}


def networks() -> dict[str, list[list[Any]]]:
    """Keys and shapes of each network's state_dict, in its order, for images of 1 and of 3 channels."""
    found = {}
    for name, values in NETWORKS.items():
        for channels in (1, 3):
            model = build(
                SPEC.validate_python(values), InputSpec((channels, 12, 12), 5, (0.5,) * channels, (0.25,) * channels), 0
            )
            found[f"{name}, {channels}"] = [[key, list(value.shape)] for key, value in model.state_dict().items()]
    return found


def signature(thing: Any) -> list[list[str]]:
    """Name, kind and default of each parameter."""
    return [
        [one.name, one.kind.name, "" if one.default is inspect.Parameter.empty else repr(one.default)]
        for one in inspect.signature(thing).parameters.values()
    ]


def words() -> dict[str, Any]:
    """Public names with the signatures of functions; of `Run` its public methods, and its attributes as null."""
    found: dict[str, Any] = {name: signature(getattr(sv, name)) for name in sv.__all__}
    for name in sorted(name for name in dir(sv.Run) if not name.startswith("_")):
        member = inspect.getattr_static(sv.Run, name)
        found[f"Run.{name}"] = signature(member) if callable(member) else None
    return found


def commands() -> dict[str, Any]:
    """Each command of the command line with its options and arguments, as the parser has them."""
    found: dict[str, Any] = {}

    def walk(command: Any, path: str) -> None:
        found[path] = {_named(one): _shape(one) for one in command.params}
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            walk(inner, f"{path} {name}")

    walk(typer.main.get_command(app), "smallvision")
    return found


def _named(parameter: Any) -> str:
    return " ".join(sorted([*parameter.opts, *parameter.secondary_opts]))


def _shape(parameter: Any) -> dict[str, Any]:
    default = parameter.default
    plain = default if isinstance(default, bool | int | float | str) and not isinstance(default, type) else None
    return {
        "argument": parameter.param_type_name == "argument",
        "required": parameter.required,
        "values": parameter.nargs,
        "several": bool(getattr(parameter, "multiple", False)),
        "switch": bool(getattr(parameter, "is_flag", False)),
        "default": plain or None,
    }


def collect() -> dict[str, Any]:
    """All of it, as `pins.json` has it."""
    return {
        "catalog": catalog(),
        "experiments": experiments(),
        "defaults": defaults(),
        "probes": {name: ProbeSpec.model_validate(values).hash() for name, values in PROBES.items()},
        "networks": networks(),
        "kinds": sorted(KINDS),
        "words": words(),
        "commands": commands(),
    }


def written(pins: dict[str, Any]) -> str:
    """As JSON, with lists of plain values on one line."""
    text = json.dumps(pins, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else PINS
    place.write_text(written(collect()), encoding="utf-8")
