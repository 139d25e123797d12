"""Every key has a meaning, a type in words and an example that is accepted; wrong keys and values are answered."""

import io
import re
import tomllib
from typing import Annotated

import pytest
from pydantic import TypeAdapter

from smallvision.console import keys as display
from smallvision.console.run import Console
from smallvision.errors import BadInput
from smallvision.experiment import load, load_any, to_toml
from smallvision.experiment import task as tasks
from smallvision.experiment.base import Spec
from smallvision.experiment.key_meanings import MEANINGS
from smallvision.experiment.keys import ALIASES, TABLES, all_keys, default_at, is_key, keys_of, nearest_key
from smallvision.experiment.model.union import MODEL_SPECS
from smallvision.experiment.recipe import ProtocolSpec, RecipeSpec

KEYS = {(key.key, key.of): key for key in all_keys()}


def specs(kind=Spec):
    for one in kind.__subclasses__():
        yield one
        yield from specs(one)


def test_a_sentence_without_a_key_is_found():
    known = {one.__name__: set(one.model_fields) for one in specs()}
    for name, sentences in MEANINGS.items():
        assert set(sentences) <= known[name], name


def test_every_key_of_every_network_and_task_is_listed():
    for table, kinds in (("model", MODEL_SPECS), ("task", tasks.SPECS)):
        for kind, spec in kinds.items():
            listed = {key.key for key in all_keys() if key.of == kind}
            assert {f"{table}.{name}" for name in spec.model_fields if name != "kind"} <= listed, kind


def test_the_defaults_are_those_of_an_experiment_that_sets_no_key():
    plain = load("digits").model_copy(update={"recipe": RecipeSpec(), "protocol": ProtocolSpec()})
    written = tomllib.loads(to_toml(plain))
    for table in ("recipe", "protocol"):
        for name, value in written[table].items():
            if name != "schedule":
                assert tomllib.loads(f"x = {KEYS[f'{table}.{name}', ''].default}")["x"] == value
                assert default_at({table: {}}, f"{table}.{name}") == value


FIELDS = [
    (f"{table}.{name}", spec, name)
    for table, spec in (
        *(("model", MODEL_SPECS[kind]) for kind in MODEL_SPECS),
        *(("task", spec) for spec in tasks.SPECS.values()),
    )
    for name in spec.model_fields
    if name not in ("kind", "encoder", "blocks", "denoise", "init")
]


@pytest.mark.parametrize(("key", "spec", "name"), FIELDS)
def test_the_example_of_a_key_is_accepted_by_its_type(key, spec, name):
    field = spec.model_fields[name]
    of = str(spec.model_fields["kind"].annotation.__args__[0])
    value = tomllib.loads(f"x = {KEYS[key, of].value.example}")["x"]
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    if "pattern" not in str(field):  # words of a certain form
        TypeAdapter(annotation).validate_python(tuple(value) if isinstance(value, list) else value)


NEAR = {
    "lr": "the key is recipe.learning_rate",
    "epochs": "the key is recipe.epochs",
    "Adam": "the key is recipe.optimizer=adam",
    "batchnorm": "the key is model.blocks.N.normalization=batch",
    "recipe.lr": "the key is recipe.learning_rate",
    "Batch-Size": "the key is recipe.batch_size",
    "dropout": "the keys are model.dropout and model.blocks.N.dropout",
    "recipe.epohcs": 'did you mean "recipe.epochs"?',
    "zzzz": "",
}


@pytest.mark.parametrize("word", NEAR)
def test_the_key_that_somebody_meant(word):
    assert nearest_key(word) == NEAR[word]


def test_the_network_decides_which_of_two_keys_is_meant():
    assert nearest_key("batchnorm", "mlp") == "the key is model.normalization=batch"
    assert nearest_key("dropout", "mlp") == "the key is model.dropout"
    assert nearest_key("dropout", "cnn") == "the key is model.blocks.N.dropout"


def test_every_alias_is_a_key_and_no_key_is_an_alias():
    assert all(map(is_key, ALIASES.values()))
    assert not {f"{table}.{word}" for table in TABLES for word in ALIASES if is_key(f"{table}.{word}")} - {"model.rate"}


WRONG = {
    "lr=0.1": "unknown key lr; the key is recipe.learning_rate",
    "epochs=3": "unknown key epochs; the key is recipe.epochs",
    "Adam": "expected KEY=VALUE in UTF-8; the key is recipe.optimizer=adam",
    "batchnorm=true": "unknown key batchnorm; the key is model.blocks.N.normalization=batch",
    "model.blocks.0.kernel_size=3": "the key is model.blocks.0.kernel",
    "recipe.optimizer=Adam": 'got "Adam"; expected "sgd", "adam" or "adamw"; did you mean "adam"?',
    "model.dense=64": "model.dense: got 64; expected a list of whole numbers, for example [64]",
    "recipe.epochs=2.5": "got 2.5; expected a whole number, from 1 to 10,000,000",
    "recipe.betas=[0.9]": "recipe.betas: expected a list of 2 numbers, for example [0.9, 0.999]",
    "recipe.nesterov=yes": 'got "yes"; expected true or false',
    "recipe.clip=true": "got true; expected a number, 0 or more",
    "task=3": "task: got 3; expected a table",
    "data.source=3": "data.source: got 3; expected text",
    "recipe.learning_rate=0.0": "got 0.0; expected a number above 0",
    "data.augment=[{kind='flip', probability=2}]": "expected 1 at most",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_key_or_value_is_answered_in_plain_words(override):
    with pytest.raises(BadInput) as caught:
        load("digits", [override])
    said = str(caught.value)
    assert WRONG[override] in said
    assert not re.search(r"[Ii]nput should|\bvalid|tuple|dict|\bint\b|\bstr\b|bool|True|None|pydantic", said)


def test_in_a_study_the_key_stands_under_set():
    with pytest.raises(BadInput, match=r"unknown key lr; the key is set\.recipe\.learning_rate"):
        load_any("digits-smoke", ["lr=0.1"])


@pytest.mark.parametrize("word", [*TABLES, "recipe.schedule", "data.augment.0", "model.blocks.0.kernel"])
def test_keys_fit_the_terminal_and_are_whole_in_a_pipe(word):
    found, out, piped = keys_of(word), io.StringIO(), io.StringIO()
    display.show(found, Console(file=out, width=80, force_terminal=True, color_system=None))
    display.show(found, Console(file=piped))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    lines = piped.getvalue().splitlines()
    for key in found:
        at = [place for place, line in enumerate(lines) if line == key.key]
        assert any(lines[place + 1] == f"    {key.meaning}" for place in at)
        assert any(key.value.type in lines[place + 2] and key.value.allowed in lines[place + 2] for place in at)
