"""Conditions: what Python's own eval makes of them, and everything that is no such condition refused in one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smallvision.assign import expressions
from smallvision.errors import BadInput

# The reference: plain Python, with the three functions written as the documentation says, on text that a person writes.
NAMES = ("dd", "mm", "abc")


def python_says(text, written):
    def digits_of(number):
        return [int(digit) for digit in str(number).lstrip("-")]

    known = {name: int(digits) for name, digits in written.items()}
    functions = {"digit_sum": lambda x: sum(digits_of(x)), "last_digit": lambda x: digits_of(x)[-1]}
    for name, digits in written.items():
        text = text.replace(f"digits({name})", str(len(digits)))
    return eval(text, {"__builtins__": {}, **functions, **known})


@st.composite
def joined(draw, parts, signs):
    """Two or three parts with signs between, in parentheses or not: Python's precedence decides then."""
    text = draw(parts)
    for _ in range(draw(st.integers(0, 2))):
        text += f" {draw(signs)} {draw(parts)}"
    return draw(st.sampled_from([text, f"({text})"]))


leaf = st.one_of(
    st.integers(0, 99).map(str),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES).map("digits({})".format),
    st.sampled_from(NAMES).map("-{}".format),
)
sign = st.sampled_from(["+", "-", "*", "//", "%"])
small = joined(leaf, sign)
number = st.one_of(
    leaf, small, small.map("digit_sum({})".format), small.map("last_digit({})".format), small.map("-({})".format)
)
compared = joined(joined(number, sign), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
# A single part compares nothing.
comparison = compared.map(lambda text: text if set(text) & set("=<>") else f"{text} >= 3")
denied = st.one_of(comparison, comparison.map("not {}".format), comparison.map("not ({})".format))
condition = joined(denied, st.sampled_from(["and", "or"]))
written = st.fixed_dictionaries({name: st.text("0123456789", min_size=1, max_size=2) for name in NAMES})


@pytest.mark.slow
@settings(max_examples=250, deadline=None, derandomize=True)
@given(condition, written)
def test_conditions_are_what_python_makes_of_them(text, numbers):
    if len(text) > expressions.LONGEST:
        return
    found = expressions.parse(text, NAMES, "here")
    try:
        expected = python_says(text, numbers)
    except ZeroDivisionError:
        with pytest.raises(BadInput, match="this divides by 0"):
            found.holds(numbers)
        assert "?" in found.compared(numbers)
        return
    assert found.holds(numbers) is expected
    compared = found.compared(numbers)
    if "?" not in compared:  # a part that was not looked at may have no value
        assert eval(compared, {"__builtins__": {}}) is expected, "what a sheet shows is what was decided"


HOSTILE = {
    "__import__('os').system('true')": '"\'" at character 12',
    "abc.__class__": "'.' at character 4",
    "abc.real == 0": "'.' at character 4",
    "().__class__.__bases__": "'.' at character 3",
    "[x for x in abc]": "'[' at character 1",
    "{1: 2}": "'{' at character 1",
    "lambda: 0": "':' at character 7",
    "(abc := 3) == 3": "':' at character 6",
    '"a" == "a"': "'\"' at character 1",
    "abc == 1.5": "'.' at character 9",
    "abc # 1 == 2": "'#' at character 5",
    "abc; abc": "';' at character 4",
    "abc @ 2 == 0": "'@' at character 5",
    "~abc == 0": "'~' at character 1",
    "abc == 1\\\n": "'\\\\' at character 9",
    "abc & 1 == 0": 'write "and" instead',
    "abc | 1 == 0": 'write "or" instead',
    "abc ^ 2 == 0": "write a product instead",
    "abc ≤ 2": 'write "<=" instead',
    "аbc == 2": "at character 1",  # a Cyrillic a
    "ａｂｃ == 2": "at character 1",  # full width, which Python reads as abc
    "abc == ٣": "at character 8",  # an Arabic three
    "abc == 1e3": "'1e3' at character 8",
    "abc == 1j": "'1j' at character 8",
    "True": "'True' at character 1",
    "abc == None": "'None' at character 8",
    "abc ** 2 == 4": "** is not allowed; write a product",
    "9**9**9**9 == 1": "** is not allowed",
    "abc / 2 == 1": "/ makes fractions; write //",
    "abc << 9 == 1": "'abc << 9' at character 1",
    "abc >> 1 == 1": "'abc >> 1' at character 1",
    "abc in (1, 2)": '"in" and "is" do not compare numbers',
    "abc not in (1, 2)": '"in" and "is" do not compare numbers',
    "abc is 3": '"in" and "is" do not compare numbers',
    "abc": "a number alone is neither true nor false",
    "abc % 2": "a number alone is neither true nor false",
    "abc % 2 and mm == 1": "'abc % 2' at character 1",
    "not abc": "'abc' at character 5",
    "(abc == 1) + (mm == 1) == 2": "a comparison is not a number",
    "(abc == 1) == (mm == 1)": "a comparison is not a number",
    "-(abc == 1)": "a comparison is not a number",
    "abc == 1 if mm == 1 else abc == 2": "at character 1",
    "abc == 1, mm == 2": "at character 1",
    "*abc == 1": "at character 1",
    "(yield) == 1": "'yield' at character 2",
    "(await abc) == 1": "'await abc' at character 2",
    "digit_sum(x for x in abc) == 1": "at character 10",
    "digit_sum(*abc) == 1": "'*abc' at character 11",
    "digit_sum(abc, mm) == 1": "digit_sum() takes one number",
    "digit_sum() == 1": "digit_sum() takes one number",
    "digit_sum(x=abc) == 1": "digit_sum() takes one number",
    "digit_sum == 1": "write digit_sum(...) with a number",
    "digits(abc + 1) == 1": "write the name of an input in it",
    "digits(052) == 1": "without leading zeros",
    "abs(abc) == 1": "'abs(abc)' at character 1",
    "eval(abc) == 1": "'eval(abc)' at character 1",
    "abc(1) == 1": "'abc(1)' at character 1",
    "digit_sum(abc)(1) == 1": "at character 1",
    "xyz == 1": "'xyz' at character 1 of 'xyz == 1': there is no input of that name; known: abc, dd, mm",
    "__class__ == 1": "there is no input of that name",
    "ABC == 1": "there is no input of that name",
    "abcd % 2 == 0": 'did you mean "abc"?',
    "abc = 2": '"=" is not a comparison; write "=="',
    "abc == 052": "without leading zeros",
    "abc ==": "cannot be read",
    "abc == 1 2": "cannot be read at character",
    "": "cannot be read",
    "   ": "cannot be read",
    "(abc == 1": "cannot be read",
    "abc == 1 AND mm == 1": "cannot be read",
    "abc == 1000000000000000001": "expected at most 10**18",
    "abc == " + "9" * 490: "expected at most 10**18",
    "abc == " + "9" * 5000: "5,007 characters; expected at most 500",
    "(" * 240 + "abc" + ")" * 240 + " == 1": "here: ",
    "not " * 60 + "abc == 1": "more than 50 levels deep",
    "-" * 60 + "abc == 1": "more than 50 levels deep",
    "+".join(["abc"] * 60) + " == 1": "more than 50 levels deep",
    "\x00abc == 1": "at character 1",
    "abc == 1\ud800": "at character 9",
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_what_is_no_condition_is_refused_in_one_line_that_names_the_place(text, message):
    with pytest.raises(BadInput) as refused:
        expressions.parse(text, NAMES, "here")
    said = str(refused.value)
    assert said.startswith("here: ")
    assert message in said
    assert "\n" not in said
    assert len(said) < 300
    assert said.encode("utf-8", "strict")


def test_the_written_zeros_are_kept_and_every_step_is_shown():
    found = expressions.parse("last_digit(abc) < 6 and abc % 2 == 0 and digits(abc) == 3", NAMES, "here")
    numbers = {"abc": "052"}
    assert found.holds(numbers)
    assert found.filled(numbers) == "last_digit(052) < 6 and 052 % 2 == 0 and digits(052) == 3"
    assert found.compared(numbers) == "2 < 6 and 0 == 0 and 3 == 3"


def test_an_early_end_spares_the_rest_as_in_python():
    found = expressions.parse("dd != 0 and abc % dd == 0", NAMES, "here")
    assert found.holds({"dd": "0", "abc": "4"}) is False
    assert found.compared({"dd": "0", "abc": "4"}) == "0 != 0 and ? == 0"
    assert found.holds({"dd": "2", "abc": "4"}) is True


def test_lines_and_blanks_do_not_matter():
    assert expressions.parse("\n  (dd +\n\tmm) == 3\n", NAMES, "here").holds({"dd": "1", "mm": "2"})


def test_numbers_on_the_way_are_bounded():
    text = "abc" + " * abc" * 5 + " > 0"
    assert expressions.parse(text, NAMES, "here").holds({"abc": "1000"}), "10**18 is still allowed"
    for sign in "", "-":
        with pytest.raises(BadInput, match=r"here: .*1001.*: this gives a number above 10\*\*18"):
            expressions.parse(sign + text, NAMES, "here").holds({"abc": "1001"})
