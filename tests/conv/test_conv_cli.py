"""`smallvision conv shape`, `solve` and `mirror` as a person types them."""

import os
import re
import subprocess
import sys

import pytest

from smallvision import cli


@pytest.fixture
def type_in(monkeypatch, capsys):
    """Run a command line in this process; gives (exit status, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["smallvision", "conv", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        out, err = capsys.readouterr()
        return status, "\n".join(line.rstrip() for line in out.splitlines()), err

    return run


def test_shape_prints_each_step_with_its_formula(type_in):
    status, out, err = type_in("shape", "3x1024x768 conv(16, k=5, s=2, p=1) pool(2)")
    assert (status, err) == (0, "")
    assert (
        out
        == """\
layer                    output      parameters  multiply-adds  field
─────────────────────────────────────────────────────────────────────
input                    3x1024x768
conv(16, k=5, s=2, p=1)  16x511x383       1,216    234,855,600    5x5
    height         ⌊(1024 + 2·1 − 1·(5 − 1) − 1) / 2⌋ + 1 = 511
    width          ⌊(768 + 2·1 − 1·(5 − 1) − 1) / 2⌋ + 1 = 383
    weights        (16, 3, 5, 5), bias (16,)
    places         2 pixels apart; the first sees -1 to 3
pool(2)                  16x255x191                               7x7
    height         ⌊(511 + 2·0 − 1·(2 − 1) − 1) / 2⌋ + 1 = 255
    width          ⌊(383 + 2·0 − 1·(2 − 1) − 1) / 2⌋ + 1 = 191
    places         4 pixels apart; the first sees -1 to 5
