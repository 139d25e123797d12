"""The quick reading of TOML: what it reads is what tomllib reads, and everything else it leaves to tomllib."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallvision.experiment import catalog, load, to_toml
from smallvision.experiment.quick import quick_toml


@pytest.mark.parametrize("name", catalog())
def test_the_experiments_of_the_catalog_are_read_as_tomllib_reads_them(name):
    text = to_toml(load(name))
    assert quick_toml(text) == tomllib.loads(text)


LINES = (
    *(
        'name = "a"',
        'name = "b"',
        "a = 1",
        "a = [1, 2.5]",
        "a = [",
        "    3,",
        '    "x",',
        "]",
        "a = 01",
        "a = 1_000",
        "",
    ),
    *("[a]", "[b]", "[a.b]", "[[a]]", "[[a.b]]", "[b.a]", "[[b]]", "[a", "[[a]", "a.b = 1", '"a" = 1', "b = -0.5e-3"),
    *(
        "# words",
        "a = 'x'",
        'b = "\\u0041"',
        'b = "\\/"',
        "b = true",
        "b = True",
        "b = {c = 1}",
        "b = { c = 1 }",
        "b = inf",
    ),
    *(
        '    { kind = "crop", size = [1, 2] },',
        "    { kind = 1, kind = 2 },",
        "    [1, 2],",
        "b = []",
        'b = "\x7f"',
        " b = 1",
    ),
    *(
        "b = 1 # c",
        "\ta = 1",
        "b = 5e5",
        "b = 1.",
        "b = .5",
        "b = +1",
        "b = 1E5",
        "[a.b.c.d]",
        "[a.b.c.d.e]",
        "a = 1\r",
    ),
)


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_lines_in_any_order_are_read_as_tomllib_reads_them_or_left_to_it(lines):
    text = "\n".join(lines)
    found = quick_toml(text)
    if found is not None:
        assert repr(found) == repr(tomllib.loads(text))  # with types: 1 is not 1.0


@given(st.text(alphabet='ab=[]{}",.#\n 10\\-e'))
def test_any_text_is_read_as_tomllib_reads_it_or_left_to_it(text):
    found = quick_toml(text)
    if found is not None:
        assert repr(found) == repr(tomllib.loads(text))


def test_what_is_read_belongs_to_the_caller_alone():
    text = "a = [1, 2]\nb = [\n    { c = [1] },\n]\n"
    first = quick_toml(text)
    first["a"].append(3)
    first["b"][0]["c"].append(2)
    assert quick_toml(text) == {"a": [1, 2], "b": [{"c": [1]}]}
