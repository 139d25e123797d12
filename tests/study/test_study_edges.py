"""Searches whose best value lies at the edge of what was offered: for every kind of choice, and where it is said."""

import pytest

from smallvision.experiment import load_study, studies
from smallvision.experiment.study import Range
from smallvision.study.plan import edges
from smallvision.study.plan.cases import expand

RATE = "recipe.learning_rate"


def side(offered, value, possible=lambda key, value: True):
    found = edges.edges("cnn", {"key": offered}, {"key": value}, possible)
    return found[0].side if found else None


@pytest.mark.parametrize(
    ("offered", "lowest", "inside", "highest"),
    [
        ((0.003, 0.01, 0.03), [0.003], [0.01], [0.03]),
        ((0.03, 0.003, 0.01), [0.003], [0.01], [0.03]),
        ((1, 2.5, 4), [1], [2.5], [4]),
        ((0.01, 0.1), [0.01], [], [0.1]),
        (([16], [16, 16], [16, 16, 16]), [[16]], [[16, 16]], [[16, 16, 16]]),
        (([16, 8], [32, 16], [64, 32]), [[16, 8]], [[32, 16]], [[64, 32]]),
        (
            ({"kind": "step", "gamma": 0.1}, {"kind": "step", "gamma": 0.5}, {"kind": "step", "gamma": 0.3}),
            [{"kind": "step", "gamma": 0.1}],
            [{"kind": "step", "gamma": 0.3}],
            [{"kind": "step", "gamma": 0.5}],
        ),
        (Range(low=0.0, high=1.0), [0.0, 0.05], [0.06, 0.5, 0.94], [0.95, 1.0]),
        (Range(low=1e-4, high=1e-1, log=True), [1e-4, 1.4e-4], [1.5e-4, 1e-2, 0.07], [0.072, 0.1]),
        (Range(low=1, high=3), [1], [2], [3]),
        (Range(low=1, high=200), [1, 10], [12, 188], [191, 200]),
    ],
)
def test_numbers_and_choices_with_an_order_have_edges(offered, lowest, inside, highest):
    assert {side(offered, value) for value in lowest} == {"lowest"}
    assert {side(offered, value) for value in inside} <= {None}
    assert {side(offered, value) for value in highest} == {"highest"}


@pytest.mark.parametrize(
    "offered",
    [
        ("sgd", "adam"),
        (True, False),
        (0.1,),
        (0.1, "none"),
        ([16, 8], [8, 16]),  # neither is the larger
        ({"kind": "step", "gamma": 0.1}, {"kind": "cosine"}),
        ({"kind": "a", "x": 1, "y": 1}, {"kind": "a", "x": 2, "y": 2}),
    ],
)
def test_choices_without_an_order_have_none(offered):
    assert [side(offered, value) for value in offered] == [None] * len(offered)


@pytest.fixture
def study(tmp_path):
    def read(over, base="digits"):
        file = tmp_path / "study.toml"
        cases = '[[case]]\nname = "he"\nset = { "model.init" = "he" }\n[[case]]\nname = "plain"\n'
        sgd = '[set]\n"recipe.optimizer" = "sgd"\n'
        file.write_text(f'name = "t"\nbase = "{base}"\nseeds = 2\n{sgd}{cases}[search]\ntries = 4\n{over}')
        return load_study(str(file))

    return read


@pytest.mark.parametrize(
    ("over", "value", "expected"),
    [
        ('"recipe.momentum" = [0, 0.5, 0.9]', 0, "natural"),
        ('"recipe.momentum" = [0.0, 0.5, 0.9]', 0.0, "natural"),
        ('"recipe.momentum" = { low = 0.0, high = 0.9 }', 0.01, "natural"),
        ('"recipe.momentum" = [0.0, 0.5, 0.9]', 0.9, "open"),
        ('"recipe.weight_decay" = [0.0, 1e-3]', 0.0, "natural"),
        ('"recipe.epochs" = [1, 2, 3]', 1, "natural"),
        ('"recipe.epochs" = [1, 2, 3]', 3, "open"),
        ('"model.blocks.0.channels" = { low = 1, high = 30 }', 1, "natural"),
        ('"recipe.learning_rate" = [1e-3, 1e-2]', 0.001, "open"),
        ('"model.dense" = [[16], [16, 16]]', [16, 16], "open"),
    ],
)
def test_a_natural_bound_is_said_as_such(study, over, value, expected):
    asked = study(over)
    key = next(iter(asked.search.over))
    (one,) = edges.of_study(asked, {"he": {key: value}})
    assert one.natural == (expected == "natural"), one.sentence
    assert ("there is no" in one.sentence) == one.natural
    assert ("widen the search" in one.sentence) != one.natural


def test_the_sentences_word_for_word(study):
    asked = study(f'"{RATE}" = [1e-3, 1e-2]\n"recipe.momentum" = {{ low = 0.0, high = 0.9 }}')
    found = edges.of_study(asked, {"he": {RATE: 0.01, "recipe.momentum": 0.013}, "plain": {RATE: 0.01}})
    assert [one.sentence for one in found] == [
        "he: recipe.learning_rate = 0.01 is the highest of what was offered (0.001 to 0.01), so a higher one may be "
        "better: widen the search.",
        "he: recipe.momentum = 0.013 is at the lower end of what was offered (0.0 to 0.9), and there is no lower one.",
        "plain: recipe.learning_rate = 0.01 is the highest of what was offered (0.001 to 0.01), so a higher one may be "
        "better: widen the search.",
    ]
    assert edges.entries(asked, {"he": {}}) == []


def test_without_a_search_there_is_no_edge():
    name = next(name for name in studies() if load_study(name).search is None)
    asked = load_study(name)
    assert edges.of_study(asked, {case: {RATE: 0.1} for case in expand(asked).cases}) == []