─────────────────────────────────────────────────────────────────────
total                                     1,216    234,855,600
multiply-adds: for one image; field: height x width of what a value can depend on, in pixels of the input"""
    )


@pytest.mark.parametrize(
    ("stack", "shown"),
    [
        ("3x1920x1080 conv(16, k=5, s=2, p=1)", ["16x959x539", "⌊(1080 + 2·1 − 1·(5 − 1) − 1) / 2⌋ + 1 = 539"]),
        ("3x5x5 pool(3,s=2)", ["3x2x2", "height, width  ⌊(5 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = 2"]),
        ("3x10x10 conv(5,k=3)", ["5x8x8", "(5, 3, 3, 3), bias (5,)", "140", "8,640"]),
        (
            "3x10x10 conv(5,k=4,p=same,bias=no)",
            ["5x10x10", "⌊(10 + 1 + 2 − 1·(4 − 1) − 1) / 1⌋ + 1 = 10", "weights        (5, 3, 4, 4)\n"],
        ),
        (
            "1x7x7 pool(2, ceil=yes) flat dense(10) softmax",
            ["⌈(7 + 2·0 − 1·(2 − 1) − 1) / 2⌉ + 1 = 4", "1·4·4 = 16", "(10, 16), bias (10,)"],
        ),
        (
            "4x3x5 transposed(2, k=3, s=2, p=1, op=1x0)",
            ["2x6x9", "(3 − 1)·2 − 2·1 + 1·(3 − 1) + 1 + 1 = 6", "1/2 pixel apart; the first sees 0 to 0"],
        ),
        ("1x8x8 upsample(2x1)", ["1x16x8", "8·2 = 16", "1/2 x 1 pixel apart"]),
        ("2x6x7 global(max)", ["2, the max of each channel's 6·7 = 42", "6x7"]),
        ("784 dense(10)", ["7,850", "7,840"]),
        ("3x4x4", ["3x4x4", "total"]),
    ],
)
def test_shapes_and_formulas(type_in, stack, shown):
    status, out, err = type_in("shape", stack)
    assert (status, err) == (0, "")
    for words in shown:
        assert words in out + "\n"


def test_words_may_come_apart_and_the_formulas_be_left_out(type_in):
    status, out, _ = type_in("shape", "--brief", "3x9x9", "conv(4,", "k=3)", "relu")
    assert status == 0
    assert "conv(4, k=3)" in out
    assert "height " not in out.replace("height x", "")


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut(type_in, monkeypatch, columns):
    terminal = {"COLUMNS": str(columns), "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}
    for name, value in terminal.items():  # in a pipe nothing is wrapped
        monkeypatch.setenv(name, value)
    layers = [
        "conv(64, k=5x3, s=2, p=2x1, d=2x1, g=16, bias=no, in=16)",
        "transposed(8, k=4, s=2, p=1, op=1, g=8)",
        "flat",
        "dense(12)",
    ]
    status, out, err = type_in("shape", "16x1024x768", *layers)
    assert (status, err) == (0, "")
    out = re.sub(r"\x1b\[[\d;]*m", "", out)  # bold and dim letters
    lines = out.splitlines()
    assert max(map(len, lines)) <= columns
    wide = columns >= 80
    for words in (
        "16x1024x768",
        "8x1021x769",
        "188,006,400",
        "(64, 1, 5, 3)",
        *(("75,376,308", "1024x768", "+ 1 = 510") if wide else ()),
    ):
        assert words in out
    for word in " ".join(layers).replace("transposed(8,", "k=4,").split():
        assert word in out
    solves = [("solve", "100x60", "25x25", "--op", "pool"), ("solve", "14", "28", "--op", "transposed")]
    for words in [("mirror", "16x11x9", *layers), *solves]:
        status, out, err = type_in(*words)
        assert (status, err) == (0, "")
        out = re.sub(r"\x1b\[[\d;]*m", "", out)
        lines = out.splitlines()[words[0] == "mirror" :]  # its stack is one line, to be copied
        assert max(map(len, lines)) <= columns
        assert "…" not in out


def test_a_terminal_that_knows_only_ascii():
    words = [sys.executable, "-m", "smallvision", "conv", "shape", "3x9x9 conv(4, k=3) pool(2, ceil=yes)"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    done = subprocess.run(words, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    assert "floor((9 + 2*0 - 1*(3 - 1) - 1) / 1) + 1 = 7" in text
    assert "ceil((7 + 2*0 - 1*(2 - 1) - 1) / 2) + 1 = 4" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["shape", "3x9x9 conv(4, k=3)"], ["solve", "28", "14"], ["mirror", "3x9x9 conv(4, k=3)"], ["--help"]]
)
def test_they_load_no_torch(words):
    script = (
        f"import sys; sys.argv = ['smallvision', 'conv', *{words!r}]\nfrom smallvision.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "loaded = {'torch', 'numpy', 'numba', 'matplotlib'} & set(sys.modules)\nassert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["shape", "3x1024x768 conv(16, k=5, s=2, p=1, in=8)"],
            "conv(16, k=5, s=2, p=1, in=8) (layer 1): in: weights (16, 8, 5, 5) are for 8 channels, but the input "
            "3x1024x768 has 3; use in=3, or an input of 8x1024x768",
        ),
        (["shape", "3x9x9 cnv(3)"], 'stack: character 7, "cnv": there is no such layer; did you mean "conv"?'),
        (["shape", ""], 'stack: empty; expected a shape and layers, such as "3x32x32 conv(16, k=3) relu pool(2)"'),
        (
            ["mirror", "3x9x9 conv(3, k=11)"],
            "conv(3, k=11) (layer 1): kernel: 11 does not fit into height 9 with padding 0; "
            "use kernel <= 9 or padding >= 1",
        ),
        (["solve", "16x20x100x60", "25x25"], 'FROM: "16x20x100x60" has 4 sizes; leave out batch and channels: 100x60'),
        (["solve", "100x60", "0x25"], 'TO: "0x25"; expected integers >= 1'),
        (["solve", "100x60", "abc"], 'TO: "abc"; expected height x width, such as 100x60, or one number for both'),
        (["solve", "10", "5", "--op", "mean"], "op: 'mean'; expected conv, pool, transposed"),
        (["solve", "10", "5", "--max-kernel", "0"], "--max-kernel: 0; expected an integer from 1 to 100000"),
        (
            ["solve", "10", "5", "--max-kernel", "9999"],
            "--max-kernel, --max-dilation: 9999 and 3; expected a product of at most 10000",
        ),
        (["solve", "10", "5", "--limit", "0"], "--limit: got 0; expected at least 1"),
        (["solve", "10", "5", "--limit", "9", "--all"], "--limit and --all are both given; keep one"),
    ],
)
def test_mistakes_are_one_line_and_status_2(type_in, words, message):
    assert type_in(*words) == (2, "", f"smallvision: {message}\n")


def rows(out):
    """The rows of numbers of the tables printed, each a tuple of its cells."""
    return [tuple(line.split()) for line in out.splitlines() if re.match(r"^ *\d+ +\d+ +\d+ ", line)]


def test_solve_lists_every_pooling_simplest_first(type_in):
    status, out, err = type_in("solve", "100x60", "25x25", "--op", "pool", "--all")
    assert (status, err) == (0, "")
    height, width = out.partition("width 60 to 25: 7 poolings")[::2]
    assert height.startswith("height 100 to 25: 44 poolings\n")
    assert len(rows(height)) == 44
    assert rows(height)[0] == ("4", "4", "0", "either", "0")
    assert len(rows(width)) == 7
    assert rows(width)[0] == ("12", "2", "0", "either", "0")
    assert "the first: ⌊(100 + 2·0 − 1·(4 − 1) − 1) / 4⌋ + 1 = 25" in height
    assert "no pooling with the same numbers for both axes" in out
    assert "numbers for each axis: 222 of 222 poolings" in out
    assert "more, less simple" not in out
    assert "pool(4x12, s=4x2)" in out
    assert out.splitlines()[-1].startswith("simplest first: no dilation") or out.splitlines()[-2].startswith(
        "simplest first: no dilation"
    )


def test_solve_shows_as_many_as_asked_for(type_in):
    _, out, _ = type_in("solve", "28", "14", "--limit", "3")
    assert out.startswith("height and width 28 to 14: 113 convolutions\n")
    assert rows(out) == [
        ("2", "2", "0", "1", "0", "conv(C,", "k=2,", "s=2)"),
        ("15", "1", "0", "1", "0", "conv(C,", "k=15)"),
        ("3", "2", "1", "1", "0", "conv(C,", "k=3,", "s=2,", "p=1)"),
    ]
    assert "and 110 more, less simple; --all shows them" in out
    _, few, _ = type_in("solve", "28", "14")
    assert rows(few)[:3] == rows(out)
    assert len(rows(few)) == 5
    _, out, _ = type_in("solve", "100x60", "25x25", "--op", "pool", "--limit", "2")
    assert len(rows(out)) == 4
    assert "numbers for each axis: 2 of 222 poolings" in out


def test_solve_both_axes_alike(type_in):
    status, out, _ = type_in("solve", "14x15", "28x30", "--op", "transposed", "--max-kernel", "4")
    assert status == 0
    assert "both axes alike: 4 transposed convolutions" in out
    assert "transposed(C, k=2, s=2)" in out
    assert "transposed(C, k=3, s=2, p=1, op=1)" in out


def test_solve_says_when_there_is_none(type_in, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    status, out, err = type_in("solve", "10x1000", "20x10", "--op", "pool")
    assert (status, err) == (0, "")
    assert out == (
        "height: no pooling turns 10 into 20: with a padding of at most half its kernel, a map grows by one pixel at "
        "most; "
        "a transposed convolution can do it\n"
        "width: no pooling turns 1000 into 10 with kernel <= 15, stride <= 15, dilation <= 1; nearest to it: 66 and "
        "67; "
        "use --max-kernel >= 851 or --max-stride >= 99"
    )


def test_mirror_prints_a_stack_that_shape_takes(type_in):
    status, out, err = type_in("mirror", "3x33x41 conv(16, k=3, s=2, p=1) relu conv(8, k=3, s=3) relu flat dense(32)")
    assert (status, err) == (0, "")
    stack, _, table = out.partition("\n")
    assert (
        stack
        == "32 dense(280) unflatten(8x5x7) relu transposed(16, k=3, s=3, op=2x0) relu transposed(3, k=3, s=2, p=1)"
    )
    assert "3x33x41" in table
    status, again, _ = type_in("shape", stack)
    assert status == 0
    assert again == table
