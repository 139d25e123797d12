"""Damage to values with a structure: JSON, TOML, lines of JSON, CSV. Wrong fields, and values that mean harm."""

import copy
import csv
import io
import json
import random
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

import tomli_w

TOKEN = "\u2603 the place of a raw value \u2603"
CONTROLS = "a\x1b[31m\x07b\u202ec\x85d"
TEXTS = (
    "",
    " ",
    "x" * 100_000,
    CONTROLS,
    "two\nlines",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "/dev/zero",
    "a/b",
    "nul",
    "$x^2$",
    "%s%n{0}{x!r}",
    "\u0000",
    "-1",
    "1e999",
    "\U0001f600" * 300,
)
NUMBERS = (
    *("0", "-1", "-0.0", "1e308", "-1e308", "1e-320", "0.5", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551616", "1" + "0" * 30, "1" + "0" * 400, "1" * 5000, "2147483648", "1000000007", "65536"),
)
JSON_RAW = (
    *NUMBERS,
    *("NaN", "Infinity", "-Infinity", "null", "true", "[]", "{}", "[[]]", '{"a": {"a": 1}}', '"\\ud800"', "1e999"),
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    "[" + ",".join(["0"] * 50_000) + "]",
    *map(json.dumps, TEXTS),
)
TOML_RAW = (
    *NUMBERS,
    *("nan", "inf", "-inf", "true", "[]", "{}", "[[]]", "{ a = { a = 1 } }", "1979-05-27", "0x7fffffffffffffffffff"),
    "[" * 300 + "]" * 300,
    "[" + ",".join(["0"] * 50_000) + "]",
    *(json.dumps(text).replace("\\u0000", "\\u0001") for text in TEXTS),
)
WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3.5, 1e9, "", "text", "cnn", "digits"),
    *([], [1], [1, 2, 3], ["a"], {}, {"kind": "cnn"}, {"a": 1}, [[1]], [None]),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside a value, those of tables and lists too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    out = [at] if at else []
    for key, one in inner:
        out += places(one, (*at, key))
    return out


def _parent(value: Any, at: Sequence[Any]) -> Any:
    for key in at[:-1]:
        value = value[key]
    return value


