"""Every key of an experiment with its meaning, type, allowed values and default, made from the specs; and the key that
somebody meant.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from smallvision.experiment.experiment import Experiment
from smallvision.experiment.key_meanings import KINDS, MEANINGS
from smallvision.experiment.key_types import Value, nested, value_of
from smallvision.experiment.model.classifiers import CustomSpec
from smallvision.experiment.model.union import MODEL_SPECS
from smallvision.experiment.task import SPECS
from smallvision.experiment.text import inline

TABLES = ("data", "model", "task", "recipe", "protocol")
LISTS = {"blocks", "augment"}  # of tables; N in a key is a number from 0 on

# What people write who know another library, and the key here.
ALIASES = {
    **dict.fromkeys(("lr", "rate", "eta", "step_size", "learningrate", "learn_rate"), "recipe.learning_rate"),
    **dict.fromkeys(("epoch", "num_epochs", "n_epochs", "max_epochs", "iterations"), "recipe.epochs"),
    **dict.fromkeys(("batch", "bs", "batchsize", "minibatch", "mini_batch"), "recipe.batch_size"),
    **dict.fromkeys(("opt", "optim", "optimiser", "solver"), "recipe.optimizer"),
    **dict.fromkeys(("wd", "l2", "decay", "weightdecay", "regularization"), "recipe.weight_decay"),
    **dict.fromkeys(("scheduler", "lr_schedule", "lr_scheduler"), "recipe.schedule"),
    **dict.fromkeys(("early_stopping", "earlystopping", "early_stop"), "recipe.patience"),
    **dict.fromkeys(("ema", "swa", "averaging"), "recipe.average"),
    **dict.fromkeys(("grad_clip", "clip_grad", "gradient_clipping", "clipping"), "recipe.clip"),
    **dict.fromkeys(("amp", "dtype", "mixed_precision", "half"), "recipe.precision"),
    **dict.fromkeys(("shuffle", "sampler"), "recipe.order"),
    **dict.fromkeys(("dataset", "data_set", "data_source"), "data.source"),
    **dict.fromkeys(("val", "val_split", "validation_split", "valid", "val_size"), "data.validation"),
    **dict.fromkeys(("augmentation", "augmentations", "transforms", "transform"), "data.augment"),
    **dict.fromkeys(("normalise", "standardize", "standardise"), "data.normalize"),
    **dict.fromkeys(("image_size", "img_size", "resize", "resolution"), "data.size"),
    **dict.fromkeys(("num_samples", "n_train", "train_size", "subset"), "data.limit"),
    **dict.fromkeys(("network", "architecture", "arch", "net"), "model.kind"),
    **dict.fromkeys(("filters", "out_channels", "n_filters"), "model.blocks.N.channels"),
    **dict.fromkeys(("kernel_size", "filter_size"), "model.blocks.N.kernel"),
    **dict.fromkeys(("hidden", "units", "hidden_units", "hidden_sizes", "neurons", "layers"), "model.widths"),
    **dict.fromkeys(("batchnorm", "batch_norm", "bn", "norm", "batch_normalization"), "model.blocks.N.normalization"),
    **dict.fromkeys(("latent", "latent_dim", "bottleneck", "code", "embedding_dim"), "model.representation"),
    **dict.fromkeys(("criterion", "loss_fn", "objective"), "task.loss"),
    **dict.fromkeys(("smoothing",), "task.label_smoothing"),
    **dict.fromkeys(("random_state", "random_seed"), "data.seed"),
}
VALUES = {"model.blocks.N.normalization": ("batchnorm", "batch_norm", "bn", "batch_normalization")}  # meant as "batch"


@dataclass(frozen=True)
class Key:
    """A key of an experiment.

    Attributes
    ----------
    key : as it stands in an override, "recipe.learning_rate"; N stands for a number from 0 on.
    of : the kind of table that has it, as "cnn" or "one-cycle"; "" where every one has.
    meaning : a sentence.
    value : its type, allowed values and an example.
    default : as TOML; "" where it must be given; "not set" where it may be left out.
    """

    key: str
    of: str
    meaning: str
    value: Value
    default: str


@cache
def all_keys() -> tuple[Key, ...]:
    """Every key of an experiment, table by table; a key that several kinds have once for each kind."""
    own = [_key("", "", Experiment, name) for name in ("name", "about", "minutes")]
    return (*own, *(key for table in TABLES for key in _table(table)))


def keys_of(word: str) -> list[Key]:
    """The keys of a table ("recipe", "recipe.schedule"), or the one of that name, for every kind that has it."""
    word = re.sub(r"\.\d+(?=\.|$)", ".N", word)
    exact = [key for key in all_keys() if key.key == word]
    under = [key for key in all_keys() if key.key.startswith(f"{word}.")]
    return [*exact, *under] if word in TABLES or not exact else exact


def is_key(word: str) -> bool:
    """Whether an experiment can have this key; 0 and other numbers stand for N."""
    word = re.sub(r"\.\d+(?=\.|$)", ".N", word)
    return any(key.key == word for key in all_keys())


def nearest_key(word: str, kind: str = "") -> str:
    """A clause that helps somebody who wrote `word` for a key: 'the key is recipe.learning_rate'; "" without an idea.

    Parameters
    ----------
    word : what was given as a key, with or without its table, or a value that a key can have, such as "Adam".
    kind : the kind of the table that it was looked for in, as "mlp"; keys of this kind come first.
    """
    table, _, last = word.rpartition(".")
    table = table.split(".")[0] if table.split(".")[0] in TABLES else ""
    plain = re.sub(r"[-\s]+", "_", last.strip().lower())
    keys = [key for key in all_keys() if not kind or key.of in ("", kind) or not key.key.startswith("model.")]
    names = list(dict.fromkeys(key.key for key in keys))
    fits = [name for name in names if name.rpartition(".")[2] == plain]
    if fits:
        inside = [name for name in fits if name.startswith(f"{table}.")] if table else []
        recipe = [name for name in fits if name == f"recipe.{plain}" and not table]
        return _named(sorted(recipe or inside or fits, key=lambda name: name.count("."))[:4])
    alias = ALIASES.get(plain) or ALIASES.get(plain.replace("_", ""))
    if alias == "model.blocks.N.normalization" and alias not in names:
        alias = "model.normalization"
    if alias is not None and any(key.key == alias for key in all_keys()):
        batch = plain in VALUES["model.blocks.N.normalization"]
        return _named([f"{alias}=batch" if batch else alias])
    chosen = [f"{key.key}={choice}" for key in keys for choice in key.value.choices if choice == last.strip().lower()]
    if chosen:
        return _named(sorted(dict.fromkeys(chosen), key=lambda name: name.count("."))[:4])
    lasts = {name.rpartition(".")[2]: name for name in sorted(names, key=lambda name: -name.count("."))}
    close = difflib.get_close_matches(word[:80], names, n=1, cutoff=0.75)
    close = close or [lasts[one] for one in difflib.get_close_matches(plain[:80], lasts, n=1, cutoff=0.7)]
    return f'did you mean "{close[0]}"?' if close else ""


def default_at(experiment: Mapping[str, Any], key: str) -> Any:
    """The default of a key that the file of an experiment does not have; None where there is none.

    Parameters
    ----------
    experiment : the tables of the file.
    key : such as "recipe.clip"; keys within tables of tables have no default here.
    """
    table, _, name = key.partition(".")
    values = experiment.get(table)
    if not isinstance(values, Mapping) or table not in TABLES:
        return None
    kind = str(values.get("kind", ""))
    kinds: Mapping[str, type[BaseModel]] = MODEL_SPECS if table == "model" else SPECS
    spec = kinds.get(kind) if table in ("model", "task") else _spec(table)
    found = spec.model_fields.get(name) if spec is not None else None
    default = None if found is None or found.is_required() else found.get_default(call_default_factory=True)
    return None if isinstance(default, BaseModel) else list(default) if isinstance(default, tuple) else default


def kind_of(table: Mapping[str, Any], name: str) -> str:
    """The kind of a table of an experiment; "" where it says none."""
    inner = table.get(name)
    return str(inner.get("kind", "")) if isinstance(inner, Mapping) else ""


def _named(keys: list[str]) -> str:
    return f"the key is {keys[0]}" if len(keys) == 1 else f"the keys are {', '.join(keys[:-1])} and {keys[-1]}"


def _spec(table: str) -> type[BaseModel]:
    spec = Experiment.model_fields[table].annotation
    assert isinstance(spec, type)
    assert issubclass(spec, BaseModel)
    return spec


def _table(table: str) -> Iterator[Key]:
    specs: Mapping[str, type[BaseModel]] | None = {
        "model": {**MODEL_SPECS, "FILE.py:CLASS": CustomSpec},
        "task": SPECS,
    }.get(table)  # type: ignore[assignment]
    if specs is None:
        yield from _fields(table, "", _spec(table))
        return
    yield _kind(table, tuple(specs), "classify" if table == "task" else "")
    for kind, spec in specs.items():
        yield from _fields(table, kind, spec)


def _kind(table: str, kinds: tuple[str, ...], default: str) -> Key:
    first = f'"{default or kinds[0]}"'
    value = Value("one of these words", ", ".join(f'"{kind}"' for kind in kinds), first, kinds)
    return Key(f"{table}.kind", "", KINDS[f"{table}.kind"], value, f'"{default}"' if default else "")


def _fields(table: str, of: str, spec: type[BaseModel]) -> Iterator[Key]:
    for name, field in spec.model_fields.items():
        if name == "kind":
            continue
        yield _key(table, of, spec, name)
        inner = nested(field.annotation) if name != "model" else []  # of an encoder: smallvision fills it in
        path = f"{table}.{name}.N" if name in LISTS else f"{table}.{name}"
        kinds = {str(one.model_fields["kind"].annotation.__args__[0]): one for one in inner if _has_kind(one)}  # type: ignore[union-attr]
        if kinds:
            yield _kind(path, tuple(kinds), "constant" if name == "schedule" else "")
        for one in inner:
            own = next((kind for kind, spec_of_kind in kinds.items() if spec_of_kind is one), of)
            yield from _fields(path, own, one)


def _has_kind(spec: type[BaseModel]) -> bool:
    return "kind" in spec.model_fields


def _key(table: str, of: str, spec: type[BaseModel], name: str) -> Key:
    field: FieldInfo = spec.model_fields[name]
    meaning = next(MEANINGS[one.__name__][name] for one in spec.__mro__ if name in MEANINGS.get(one.__name__, {}))
    default = _default(field)
    return Key(f"{table}.{name}".lstrip("."), of, meaning, value_of(field, default), default)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return f'"{default.kind}"' if hasattr(default, "kind") else "not set"
    return "not set" if default is None or default == {} else inline(default)
