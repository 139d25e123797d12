"""Class lists as people and spreadsheets write them: taken, or refused with the line."""

import pytest

from smallvision.assign import read_roster, read_rules
from smallvision.errors import BadInput

HEAD = "id,name,dd,mm,yy,abc\n"
ADA = "s1,Ada,18,03,02,052\n"
INPUTS = read_rules("r2").inputs


@pytest.fixture
def read(tmp_path):
    def run(content):
        path = tmp_path / "class.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_roster(str(path), INPUTS)

    return run


WELL = {
    "plain": HEAD + ADA,
    "no last line break": HEAD + ADA.rstrip(),
    "byte order mark": "\ufeff" + HEAD + ADA,
    "Windows line breaks": (HEAD + ADA).replace("\n", "\r\n"),
    "semicolons": (HEAD + ADA).replace(",", ";"),
    "tabs": (HEAD + ADA).replace(",", "\t"),
    "quoted": HEAD + '"s1","Ada","18","03","02","052"\n',
    "another order and case": "ABC,Name,YY,MM,DD,ID\n052,Ada,02,03,18,s1\n",
    "blanks": "id , name,dd , mm,yy,abc\n s1, Ada ,18 ,03,\u00a002,052\n",
    "rows of nothing": "\n" + HEAD + "\n" + ADA + ",,,,,\n\n",
}


@pytest.mark.parametrize("content", WELL.values(), ids=WELL.keys())
def test_what_spreadsheets_write_is_read(read, content):
    (student,) = read(content)
    assert (student.id, student.name) == ("s1", "Ada")
    assert student.given == {"dd": "18", "mm": "03", "yy": "02", "abc": "052"}


def test_names_are_optional_and_may_be_any_text(read):
    (student,) = read("id;dd;mm;yy;abc\ns1;18;03;02;052\n")
    assert student.name == ""
    (student,) = read("id;name;dd;mm;yy;abc\ns1;Ada, Countess;18;03;02;052\n")
    assert student.name == "Ada, Countess"
    (student,) = read(HEAD + 's1,"Łukasz ""Ł"" Ó, jr.",18,03,02,052\n')
    assert student.name == 'Łukasz "Ł" Ó, jr.'


BADLY = {
    "": "the file is empty; expected a first row with the columns id, dd, mm, yy, abc",
    HEAD: "no students",
    HEAD + ",,,,,\n": "no students",
    "id,dd,mm,yy\ns1,18,03,02\n": "column abc is missing",
    "name,dd,mm,yy,abc\nAda,18,03,02,052\n": "column id is missing",
    "id,dd,mm,yy,abc,email\ns1,18,03,02,052,x\n": "unknown column 'email'; known: abc, dd, id, mm, name, yy",
    "id,dd,mm,yy,abd\ns1,18,03,02,052\n": "unknown column 'abd'; did you mean \"abc\"?",
    "id,dd,mm,yy,abc,abc\ns1,18,03,02,052,052\n": "two columns are named abc",
    "s1,Ada,18,03,02,052\n": "unknown column 's1'",
    HEAD + ADA + "s2,Bob,18,03,02\n": "line 3: 5 values for 6 columns (id, name, dd, mm, yy, abc)",
    HEAD + ADA + "s2,Bob, jr,18,03,02,052\n": "line 3: 7 values for 6 columns",
    HEAD + ADA + ADA: "line 3: id s1 is on line 2 already; every student needs an id of their own",
    HEAD + ADA + ADA.replace("s1", "S1"): "line 3: id S1 is on line 2 already (as s1; some systems",
    HEAD + ADA.replace("s1", ""): "line 2: id: got ''; it names files",
    HEAD + ADA.replace("s1", "a b"): "line 2: id: got 'a b'; it names files",
    HEAD + ADA.replace("s1", "../s1"): "line 2: id: got '../s1'",
    HEAD + ADA.replace("s1", "a/b"): "line 2: id: got 'a/b'",
    HEAD + ADA.replace("s1", ".hidden"): "line 2: id: got '.hidden'",
    HEAD + ADA.replace("s1", "é"): "line 2: id: got 'é'",
    HEAD + ADA.replace("s1", "a" * 33): "line 2: id: got ",
    HEAD + ADA.replace("s1", "nul"): "Windows reserves this name",
    HEAD + ADA.replace("s1", "Com1.x"): "Windows reserves this name",
    HEAD + ADA.replace("s1", "a."): "Windows reserves this name",
    HEAD
    + ADA.replace(
        "052", "52"
    ): 'student s1: abc: got "52"; expected 3 digits; spreadsheets drop leading zeros: is it "052"?',
    HEAD + ADA.replace("052", "0520"): 'student s1: abc: got "0520"; expected 3 digits',
    HEAD + ADA.replace("052", ""): "student s1: abc: got ''; expected a whole number",
    HEAD + ADA.replace("18", "18.0"): "student s1: dd: got '18.0'; expected a whole number",
    HEAD + ADA.replace("18", "-18"): "student s1: dd: got '-18'; expected a whole number",
    HEAD + ADA.replace("18", "1e1"): "student s1: dd: got '1e1'; expected a whole number",
    HEAD + ADA.replace("18", "١٨"): "student s1: dd: got '١٨'; expected a whole number",
    HEAD + ADA.replace("18", "1" * 19): "expected a whole number of at most 18 digits",
    HEAD + ADA.replace("18", "32"): "student s1: dd: got 32; expected 1 to 31",
    HEAD + ADA.replace("03", "0"): "student s1: mm: got 0; expected 1 to 12",
    HEAD + ADA.replace("Ada", '"Ada'): "line 2: this is not valid CSV",
    HEAD + ADA.replace("Ada", '"Ada"x'): "line 2: this is not valid CSV",
    HEAD + ADA.replace("Ada", "A\x00da"): "line 2: 'A\\x00da' has control characters",
    HEAD + ADA.replace("Ada", "x" * 200_000): "line 2: this is not valid CSV: field larger than field limit",
    (HEAD + ADA).replace("Ada", "José").encode("latin-1"): (
        'line 2: this line is not UTF-8 text; save it as "CSV UTF-8"'
    ),
    (HEAD + ADA).encode("utf-16"): "line 1: this line is not UTF-8 text",
}


@pytest.mark.parametrize(("content", "message"), BADLY.items(), ids=range(len(BADLY)))
def test_what_cannot_be_used_is_refused_with_its_line(read, content, message):
    with pytest.raises(BadInput) as refused:
        read(content)
    said = str(refused.value)
    assert "class.csv: " in said
    assert message in said
    assert "\n" not in said


def test_files_that_are_none(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read_roster(str(tmp_path / "none.csv"), INPUTS)
    with pytest.raises(BadInput, match="directory"):
        read_roster(str(tmp_path), INPUTS)
    with pytest.raises(BadInput, match="this is not the name of a file"):
        read_roster("a\0b", INPUTS)
