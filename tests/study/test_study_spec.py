"""A study as text: read, changed, written, read again; its cases; and every mistake in one located line."""

import itertools
import tomllib

import pytest

from smallvision.errors import BadInput
from smallvision.experiment import Study, catalog, load, load_any, load_study, studies, study_to_toml
from smallvision.experiment.study import flat
from smallvision.study.plan.cases import changed, expand

HEAD = 'name = "t"\nbase = "digits"\n'
CASES = '[[case]]\nname = "a"\nset = { "recipe.epochs" = 2 }\n[[case]]\nname = "b"\nset = { "recipe.epochs" = 3 }\n'


@pytest.fixture
def study(tmp_path):
    """A study from its text."""

    def read(text, *overrides):
        file = tmp_path / "study.toml"
        file.write_text(text)
        return load_any(str(file), overrides)

    return read


def test_the_catalog_knows_experiments_and_studies_apart():
    assert "digits-smoke" in studies()
    assert not set(studies()) & set(catalog())
    with pytest.raises(BadInput, match="is a study"):
        load("digits-smoke")
    with pytest.raises(BadInput, match="is an experiment"):
        load_study("digits")
    assert load_any("digits", ["recipe.epochs=2"]) == load("digits", ["recipe.epochs=2"])


@pytest.mark.parametrize("name", sorted(studies()))
def test_every_catalog_study_reads_back_equal_from_one_file_that_needs_no_other(name, tmp_path):
    study = load_study(name)
    assert study.name == name
    assert study.question
    file = tmp_path / "again.toml"
    file.write_text(study_to_toml(study))
    again = load_study(str(file))
    assert again == study
    assert again.hash() == study.hash()
    assert len(expand(study).cases) >= 2


@pytest.mark.parametrize(
    "more",
    [
        'compare = [["b", "a"]]\n' + CASES,
        '[axes]\n"data.augment" = [[], [{ kind = "rotate" }]]\n"recipe.schedule" = ["constant", { kind = "cosine" }]\n',
        CASES + '[search]\ntries = 3\n"recipe.clip" = [0.0, 1.0]\n"recipe.average" = { low = 0.0, high = 0.99 }\n',
        CASES + '[match]\nmultiply_adds = 90000\nvary = ["model.widths.0", "model.dense.0"]\nwithin = 0.05\n',
    ],
)
def test_every_part_of_a_study_reads_back_equal(more, study, tmp_path):
    asked = study(HEAD + "seeds = [3, 5]\n" + more, "question=why?")
    file = tmp_path / "again.toml"
    file.write_text(study_to_toml(asked))
    again = load_study(str(file))
    assert (again, again.hash()) == (asked, asked.hash())
    assert expand(again) == expand(asked)


def test_the_text_of_a_case_is_for_sentences_alone(study, tmp_path):
    plain, texts = study(HEAD + CASES), study(HEAD + CASES.replace('name = "a"\n', 'name = "a"\ntext = "two epochs"\n'))
    assert (plain.texts, texts.texts) == ({}, {"a": "two epochs"})
    assert (texts.hash(), texts.identity) == (plain.hash(), plain.identity)
    assert expand(texts) == expand(plain)
    file = tmp_path / "again.toml"
    file.write_text(study_to_toml(texts))
    assert load_study(str(file)) == texts
    with pytest.raises(BadInput, match="text"):
        study(HEAD + CASES.replace('name = "a"\n', 'name = "a"\ntext = "two\\nepochs"\n'))


def test_names_for_people_are_not_in_the_hash_and_what_decides_figures_is(study):
    asked = study(HEAD + CASES).hash()
    for same in ("name=other", "question=why", "about=x", "minutes=3.0", "seeds=1"):
        assert study(HEAD + CASES, same).hash() == asked, same
    for other in (
        "seeds=2",
        "baseline=b",
        "compare=all",
        "set.recipe.batch_size=16",
        "base=mnist-cnn3",
        "case.0.name=c",
    ):
        assert study(HEAD + CASES, other).hash() != asked, other


def test_a_settings_key_is_read_alike_quoted_or_as_a_section(study):
    quoted = study(HEAD + '[set]\n"recipe.batch_size" = 16\n' + CASES)
    assert study(HEAD + "[set]\nrecipe.batch_size = 16\n" + CASES) == quoted
    assert study(HEAD + "[set.recipe]\nbatch_size = 16\n" + CASES) == quoted
    assert study(HEAD + CASES, "set.recipe.batch_size=16") == quoted
    assert study(HEAD + "[set.recipe]\nbatch_size = 32\n" + CASES, "set.recipe.batch_size=16") == quoted
    (case,) = {one.recipe.batch_size for one in expand(quoted).cases.values()}
    assert case == 16
    assert expand(quoted).cases["a"].recipe.optimizer == load("digits").recipe.optimizer, (
        "a section changes the keys it names"
    )


