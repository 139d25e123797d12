"""A class as a CSV file: one row for each student, with an id, the inputs that the rules use, and a name if you like."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smallvision.assign.rules import COLUMNS, MOST_DIGITS, Input
from smallvision.errors import BadInput, nearest
from smallvision.experiment.text import expanded, short, writable

LARGEST_FILE = 10_000_000  # bytes
# The id names two files, on every system: Windows knows these, with any ending, as devices (Microsoft, Naming Files).
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class Student:
    """A row. `given` has each input's digits as written ("052"); `line` is the row's last line in the file."""

    id: str
    name: str
    given: Mapping[str, str]
    line: int


def read_roster(path: str, inputs: Mapping[str, Input]) -> list[Student]:
    """The students of a CSV file: UTF-8, with or without a byte order mark, columns parted by commas, semicolons or tabs.

    Parameters
    ----------
    path : the file. Its first row names the columns: id, each input, and name if there are names; in any order and case.
    inputs : by name, from the rules.

    Raises
    ------
    BadInput : not such a file, columns missing or unknown, no students, a value that is no whole number in its range,
        an id that cannot name a file, two students with one id. The line is named.
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
            raise BadInput(f"{at}: {len(row)} values for {len(columns)} columns ({', '.join(columns)})")
        student = _student(dict(zip(columns, row, strict=True)), line, inputs, at)
        other = taken.setdefault(student.id.casefold(), student)
        if other is not student:
            alike = (
                ""
                if other.id == student.id
                else f" (as {other.id}: some systems keep no small and capital letters apart)"
            )
            raise BadInput(f"{at}: id {student.id} is on line {other.line} already{alike}; each student needs an id")
        students.append(student)
    if not students:
        raise BadInput(f"{where}: no students; expected a row for each below the first row, which names the columns")
    return students


def _text(path: str, where: str) -> str:
    file = expanded(path)
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise BadInput(f"{where}: larger than {LARGEST_FILE:,} bytes; this is no roster")
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{where}: no such file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        cure = 'save it as "CSV UTF-8" (spreadsheets offer that beside CSV)'
        raise BadInput(f"{where}: line {line}: not UTF-8 text; {cure}") from None
    except OSError as error:
        raise BadInput(f"{where}: {error.strerror or error}") from None
    except ValueError:
        raise BadInput(f"{where}: is no name of a file") from None


def _rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and rows, blanks around values taken off, rows without any value left out."""
    first = text.lstrip("\r\n").partition("\n")[0]
    parting = max(",;\t", key=first.count)  # spreadsheets take the semicolon where commas part decimals
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=parting, strict=True)
    while True:
        try:
            row = [" ".join(value.split()) for value in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            hint = " (is a quotation mark never closed?)" if "end of data" in str(error) else ""
            raise BadInput(f"{where}: line {reader.line_num}: not valid CSV: {error}{hint}") from None
        odd = next((value for value in row if re.search(r"[\x00-\x1f\x7f-\x9f]", value)), None)
        if odd is not None:
            raise BadInput(
                f"{where}: line {reader.line_num}: {short(odd)} has characters that are none; save it as CSV UTF-8"
            )
        if any(row):
            yield reader.line_num, row


def _columns(header: list[str], inputs: Mapping[str, Input], where: str) -> list[str]:
    columns = [name.lower() for name in header]
    known = [*COLUMNS, *inputs]
    if not columns:
        raise BadInput(f"{where}: is empty; expected a first row with the columns id, {', '.join(inputs)}")
    for name in columns:
        if name not in known:
            raise BadInput(
                f"{where}: unknown column {short(name)}; {nearest(name, known)} (the first row names the columns)"
            )
        if columns.count(name) > 1:
            raise BadInput(f"{where}: two columns are named {name}; keep one")
    for name in ("id", *inputs):
        if name not in columns:
            raise BadInput(f"{where}: column {name} is missing; expected id, {', '.join(inputs)}, and name if you like")
    return columns


def _student(row: Mapping[str, str], line: int, inputs: Mapping[str, Input], at: str) -> Student:
    found = row["id"]
    if not ID.fullmatch(found):
        cure = "it names files, so expected 1 to 32 letters, digits, dots, dashes or underscores"
        raise BadInput(f"{at}: id: got {short(found)}; {cure}")
    if found.endswith(".") or found.split(".")[0].lower() in DEVICES:
        raise BadInput(f"{at}: id: got {short(found)}; it names files, and Windows can have none of that name")
    for name, asked in inputs.items():
        _refuse_other(row[name], asked, f"{at}: student {found}: {name}")
    return Student(found, row.get("name", ""), {name: row[name] for name in inputs}, line)


def _refuse_other(text: str, asked: Input, at: str) -> None:
    if not re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text):
        raise BadInput(f"{at}: got {short(text)}; expected a whole number of at most {MOST_DIGITS} digits")
    if asked.digits and len(text) != asked.digits:
        hint = f'; spreadsheets drop leading zeros: is it "{text.zfill(asked.digits)}"?'
        raise BadInput(f'{at}: got "{text}"; expected {asked.digits} digits{hint if len(text) < asked.digits else ""}')
    if not asked.low <= int(text) <= asked.high:
        raise BadInput(f"{at}: got {text}; expected {asked.low} to {asked.high}")
