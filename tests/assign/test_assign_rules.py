"""Files of rules and their result for a student: mistakes are named with their place, keys are put together."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smallvision.assign import Student, assign, keys, read_rules, unused
from smallvision.assign.sheet import sheet
from smallvision.errors import BadInput

BASE = """
name = "mine"
[inputs]
a = {}
b = { digits = 2, low = 1, high = 31 }
[set]
data.source = "digits"
model.kind = "mlp"
[[rule]]
name = "even"
when = "a % 2 == 0"
set = { recipe.epochs = 2 }
[[rule]]
name = "odd"
when = "a % 2 == 1"
set = { recipe.epochs = 3 }
"""
SET_ODD = "set = { recipe.epochs = 3 }"
STUDENTS = [Student("x", "", {"a": "2", "b": "07"}, 2), Student("y", "", {"a": "3", "b": "08"}, 3)]


@pytest.fixture
def made(tmp_path):
    """Write the rules with one part replaced, read them, and give every student a task."""

    def make(old="", new=""):
        assert old in BASE
        path = tmp_path / "rules.toml"
        path.write_text(BASE.replace(old, new, 1), encoding="utf-8")
        rules = read_rules(str(path))
        return rules, assign(rules, STUDENTS)

    return make


def test_each_student_gets_what_the_rules_say(made):
    rules, tasks = made()
    assert [task.experiment.recipe.epochs for task in tasks] == [2, 3]
    assert [task.experiment.name for task in tasks] == ["mine-x", "mine-y"]
    assert unused(rules, tasks) == []
    assert unused(rules, tasks[:1]) == ["odd"]


IN_FILE = {
    "a = {}|A = {}": "inputs.A: the name of an input must have small letters",
    "a = {}|name = {}": "inputs.name: ",
    "a = {}|digit_sum = {}": "inputs.digit_sum: ",
    "a = {}|lambda = {}": "inputs.lambda: ",
    "a = {}|a = 3": "inputs.a: got 3; expected a table such as { about",
    "a = {}|a = { lo = 3 }": 'inputs.a: unknown key lo; did you mean "low"?',
    "a = {}|a = { low = true }": "inputs.a: low: got True; expected a whole number",
    "a = {}|a = { low = 5, high = 1 }": "inputs.a: low 5 and high 1",
    "a = {}|a = { digits = 19 }": "inputs.a: digits: got 19; expected 1 to 18",
    "a = {}\nb = { digits = 2, low = 1, high = 31 }|": "needs at least one input in [inputs]",
    "[inputs]|[input]": 'unknown key input; did you mean "inputs"?',
    'name = "mine"|': "name: missing",
    'name = "mine"|name = "my task"': "name: got 'my task'; expected 1 to 31 letters",
    'name = "odd"|name = "even"': '2 rules are named "even"',
    'name = "odd"|': "rule 2: name: missing",
    'when = "a % 2 == 1"|': 'rule "odd": when: missing',
    'when = "a % 2 == 1"|when = 1': 'rule "odd": when: got 1; expected text',
    'when = "a % 2 == 1"|if = "a % 2 == 1"': 'rule "odd": unknown key if; known: name, say, set, when',
    'when = "a % 2 == 1"|when = "c == 1"': (
        "rule \"odd\", when: 'c' at character 1 of 'c == 1': there is no input of that name; known: a, b"
    ),
    f"{SET_ODD}|set = {{}}": 'rule "odd": this rule sets nothing; add keys to it',
    f"{SET_ODD}|set = {{ recipe.epohcs = 3 }}": 'rule "odd": unknown key recipe.epohcs; did you mean "epochs"?',
    f"{SET_ODD}|set = {{ recipee.epochs = 3 }}": 'unknown key recipee; did you mean "recipe"?',
    f'{SET_ODD}|set = {{ "model.blocks.0.chanels" = 3 }}': (
        'unknown key model.blocks.0.chanels; did you mean "channels"?'
    ),
    f"{SET_ODD}|set = {{ model.blocks = [{{ chanels = 3 }}] }}": (
        'unknown key model.blocks.0.chanels; did you mean "channels"?'
    ),
    f'{SET_ODD}|set = {{ "data.classes.0" = 3 }}': "data.classes has no keys inside it; set it as a whole",
    f'{SET_ODD}|set = {{ "recipe.epochs.x" = 3 }}': "recipe.epochs has no keys inside it",
    f'{SET_ODD}|set = {{ name = "x" }}': '"name" of an experiment is generated for each student',
    f'{SET_ODD}|set = {{ sheet = "x" }}': "expected sheet.NAME",
    f'{SET_ODD}|set = {{ "sheet." = "x" }}': "expected sheet.NAME",
    f'{SET_ODD}|set = {{ recipe.epochs = 3, "recipe.epochs" = 4 }}': 'rule "odd": recipe.epochs is set twice',
    f'{SET_ODD}|set = {{ recipe.schedule = "cosine", "recipe.schedule.final" = 0.1 }}': (
        "is set twice (and as recipe.schedule)"
    ),
    f'{SET_ODD}|set = {{ "recipe.schedule.final" = 0.1, recipe.schedule = "cosine" }}': (
        "is set twice (and as recipe.schedule.final)"
    ),
    f"{SET_ODD}|set = {{ {'.'.join('a' * 30)} = 1 }}": "the key has more than 20 parts",
    '[inputs]|optional = ["recipe.epoch"]\n[inputs]': (
        "optional: no rule sets 'recipe.epoch'; did you mean \"recipe.epochs\"?"
    ),
    "[inputs]|optional = [3]\n[inputs]": "optional: no rule sets 3",
    "[inputs]|[inputs": "not valid TOML",
}

FOR_A_STUDENT = {
    "a % 2 == 1|a == 5": 'student y (line 3): recipe.epochs is never set; rule "even" sets it for other students',
    "a % 2 == 1|a > 1": 'student x (line 2): recipe.epochs is set twice, by rule "even" and by rule "odd"',
    "[set]|[set]\nrecipe.epochs = 3": 'student x (line 2): recipe.epochs is set twice, by [set] and by rule "even"',
    '[set]|[set]\n"recipe" = {}': 'recipe.epochs is set twice, by [set] (as recipe) and by rule "even"',
    "set = { recipe.epochs = 2 }|set = { recipe.epochs = 2, data = {} }": (
        'data is set twice, by [set] (as data.source) and by rule "even"'
    ),
    "a % 2 == 1|a % (b - 7) == 1": 'rule "odd", when: 2 % (07 - 7) == 1: this divides by 0 (student x, line 2)',
    f"{SET_ODD}|set = {{ recipe.epochs = 0 }}": "student y (line 3): recipe.epochs: got 0; expected 1 or more",
    f'{SET_ODD}|set = {{ recipe.epochs = "3" }}': 'student y (line 3): recipe.epochs: got "3"; expected a whole number',
    'data.source = "digits"|data.source = "digit"': 'student x (line 2): data.source: unknown source "digit"',
    'data.source = "digits"|': "student x (line 2): data: missing",
    f'{SET_ODD}|set = {{ recipe.epochs = 3, "data.augment.1.kind" = "flip" }}\n'
    '[[rule]]\nname = "none"\nwhen = "a == 2"\n'
    "set = { data.augment = [] }": "student y (line 3): data.augment.1 is set, but data.augment.0 is not",
}


@pytest.mark.parametrize(
    ("change", "message"), (IN_FILE | FOR_A_STUDENT).items(), ids=range(len(IN_FILE | FOR_A_STUDENT))
)
def test_mistakes_in_rules(made, change, message):
    with pytest.raises(BadInput) as refused:
        made(*change.split("|"))
    said = str(refused.value)
    assert "rules.toml: " in said
    assert message in said
    assert "\n" not in said


def test_a_key_may_stay_unset_when_it_or_one_above_it_is_optional(made):
    old = BASE[BASE.index("[inputs]") :]
    new = old.replace(SET_ODD, "set = { recipe.epochs = 3, data.expand.flip = true }")
    with pytest.raises(
        BadInput, match=r'student x \(line 2\): data.expand.flip is never set; .* optional = \["data.expand.flip"\]'
    ):
        made(old, new)
    for name in ("data.expand.flip", "data.expand", "data"):
        _, tasks = made(old, f'optional = ["{name}"]\n{new}')
        assert [task.experiment.data.expand is None for task in tasks] == [True, False]
    with pytest.raises(BadInput, match=r"optional: no rule sets 'data\.exp'"):
        made(old, f'optional = ["data.exp"]\n{new}')


def test_rules_share_a_list_and_sheet_values_are_in_no_experiment(made):
    network = 'model = { kind = "cnn", blocks = [{ kernel = 5 }, { kernel = 3, channels = 4 }] }'
    old = BASE[BASE.index('model.kind = "mlp"') :]
    new = old.replace('model.kind = "mlp"', network).replace(
        "recipe.epochs =", 'sheet.to_read = "page 7", "model.blocks.0.channels" ='
    )
    _, tasks = made(old, new)
    shapes = [[(block.kernel, block.channels) for block in task.experiment.model.blocks] for task in tasks]
    assert shapes == [[(5, 2), (3, 4)], [(5, 3), (3, 4)]]
    assert tasks[0].sheet == {"to_read": "page 7"}


def test_no_such_file_and_no_such_name():
    with pytest.raises(BadInput, match='there is no assignment named "r3"; known: r2'):
        read_rules("r3")
    with pytest.raises(BadInput, match=r"nowhere/r3\.toml: no such file"):
        read_rules("nowhere/r3.toml")


plain = st.one_of(st.integers(0, 9), st.booleans(), st.text("ab", max_size=2), st.lists(st.integers(0, 9), max_size=3))
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
        st.lists(st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=2), min_size=1, max_size=3),
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), nested, max_size=3))
def test_a_table_taken_apart_is_put_together_again(table):
    dotted = dict(keys.dotted(table, "here"))
    single = {key: value for item in dotted.items() for key, value in keys.leaves(*item, "here")}
    assert keys.table(single, "here") == table


def test_values_are_shown_as_toml_reads_them():
    import tomllib

    value = {"a": [1, 2.5, True], "b": 'quo"te\\ \n', "c": [{"d": "x"}, {}], "e": -3}
    assert tomllib.loads(f"v = {keys.shown(value)}")["v"] == value


def test_a_sheet_has_no_control_characters(made):
    rules, _ = made('name = "odd"', 'name = "odd"\nsay = "\\u0085 read"')
    (task, _) = assign(rules, [Student("x", "A\x85b\x1b[31m", {"a": "3", "b": "07"}, 2), *STUDENTS[1:]])
    text = sheet(rules, task)
    assert {c for c in text if unicodedata.category(c) == "Cc"} == {"\n"}
    assert "**A b\\x1b" in text
