"""Conditions over whole numbers, such as ``last_digit(abc) < 6 and abc % 2 == 0``: parsed, evaluated, and explained.

Python's `ast` parses the text, and nothing is compiled or run by Python. The parts that a condition may have are listed
below, and all others are refused when it is parsed; the functions here then evaluate the tree. Text, depth and every
intermediate number are bounded, so that no condition takes long. Results equal Python's (tests compare them with eval).
"""

import ast
import keyword
import operator
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from smallvision.errors import BadInput, nearest, short

LONGEST = 500  # characters of a condition
DEEPEST = 50  # nested operations
LARGEST = 10**18  # the largest input, literal and intermediate result

ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: dict[str, Callable[[int], int]] = {
    "digit_sum": lambda number: sum(map(int, str(abs(number)))),
    "last_digit": lambda number: abs(number) % 10,
}
DIGITS = "digits"  # the function that counts the digits of an input as written: 3 for 052
RESERVED = {*FUNCTIONS, DIGITS, *keyword.kwlist}

CHARACTERS = re.compile(r"[A-Za-z0-9_ +*/%()<>=!,-]*")
INSTEAD = {"&": '"and"', "|": '"or"', "≤": '"<="', "≥": '">="', "≠": '"!="', "^": "a product", "×": '"*"'}
ALLOWED = (
    "expected names, whole numbers, + - * // %, comparisons, and, or, not, parentheses, "
    "digit_sum(x), last_digit(x), digits(x)"
)
MISTAKES = {
    r"(?<![=<>!])=(?!=)": '"=" is not a comparison; write "=="',
    r"\b0[0-9]": "write numbers without leading zeros",
}


class _Impossible(Exception):
    """An operation without a value: a division by 0, or a result that is too large."""


@dataclass(frozen=True)
class Expression:
    """A parsed condition. The argument `given` of its methods has each input's digits as written ("052")."""

    text: str
    where: str
    tree: ast.expr = field(repr=False, compare=False)

    def holds(self, given: Mapping[str, str]) -> bool:
        """Whether the condition is true; "and" and "or" stop early as in Python.

        Raises
        ------
        BadInput : a division by 0, or an intermediate result beyond 10**18.
        """
        try:
            return _truth(self.tree, given)
        except _Impossible as why:
            raise BadInput(f"{self.where}: {self.filled(given)}: {why}") from None

    def filled(self, given: Mapping[str, str]) -> str:
        """The condition with the numbers in place of their names: ``last_digit(052) < 6 and 052 % 2 == 0``."""
        return re.sub(r"\b[A-Za-z_]\w*", lambda name: given.get(name[0], name[0]), self.text)

    def compared(self, given: Mapping[str, str]) -> str:
        """The condition with each side of a comparison evaluated: ``2 < 6 and 0 == 0``; "?" for no value."""
        comparisons = (node for node in ast.walk(self.tree) if isinstance(node, ast.Compare))
        sides = [side for node in comparisons for side in (node.left, *node.comparators)]
        text = self.text
        for side in sorted(
            sides, key=lambda side: side.col_offset, reverse=True
        ):  # from the end, so that earlier offsets stay valid
            text = f"{text[: side.col_offset]}{_shown(side, given)}{text[side.end_col_offset :]}"
        return text


def parse(text: str, names: Collection[str], where: str) -> Expression:
    """Parse a condition.

    Parameters
    ----------
    text : at most 500 characters.
    names : the inputs it may use.
    where : the file, the rule and the key, with which an error begins.

    Raises
    ------
    BadInput : the text is not such a condition; the message names the character.
    """
    if len(text) > LONGEST:
        raise BadInput(f"{where}: {len(text):,} characters; expected at most {LONGEST}")
    text = text.translate({ord(blank): " " for blank in "\t\r\n"}).strip()
    allowed = CHARACTERS.match(text)
    end = allowed.end() if allowed else 0
    if end < len(text):
        instead = f"write {INSTEAD[text[end]]} instead" if text[end] in INSTEAD else ALLOWED
        raise BadInput(f"{where}: {short(text[end])} at character {end + 1} of {short(text)} is not allowed; {instead}")
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise BadInput(f"{where}: {_unreadable(text, error)}") from None
    if _depth(tree) > DEEPEST:
        raise BadInput(f"{where}: the condition is nested more than {DEEPEST} levels deep; write a shorter one")
    _Check(text, names, where).condition(tree)
    return Expression(text, where, tree)