def test_a_table_with_its_kind_replaces_what_was_there(study):
    text = HEAD + '[[case]]\nname = "cnn"\n[[case]]\nname = "mlp"\nset = { model = { kind = "mlp", widths = [7] } }\n'
    cases = expand(study(text)).cases
    assert cases["mlp"].model.widths == (7,)
    assert cases["cnn"].model == load("digits").model
    assert flat({"model": {"kind": "mlp"}, "data": {"limit": 3}}) == {"model": {"kind": "mlp"}, "data.limit": 3}


def test_a_grid_is_the_product_of_its_axes_under_readable_names(study):
    axes = '[axes]\n"recipe.learning_rate" = [0.1, 0.01]\n"model.blocks.0.channels" = [4, 8, 16]\n'
    found = expand(study(HEAD + axes))
    points = list(itertools.product([0.1, 0.01], [4, 8, 16]))
    assert [(case.recipe.learning_rate, case.model.blocks[0].channels) for case in found.cases.values()] == points
    assert list(found.cases) == [f"learning_rate {rate}, channels {channels}" for rate, channels in points]
    assert found.baseline == "learning_rate 0.1, channels 4"
    assert found.pairs == tuple((name, found.baseline) for name in list(found.cases)[1:])


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        (
            '"model.blocks.0.channels" = [4]\n"model.blocks.1.channels" = [8, 9]',
            ["blocks.0.channels 4, blocks.1.channels 8"],
        ),
        (
            '"data.augment" = [[], [{ kind = "rotate" }], [{ kind = "flip" }, { kind = "crop" }]]',
            ["augment none", "augment rotate", "augment flip+crop"],
        ),
        (
            '"recipe.nesterov" = [true, false]\n"recipe.momentum" = [0.9]\n"recipe.optimizer" = ["sgd"]',
            ["nesterov true, momentum 0.9, optimizer sgd", "nesterov false, momentum 0.9, optimizer sgd"],
        ),
        (
            '"recipe.schedule" = ["constant", { kind = "cosine", final = 0.1 }]',
            ["schedule constant", "schedule cosine final 0.1"],
        ),
        (
            '"data.normalize" = ["none", { mean = [0.5], std = [0.5] }]',
            ["normalize none", "normalize mean 0.5 std 0.5"],
        ),
    ],
)
def test_names_of_a_grid(study, axes, names):
    found = list(expand(study(f"{HEAD}[axes]\n{axes}\n")).cases)
    assert found[: len(names)] == names
    assert len(set(found)) == len(found)


def test_comparisons_are_those_declared(study):
    three = CASES + '[[case]]\nname = "c"\nset = { "recipe.epochs" = 4 }\n'
    assert expand(study(HEAD + three)).pairs == (("b", "a"), ("c", "a"))
    assert expand(study(HEAD + 'baseline = "c"\n' + three)).pairs == (("a", "c"), ("b", "c"))
    assert expand(study(HEAD + 'compare = "all"\n' + three)).pairs == (("a", "b"), ("a", "c"), ("b", "c"))
    assert expand(study(HEAD + 'compare = [["c", "b"]]\n' + three)).pairs == (("c", "b"),)


def test_every_run_of_a_study_trains_without_the_test_split(study):
    for name in ("digits", "mnist-cnn"):  # "once" and "watched"
        text = f'name = "t"\nbase = "{name}"\n[set]\n"data.validation" = 0.1\n{CASES}'
        assert {case.protocol.test for case in expand(study(text)).cases.values()} == {"never"}


def test_a_base_is_a_catalog_name_a_file_beside_the_study_or_the_experiment_itself(study, tmp_path):
    from smallvision.experiment import to_toml

    (tmp_path / "mine.toml").write_text(to_toml(load("digits")))
    inline = tomllib.loads(to_toml(load("digits")))
    file = study('name = "t"\nbase = "./mine.toml"\n' + CASES)
    assert file.base == load("digits")
    assert file == study(HEAD + CASES)
    cases = [{"name": "a", "set": {"recipe.epochs": 2}}, {"name": "b", "set": {"recipe.epochs": 3}}]
    assert Study.model_validate({"name": "t", "base": inline, "case": cases}) == file


