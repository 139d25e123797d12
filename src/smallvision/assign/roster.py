"""A class of students as a CSV file: each row has an id, the inputs that the rules use, and optionally a name."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smallvision.assign.rules import COLUMNS, MOST_DIGITS, Input
from smallvision.errors import BadInput, counted, nearest, short
from smallvision.experiment.text import expanded, writable
from smallvision.storage.reading import read_limited

LARGEST_FILE = 10_000_000  # bytes
# The id names two files on any system. On Windows, DEVICES with any extension are not files (Microsoft, Naming Files).
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class Student:
    """A row of the roster. `given` has each input's digits as written ("052"); `line` is the last line of the row."""

    id: str
    name: str
    given: Mapping[str, str]
    line: int


def read_roster(path: str, inputs: Mapping[str, Input]) -> list[Student]:
    """The students of a CSV file in UTF-8, with or without a byte order mark; separated by comma, semicolon or tab.

    Parameters
    ----------
    path : the file. Its first row names the columns, in any order and case: id, each input, and optionally name.
    inputs : the inputs of the rules, by name.

    Raises
    ------
    BadInput : names the line. The file is not such a CSV file, columns are missing or unknown, there are no students, a
        value is not a whole number in its range, an id cannot name a file, or two students have the same id.
    """
    where = writable(path)
    rows = _rows(_text(path, where), where)
    _, header = next(rows, (1, []))
    columns = _columns(header, inputs, where)
    students: list[Student] = []
    taken: dict[str, Student] = {}
    for line, row in rows:
        at = f"{where}: line {line}"
        if len(row) != len(columns):
            raise BadInput(f"{at}: {counted(len(row), 'value')} for {len(columns)} columns ({', '.join(columns)})")
        student = _student(dict(zip(columns, row, strict=True)), line, inputs, at)
        other = taken.setdefault(student.id.casefold(), student)
        if other is not student:
            alike = (
                ""
                if other.id == student.id
                else f" (as {other.id}; some systems do not distinguish small and capital letters)"
            )
            raise BadInput(
                f"{at}: id {student.id} is on line {other.line} already{alike}; every student needs an id of their own"
            )
        students.append(student)
    if not students:
        raise BadInput(
            f"{where}: there are no students; expected one row for each student below the first row, which names the "
            "columns"
        )
    return students


def _text(path: str, where: str) -> str:
    file = expanded(path)
    try:
        return read_limited(file, LARGEST_FILE, "a roster").decode("utf-8-sig")
    except BadInput:
        raise
    except FileNotFoundError:
        raise BadInput(f"{where}: no such file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        cure = 'save it as "CSV UTF-8" (spreadsheets offer this in addition to CSV)'
        raise BadInput(f"{where}: line {line}: this line is not UTF-8 text; {cure}") from None
    except OSError as error:
        raise BadInput(f"{where}: {error.strerror or error}") from None
    except ValueError:
        raise BadInput(f"{where}: this is not the name of a file") from None


def _rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and rows, with blanks around values removed and without empty rows."""
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t", key=first.count)  # spreadsheets use semicolons where the comma is the decimal mark
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        try:
            row = [" ".join(value.split()) for value in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            hint = " (is a quotation mark never closed?)" if "end of data" in str(error) else ""
            raise BadInput(f"{where}: line {reader.line_num}: this is not valid CSV: {error}{hint}") from None
        odd = next((value for value in row if re.search(r"[\x00-\x1f\x7f-\x9f]", value)), None)
        if odd is not None:
            raise BadInput(
                f"{where}: line {reader.line_num}: {short(odd)} has control characters; save it as CSV UTF-8"
            )
        if any(row):
            yield reader.line_num, row


def _columns(header: list[str], inputs: Mapping[str, Input], where: str) -> list[str]:
    columns = [name.lower() for name in header]
    known = [*COLUMNS, *inputs]
    if not columns:
        raise BadInput(f"{where}: the file is empty; expected a first row with the columns id, {', '.join(inputs)}")
    for name in columns:
        if name not in known:
            raise BadInput(
                f"{where}: unknown column {short(name)}; {nearest(name, known)} (the first row names the columns)"
            )
        if columns.count(name) > 1:
            raise BadInput(f"{where}: two columns are named {name}; keep one")
    for name in ("id", *inputs):
        if name not in columns:
            raise BadInput(f"{where}: column {name} is missing; expected id, {', '.join(inputs)}, and optionally name")
    return columns


def _student(row: Mapping[str, str], line: int, inputs: Mapping[str, Input], at: str) -> Student:
    identifier = row["id"]
    if not ID.fullmatch(identifier):
        cure = "it names files, so expected 1 to 32 letters, digits, dots, dashes or underscores"
        raise BadInput(f"{at}: id: got {short(identifier)}; {cure}")
    if identifier.endswith(".") or identifier.split(".")[0].lower() in DEVICES:
        raise BadInput(f"{at}: id: got {short(identifier)}; it names files, and Windows reserves this name")
    for name, spec in inputs.items():
        _refuse_unfit(row[name], spec, f"{at}: student {identifier}: {name}")
    return Student(identifier, row.get("name", ""), {name: row[name] for name in inputs}, line)


def _refuse_unfit(text: str, spec: Input, at: str) -> None:
    """Refuse the text of a value that is not a whole number as the input specifies it."""
    if not re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text):
        raise BadInput(f"{at}: got {short(text)}; expected a whole number of at most {MOST_DIGITS} digits")
    if spec.digits and len(text) != spec.digits:
        hint = f'; spreadsheets drop leading zeros: is it "{text.zfill(spec.digits)}"?'
        raise BadInput(
            f'{at}: got "{text}"; expected {counted(spec.digits, "digit")}{hint if len(text) < spec.digits else ""}'
        )
    if not spec.low <= int(text) <= spec.high:
        raise BadInput(f"{at}: got {text}; expected {spec.low} to {spec.high}")