def _tree(text: str) -> ast.expr:
    with warnings.catch_warnings():  # Python warns of "1and", which is refused or parsed as it is
        warnings.simplefilter("ignore")
        return ast.parse(text, mode="eval").body


def _unreadable(text: str, error: Exception) -> str:
    for pattern, hint in MISTAKES.items():
        match = re.search(pattern, text)
        if match:
            return f"{hint} (character {match.start() + 1} of {short(text)})"
    place = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
    return f"{short(text)} cannot be read{place}; expected a condition such as (dd + mm) % 2 == 0 and abc > 9"


def _depth(tree: ast.expr) -> int:
    """The depth of the tree, counted without recursion."""
    deepest, level = 0, list[ast.AST]([tree])
    while level:
        deepest += 1
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
    return deepest


@dataclass(frozen=True)
class _Check:
    """Refuses every part of a tree that is not listed here."""

    text: str
    names: Collection[str]
    where: str

    def condition(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self.condition(value)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                self.condition(inner)
            case ast.Compare(left=left, ops=ops, comparators=right):
                for op in ops:
                    if type(op) not in COMPARISONS:
                        self.refuse(node, '"in" and "is" do not compare numbers; write == or !=')
                for side in (left, *right):
                    self.number(side)
            case _:
                self.number(node)
                self.refuse(node, "a number alone is neither true nor false; compare it, such as == 0")

    def number(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=value) if type(value) is int:
                if value > LARGEST:
                    self.refuse(node, "expected at most 10**18")
            case ast.Name(id=name):
                self.name(node, name)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
                self.number(inner)
            case ast.BinOp(left=left, op=op, right=right):
                if type(op) not in ARITHMETIC:
                    instead = {ast.Div: "/ makes fractions; write //", ast.Pow: "** is not allowed; write a product"}
                    self.refuse(node, instead.get(type(op), ALLOWED))
                self.number(left)
                self.number(right)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
                self.number(argument)
            case ast.Call(func=ast.Name(id="digits"), args=[argument], keywords=[]):
                if not isinstance(argument, ast.Name):
                    self.refuse(
                        node, ("digits() counts the digits of an input as written; write the name of an input in it")
                    )
                self.name(argument, argument.id)
            case ast.Call(func=ast.Name(id=name)) if name in (*FUNCTIONS, DIGITS):
                self.refuse(node, f"{name}() takes one number")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                self.refuse(node, "a comparison is not a number; combine comparisons with and, or, not")
            case _:
                self.refuse(node, ALLOWED)

    def name(self, node: ast.expr, name: str) -> None:
        if name in (*FUNCTIONS, DIGITS):
            self.refuse(node, f"write {name}(...) with a number")
        if name not in self.names:
            self.refuse(node, f"there is no input of that name; {nearest(name, self.names)}")

    def refuse(self, node: ast.expr, why: str) -> NoReturn:
        part = ast.get_source_segment(self.text, node) or self.text
        raise BadInput(f"{self.where}: {short(part)} at character {node.col_offset + 1} of {short(self.text)}: {why}")


def _truth(node: ast.expr, given: Mapping[str, str]) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_truth(value, given) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_truth(value, given) for value in values)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _truth(inner, given)
        case ast.Compare(left=left, ops=ops, comparators=right):
            a = _value(left, given)
            for op, side in zip(ops, right, strict=True):
                b = _value(side, given)
                if not COMPARISONS[type(op)](a, b):
                    return False
                a = b
            return True
    raise AssertionError(f"{ast.dump(node)} was let through")


def _shown(node: ast.expr, given: Mapping[str, str]) -> str:
    try:
        return str(_value(node, given))
    except _Impossible:
        return "?"


def _value(node: ast.expr, given: Mapping[str, str]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return int(given[name])
        case ast.UnaryOp(op=op, operand=inner):
            return -_value(inner, given) if isinstance(op, ast.USub) else _value(inner, given)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, given), _value(right, given)
            if b == 0 and isinstance(op, ast.FloorDiv | ast.Mod):
                raise _Impossible("this divides by 0")
            number = ARITHMETIC[type(op)](a, b)  # of two bounded numbers, so never a long computation
            if abs(number) > LARGEST:
                raise _Impossible("this gives a number above 10**18")
            return number
        case ast.Call(func=ast.Name(id="digits"), args=[ast.Name(id=name)]):
            return len(given[name])
        case ast.Call(func=ast.Name(id=name), args=[inner]):
            return FUNCTIONS[name](_value(inner, given))
    raise AssertionError(f"{ast.dump(node)} was let through")