def test_settings_apply_in_the_order_of_keys_so_that_a_table_comes_before_what_is_inside_it():
    base = load("digits")
    one = changed(base, {"recipe.schedule.gamma": 0.5, "recipe.schedule": {"kind": "step"}}, "t")
    assert one.recipe.schedule.gamma == 0.5


AXIS = '[axes]\n"recipe.epochs" = [1, 2]\n'
SEARCH = '[search]\ntries = 3\n"recipe.learning_rate" = { low = 1e-3, high = 1e-1, log = true }\n'
BAD = {
    "nothing varies": (HEAD, "nothing to compare"),
    "no such base": ('name = "t"\nbase = "digtis"\n' + AXIS, 'did you mean "digits"'),
    "no such base file": ('name = "t"\nbase = "./gone.toml"\n' + AXIS, "gone.toml: no such file"),
    "a study as base": ('name = "t"\nbase = "digits-smoke"\n' + AXIS, "is a study itself"),
    "a number as base": ('name = "t"\nbase = 3\n' + AXIS, "base: got 3"),
    "a wrong key in the base": (
        'name = "t"\n[base]\nname = "x"\ndata = { source = "digits" }\nmodel = { kind = "mlp" }\n'
        "recipe = { epohcs = 3 }\n" + CASES,
        "unknown key recipe.epohcs",
    ),
    "an axis over an unknown key": (
        HEAD + '[axes]\n"recipe.epohcs" = [1, 2]\n',
        'unknown key recipe.epohcs; did you mean "epochs"',
    ),
    "an axis over an unknown section": (HEAD + '[axes]\n"recpe.epochs" = [1, 2]\n', 'did you mean "recipe"'),
    "an axis beyond a list": (
        HEAD + '[axes]\n"model.blocks.7.channels" = [1, 2]\n',
        "not an index of this list; expected 0 to 1",
    ),
    "an empty axis": (HEAD + '[axes]\n"recipe.epochs" = []\n', "recipe.epochs: the list is empty"),
    "no axes": (HEAD + "[axes]\n", "nothing to compare"),
    "an axis that is no list": (HEAD + '[axes]\n"recipe.epochs" = 3\n', "expected a list of values"),
    "a long key without quotes": (HEAD + "[axes]\nmodel.blocks.0.channels = [3, 4]\n", "written in quotes"),
    "a value of the wrong type": (HEAD + '[axes]\n"recipe.epochs" = [1, "two"]\n', 'recipe.epochs: got "two"'),
    "a number that is not finite": (
        HEAD + '[[case]]\nname = "a"\nset = { "model.blocks.0.activation" = -inf }\n',
        "model.blocks.0.activation: got -inf; expected a finite number",
    ),
    "a date": (HEAD + '[axes]\n"model.dense_activation" = ["elu", 1979-05-27]\n', "no key takes a date or a time"),
    "a grid too large": (
        HEAD + '[axes]\n"recipe.epochs" = [' + ", ".join(map(str, range(1, 1102))) + "]\n",
        "1,101 cases",
    ),
    "two values alike": (HEAD + '[axes]\n"recipe.epochs" = [2, 2]\n', "are the same in every key"),
    "two cases alike": (
        HEAD + '[[case]]\nname = "a"\n[[case]]\nname = "b"\nset = { "recipe.batch_size" = 32 }\n',
        '"a" and "b" are the same in every key',
    ),
    "cases of two tasks": (
        HEAD
        + '[[case]]\nname = "a"\n[[case]]\nname = "b"\n'
        + 'set = { model.kind = "mlp-autoencoder", task.kind = "reconstruct" }\n',
        'case "a" is to classify, case "b" to reconstruct',
    ),
    "two cases of one name": (HEAD + CASES.replace('"b"', '"a"'), 'two cases are named "a"'),
    "a case without a name": (HEAD + '[[case]]\nname = ""\n', "case.0.name"),
    "cases and axes": (HEAD + CASES + AXIS, "keep one"),
    "an unknown baseline": (HEAD + 'baseline = "c"\n' + CASES, 'no case "c"; known: a, b'),
    "an unknown pair": (HEAD + 'compare = [["a", "c"]]\n' + CASES, 'no case "c"'),
    "a pair of one": (HEAD + 'compare = [["a", "a"]]\n' + CASES, "are the same case"),
    "a pair twice": (HEAD + 'compare = [["a", "b"], ["b", "a"]]\n' + CASES, "given twice"),
    "an unknown comparison": (HEAD + 'compare = "some"\n' + CASES, 'expected "baseline", "all" or a list of pairs'),
    "no seeds": (HEAD + "seeds = 0\n" + CASES, "seeds: got 0"),
    "a seed twice": (HEAD + "seeds = [1, 1]\n" + CASES, "seed 1 is given twice"),
    "half a seed": (HEAD + "seeds = 2.5\n" + CASES, "seeds: got 2.5"),
    "a negative seed": (HEAD + "seeds = [-1]\n" + CASES, "whole numbers"),
    "an unknown key": (HEAD + "sedes = 3\n" + CASES, 'did you mean "seeds"'),
    "no validation images": ('name = "t"\nbase = "mnist-cnn"\n' + CASES, 'set."data.validation" = 0.1'),
    "a case that meets the test split": (
        HEAD + '[[case]]\nname = "a"\nset = { "protocol.test" = "once" }\n',
        "chooses on validation",
    ),
    "a study that meets the test split": (
        HEAD + '[set.protocol]\ntest = "watched"\n' + CASES,
        "chooses on validation",
    ),
    "an axis over the protocol": (HEAD + '[axes]\n"protocol.test" = ["once", "never"]\n', "chooses on validation"),
    "an axis that is set": (HEAD + '[set]\n"recipe.epochs" = 3\n' + AXIS, "keep one"),
    "a key set twice": (
        HEAD + '[set]\n"recipe.epochs" = 3\nrecipe.epochs = 4\n' + CASES,
        "recipe.epochs is given twice",
    ),
    "arrays": (HEAD + '[set]\n"data.source" = "arrays"\n' + CASES, "passed in from Python"),
    "a search without keys": (HEAD + CASES + "[search]\ntries = 3\n", "no key to search"),
    "a search without tries": (HEAD + CASES + SEARCH.replace("tries = 3\n", ""), "search.tries: missing"),
    "a range upside down": (
        HEAD + CASES + '[search]\ntries = 3\n"recipe.clip" = { low = 1.0, high = 0.5 }\n',
        "recipe.clip: low = 1.0 must be below",
    ),
    "a logarithm of nothing": (
        HEAD + CASES + '[search]\ntries = 3\n"recipe.clip" = { low = 0, high = 1, log = true }\n',
        "above 0",
    ),
    "a search over one value": (HEAD + CASES + '[search]\ntries = 3\n"recipe.clip" = 0.5\n', "recipe.clip: got 0.5"),
    "a search over an unknown key": (
        HEAD + CASES + '[search]\ntries = 3\n"recipe.clap" = [0.5, 1.0]\n',
        'did you mean "clip"',
    ),
    "a search beyond what is possible": (
        HEAD + CASES + '[search]\ntries = 3\n"recipe.average" = { low = 0.5, high = 1.5 }\n',
        "recipe.average",
    ),
    "a search over what varies": (
        HEAD + CASES + '[search]\ntries = 3\n"recipe.epochs" = [4, 5]\n',
        'case "a" sets it',
    ),
    "a match without a size": (
        HEAD + CASES + '[match]\nvary = "model.blocks.1.channels"\n',
        "parameters or multiply_adds",
    ),
    "a match of two sizes": (
        HEAD + CASES + '[match]\nparameters = 9\nmultiply_adds = 9\nvary = "model.dense.0"\n',
        "set either parameters or multiply_adds",
    ),
    "a match without a key": (HEAD + CASES + "[match]\nparameters = 9000\n", "match.vary: missing"),
    "a match of no network": (
        HEAD + CASES + '[match]\nparameters = 9000\nvary = "recipe.epochs"\n',
        "a key of the network",
    ),
    "a match of what is set": (
        HEAD + '[match]\nparameters = 9000\nvary = "model.dense.0"\n[axes]\n"model.dense.0" = [3, 4]\n',
        "is solved for",
    ),
    "a match and a search of one size": (
        HEAD
        + CASES
        + '[match]\nparameters = 9000\nvary = "model.dense.0"\n[search]\ntries = 2\n"model.init" = ["he", "xavier"]\n',
        "keep one",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line_that_names_it(case, study):
    text, said = BAD[case]
    with pytest.raises(BadInput) as found:
        expand(study(text))
    assert said in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("recipe.epochs=2", "set.recipe.epochs"),
        ("set.recipe.epohcs=2", "epohcs"),
        ("seeds=many", "seeds"),
        ("sedes=3", 'did you mean "seeds"'),
    ],
)
def test_overrides_of_a_study(override, said, study):
    with pytest.raises(BadInput, match=said):
        expand(study(HEAD + AXIS.replace("epochs", "batch_size"), override))