def wrong(draw: random.Random, value: Any, null: bool = True) -> Any:
    """A copy with one or two fields gone, renamed, doubled, exchanged, or of another type or size."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 2))):
        known = places(value)
        if not known:
            return draw.choice([one for one in WRONG if one is not None or null])
        at = draw.choice(known)
        place, key, way = _parent(value, at), at[-1], draw.randrange(6)
        if way == 0:
            del place[key]
        elif way == 1 and isinstance(place, dict):
            place[draw.choice((f"{key}s", str(key).upper(), "x", "kind", "name"))] = place.pop(key)
        elif way == 2:
            other = draw.choice(known)
            try:
                found = _parent(value, other)[other[-1]]
            except (KeyError, IndexError, TypeError):
                found = 0
            place[key] = copy.deepcopy(found)
        elif way == 3 and isinstance(place[key], list):
            place[key] = draw.choice((place[key][:-1], place[key] * 2, place[key][::-1]))
        elif way == 4 and isinstance(place[key], int | float) and not isinstance(place[key], bool):
            place[key] = draw.choice((place[key] + 1, place[key] - 1, -place[key], place[key] * 1000, str(place[key])))
        else:
            place[key] = copy.deepcopy(draw.choice([one for one in WRONG if one is not None or null]))
    return value


def hostile(draw: random.Random, value: Any, raw: Sequence[str], dump: Callable[[Any], str]) -> str:
    """The text of a value in which one value is replaced by a raw text, or one key by a hostile one."""
    value = copy.deepcopy(value)
    known = places(value)
    if not known:
        return draw.choice(raw)
    at = draw.choice(known)
    place, key = _parent(value, at), at[-1]
    if isinstance(place, dict) and draw.random() < 0.15:
        place[draw.choice([text for text in TEXTS if "\u0000" not in text])] = place.pop(key)
        return dump(value)
    place[key] = TOKEN
    return dump(value).replace(json.dumps(TOKEN, ensure_ascii=False), draw.choice(raw))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def wrong_json(draw: random.Random, data: bytes) -> bytes:
    """A JSON file with wrong fields."""
    return _json(wrong(draw, json.loads(data))).encode()


def hostile_json(draw: random.Random, data: bytes) -> bytes:
    """A JSON file with a hostile value."""
    return hostile(draw, json.loads(data), JSON_RAW, _json).encode("utf-8", "surrogatepass")


def of_lines(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, bytes], bytes]:
    """The same change to one line of a file, or the lines left out, doubled, exchanged."""

    def changed(draw: random.Random, data: bytes) -> bytes:
        lines = data.splitlines()
        at, way = draw.randrange(len(lines)), draw.randrange(8)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[at])
        elif way == 2:
            lines.reverse()
        elif way == 3:
            lines[at] = draw.choice((b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{" + lines[at]))
        else:
            lines[at] = change(draw, lines[at])
        return b"\n".join(lines) + draw.choice((b"\n", b"\n", b""))

    return changed


def wrong_toml(draw: random.Random, data: bytes) -> bytes:
    """A TOML file with wrong fields."""
    return tomli_w.dumps(_without_null(wrong(draw, tomllib.loads(data.decode()), null=False))).encode()


def hostile_toml(draw: random.Random, data: bytes) -> bytes:
    """A TOML file with a hostile value."""
    return hostile(draw, tomllib.loads(data.decode()), TOML_RAW, tomli_w.dumps).encode()


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(one) for key, one in value.items() if one is not None}
    return [_without_null(one) for one in value if one is not None] if isinstance(value, list) else value


def wrong_csv(draw: random.Random, data: bytes) -> bytes:
    """A CSV file with cells or columns gone, doubled, renamed, exchanged."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    at, way = draw.randrange(len(rows)), draw.randrange(7)
    column = draw.randrange(len(rows[0]))
    if way == 0:
        rows[0][column] = draw.choice(("x", "ID", "", "name", "dd ", rows[0][column - 1]))
    elif way == 1:
        rows = [[cell for place, cell in enumerate(row) if place != column] for row in rows]
    elif way == 2:
        rows[at] = draw.choice((rows[at][:-1], [*rows[at], "x"], [], rows[at] * 2))
    elif way == 3:
        rows.insert(at, list(rows[draw.randrange(len(rows))]))
    elif way == 4:
        rows[at][column], rows[at][column - 1] = rows[at][column - 1], rows[at][column]
    elif way == 5:
        rows[at][column] = draw.choice(("", "-1", "3.5", "1e3", "010", "x", "999999", "+7", "0x1f", "１２"))
    else:
        rows = rows[draw.randrange(1, len(rows)) :]
    return _csv(rows, draw.choice(",,,;\t|"))


def hostile_csv(draw: random.Random, data: bytes) -> bytes:
    """A CSV file with a hostile cell, or so many of them."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    at, column = draw.randrange(len(rows)), draw.randrange(len(rows[0]))
    way = draw.randrange(6)
    if way == 0:
        rows[at] = rows[at] * draw.choice((100, 10_000))
    elif way == 1:
        return data + draw.choice((b'"', b'"x', b"\x00", b"\xff\xfe", b"\r\r\r", b'a,"b\n')) * draw.choice((1, 1000))
    elif way == 2:
        return draw.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\n\n\n", b"sep=;\n", b"\x00")) + data
    else:
        rows[at][column] = draw.choice((*TEXTS, *NUMBERS, "=cmd|'/c x'!A1", "con", "a" * 200_000, "٣"))
    return _csv(rows, ",")


def _csv(rows: Sequence[Sequence[str]], delimiter: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    for row in rows:
        writer.writerow(row)
    return out.getvalue().encode("utf-8", "surrogateescape")
