"""Experiments as text: read back equal, located errors, overrides, hashes that stay."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallvision.errors import BadInput, short
from smallvision.experiment import build, catalog, load, to_toml
from smallvision.experiment.io import build_data

# A hash that changes orphans every run directory made before: these are for ever.
HASHES = {
    "cifar10-cnn": "b660a017",
    "cifar10-cnn-fast": "683edaa4",
    "digits": "1f94f146",
    "fashion-cnn": "b81a9ff6",
    "mnist-cnn": "9c0fd52e",
    "mnist-cnn-fast": "ab203dd7",
    "mnist-cnn3": "991c790b",
    "mnist-mlp": "006c97a9",
}


@pytest.mark.parametrize("name", sorted(catalog()))
def test_every_catalog_entry_reads_back_equal_with_its_defaults_filled_in(name):
    experiment = load(name)
    assert experiment.name == name
    assert experiment.about
    again = build(tomllib.loads(to_toml(experiment)), name)
    assert again == experiment
    assert again.hash() == experiment.hash()


@pytest.mark.parametrize(("name", "expected"), HASHES.items())
def test_hashes_stay(name, expected):
    assert load(name).hash() == expected


def test_name_about_and_minutes_are_not_in_the_hash_and_a_key_at_its_default_neither():
    experiment = load("mnist-cnn")
    assert (
        load("mnist-cnn", ["name=other", "about=else", "minutes=3.0", "recipe.momentum=0.0"]).hash()
        == experiment.hash()
    )
    assert load("mnist-cnn", ["recipe.momentum=0.9"]).hash() != experiment.hash()


def test_overrides_reach_lists_and_words_that_stand_for_tables():
    experiment = load(
        "mnist-cnn",
        ["recipe.epochs=2", "model.blocks.0.channels=16", "recipe.schedule=step", "recipe.schedule.gamma=0.5"],
    )
    assert experiment.recipe.epochs == 2
    assert experiment.model.blocks[0].channels == 16
    assert experiment.model.blocks[1].channels == 20
    assert experiment.recipe.schedule.gamma == 0.5


BAD = {
    "recipe.epohcs=2": 'unknown key recipe.epohcs; did you mean "epochs"',
    "recipe.epochs=two": 'recipe.epochs: got "two"; expected a whole number, from 1 to 10,000,000',
    "recipe.epochs=2.5": "recipe.epochs: got 2.5",
    "recipe.epochs=true": "recipe.epochs: got true; expected a whole number",
    "recipe.epochs=0": "expected 1 or more",
    "recipe.learning_rate=nan": "finite",
    "recipe.learning_rate=-1": "expected a number above 0",
    "recipe.optimizer=sdg": 'expected "sgd", "adam" or "adamw"; did you mean "sgd"?',
    "recipe.schedule=cosin": 'did you mean "cosine"',
    "recipe.schedule={kind='exponential', gamma=2}": "recipe.schedule.gamma: got 2",
    "recipe.nesterov=true": "nesterov needs a momentum",
    "recipe.betas=[0.9, 0.99]": 'betas have no effect with optimizer "sgd"',
    "recipe.select=best-validation": "set data.validation",
    "recipe=3": "recipe: got 3",
    "model.kind=cnnn": 'did you mean "cnn"',
    "model.blocks=[]": "model.blocks: got []",
    "model.blocks.0.channels=-2": "model.blocks.0.channels: got -2",
    "model.blocks.7.channels=2": "expected 0 to 1",
    "model.blocks.².channels=3": "'²' is not an index of this list; expected 0 to 1",
    "model.blocks.0.channels=1000000000000": "model.blocks.0.channels: got 1000000000000; expected 1,000,000 at most",
    "model.dense=[1000001]": "model.dense.0: got 1000001; expected 1,000,000 at most",
    "data.seed=9223372036854775808": "data.seed: this whole number has more than 64 bits",
    "model.blocks.0.padding=-1": "model.blocks.0.padding: got -1",
    "model.blocks.0.pool_kind=mean": None,
    "data.validation=1.0": "fraction",
    "data.validation=-3": "count >= 0",
    "data.limit=0": "would keep no images",
    "data.classes=[1]": "at least two",
    "data.classes=[1, 1, 2]": "different",
    "data.classes=[true, false]": "data.classes.0: got true; expected a class's number",
    "data.classes=[1.0, 2.0]": "data.classes.0: got 1.0; expected a class's number",
    "data.normalize=standard": "standardize",
    "data.normalize={mean=[0.1, 0.2], std=[0.3]}": "one number per channel",
    "data.normalize={mean=[0.1], std=[0]}": "expected a number above 0",
    "data.size=28": 'are for the source "folder"',
    "data.path=x": "data.path is for the sources",
    "data.augment=[{kind='flop'}]": 'did you mean "flip"',
    "data.augment=[{kind='resized-crop', scale=[0.9, 0.1]}]": "smallest",
    "data.expand={flip=false, noise=0.0}": "leave data.expand out",
    "task.kind=clasify": "task.kind",
    "protocol.test=twice": "protocol.test",
    "name=../../etc": "names a folder",
    "foo.bar=1": "unknown key foo",
    "recipe.epochs": "expected KEY=VALUE",
    "name.sub=1": None,
}


# Kept apart because they are no names for a test.
WORSE = {
    f"model.blocks.{'1' * 5000}.channels=3": "is not an index of this list",
    f"recipe.epochs={'1' * 5000}": 'recipe.epochs: got "1111',
    f"recipe.epochs=0x{'f' * 5000}": "recipe.epochs: this whole number has more than 64 bits",
    f"data.limit=0x{'f' * 5000}": "data.limit: this whole number has more than 64 bits",
    f"data.classes=[1, 0x{'f' * 5000}]": "data.classes.1: this whole number has more than 64 bits",
    "about=x\udcff": "expected KEY=VALUE in UTF-8",
    "data.\udcff=1": "expected KEY=VALUE in UTF-8",
}


@pytest.mark.parametrize(("override", "said"), BAD.items())
def test_a_wrong_key_or_value_is_one_line_that_names_it(override, said):
    if override == "model.blocks.0.pool_kind=mean":
        override, said = "model.blocks=[{channels=3, pool_kind='mean'}]", "no effect without pool"
    with pytest.raises(BadInput) as caught:
        load("mnist-cnn", [override])
    text = str(caught.value)
    assert "\n" not in text
    assert said is None or said in text
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("number", range(len(WORSE)))
def test_overrides_that_cannot_even_be_written_are_one_line(number):
    override, said = list(WORSE.items())[number]
    with pytest.raises(BadInput) as caught:
        load("mnist-cnn", [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


def test_momentum_for_adam_is_refused():
    with pytest.raises(BadInput, match="no effect with optimizer"):
        load("mnist-cnn3", ["recipe.momentum=0.9"])


def test_a_file_that_is_no_experiment_is_named(tmp_path):
    for content, said in [
        (b"name = ", "not valid TOML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"x = " + b"[" * 100_000, ""),
        (b"a = 1\n", "unknown key a"),
        (b"", "name: missing"),
        (b"#" * 1_000_001, "may have at most 1,000,000"),
        (b"a = " + b"1" * 5000, "a number of thousands of digits"),
    ]:
        path = tmp_path / "bad.toml"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"bad\.toml") as caught:
            load(str(path))
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="no such file"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(BadInput, match=r"none\.toml"):
        load(str(tmp_path / "bad.toml" / "none.toml"))
    for name in ("a\0b.toml", "\udcff.toml", "\udcff", "~nosuchuser/a.toml"):
        with pytest.raises(BadInput) as caught:
            load(name)
        str(caught.value).encode()
    with pytest.raises(BadInput, match='did you mean "mnist-cnn"'):
        load("mnist-cmn")


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"about": "a\udcff"}, "about: the text has bytes"),
        ({"data": {"source": "folder", "path": "/tmp/\udcff"}}, "data.path: the text has bytes"),
        ({"data": {"source": "digits", "classes": ["1", "\udcff"]}}, "data.classes.1: the text has bytes"),
        ({"model": {"kind": "custom", "options": {"a": [{"b": "\ud800"}]}}}, "model.options.a.0.b: the text has bytes"),
        ({"model": {"kind": "custom", "options": {"\ud800": 1}}}, r"model.options.\ud800: this key has bytes"),
        ({"model": {"kind": "custom", "options": {"a": -(2**63) - 1}}}, "model.options.a: this whole number"),
    ],
)
def test_what_no_file_could_hold_is_refused_by_its_place(table, place):
    good = {"name": "x", "data": {"source": "digits"}, "model": {"kind": "mlp"}}
    with pytest.raises(BadInput) as caught:
        build({**good, **table}, "x")
    assert str(caught.value).startswith(f"x: {place}")
    str(caught.value).encode()


def test_what_can_be_written_is_not_refused():
    good = {
        "name": "x",
        "about": "日本語 \U0001f600",
        "data": {"source": "digits", "classes": [1, "2"]},
        "model": {"kind": "mlp"},
    }
    experiment = build({**good, "model": {"kind": "custom", "options": {"a": -(2**63), "b": 2**63 - 1}}}, "x")
    assert build(tomllib.loads(to_toml(experiment)), "x") == experiment
    assert experiment.data.classes == (1, "2")


def test_data_alone_is_refused_in_one_line_too():
    assert build_data({"source": "folder", "path": "x"}, "x").path == "x"
    for table in ({"source": 3}, {"source": "folder", "path": "\udcff"}, {"source": "digits", "a\nb": 1}):
        with pytest.raises(BadInput) as caught:
            build_data(table, "x")
        assert "\n" not in str(caught.value)


def test_numbers_that_python_does_not_print_are_named_all_the_same():
    for value in (10**5000, [10**5000], {"a": 10**5000}):
        assert short(value) == "a number of thousands of digits"
        with pytest.raises(BadInput, match="64 bits"):
            build({"name": value}, "x")


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_override_is_taken_or_refused_in_words(key, value):
    with suppress(BadInput):
        load("digits", [f"{key}={value}"])


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(["kind", "data", "model", "recipe", "task", "name", "source"])


@given(
    st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
    )
)
def test_any_table_is_taken_or_refused_in_words(table):
    with pytest.raises(BadInput):
        build({"name": "x", "data": table, "model": table}, "x")
