"""Odd arguments, streams and moments: one line and its exit status each, never a traceback or "a fault of smallvision".

Everything runs in this process, so that libraries are imported once.
"""

import io
import os
import signal
import subprocess
import sys
import warnings

import pytest

from smallvision import cli
from smallvision.cli import commands, warned
from smallvision.errors import RunFailed, Stopped, first_line

ODD = [
    "",
    "nan",
    "-1",
    "9" * 40,
    "x" * 5000,
    "ü\u202e",
    "a\x00b",
    "\udcff",
    "/dev/null",
    ".",
    "~nobody/x",
    "=",
    "[",
    "\n",
]
COMMANDS = {
    "show": ["show", "?"],
    "an override": ["show", "digits", "?"],
    "a number": ["show", "digits", "recipe.epochs=?"],
    "a source": ["show", "digits", "data.source=?"],
    "a seed": ["run", "digits", "--seed", "?", "data.source=npz", "data.path=/none"],
    "runs": ["runs", "?"],
    "remove": ["runs", "--remove", "?"],
    "report": ["report", "?"],
    "compare": ["compare", "?", "?"],
    "published": ["compare", "--published", "98", "99", "--of", "?"],
    "predict": ["predict", "?", "?"],
    "probe": ["probe", "?"],
    "data info": ["data", "info", "?"],
    "assign": ["assign", "?", "?", "--out", "?"],
    "conv shape": ["conv", "shape", "3x32x32", "conv(?)"],
    "conv solve": ["conv", "solve", "30x30", "10x10", "--max-kernel", "?"],
    "a rung": ["conv", "bench", "?"],
    "no command": ["?"],
}


def typed(monkeypatch, *words):
    """(exit status, standard error) of a command line."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict") for _ in range(2))
    monkeypatch.setattr(sys, "argv", ["smallvision", *words])
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    err.reconfigure(errors="backslashreplace")
    with pytest.raises(SystemExit) as end:
        cli.main()
    err.flush()
    return end.value.code, err.buffer.getvalue().decode()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_odd_argument_is_one_line_and_status_2(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for odd in ODD:
        status, said = typed(monkeypatch, *(word.replace("?", odd) for word in COMMANDS[name]))
        assert status in (0, 2), (odd, said)
        assert said.count("\n") == (status != 0) or (odd, name) == ("", "no command"), (odd, said)
        assert "error in smallvision" not in said
        assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


ENDINGS = {
    "a failed run": (RunFailed("the loss\nis nan"), 3, r"the loss\nis nan"),
    "no message": (
        RuntimeError(),
        3,
        ("RuntimeError: RuntimeError (this is an error in smallvision; --debug shows where it is)"),
    ),
    "several lines": (
        KeyError("a\nb"),
        3,
        (r"KeyError: 'a\nb' (this is an error in smallvision; --debug shows where it is)"),
    ),
    "no memory": (MemoryError(), 3, "there is not enough memory (MemoryError)"),
    "no memory of torch": (RuntimeError("can't allocate memory: 7 bytes\nat x.cpp"), 3, "there is not enough memory"),
    "a path that is too long": (OSError(36, "File name too long", "xx"), 2, "xx: File name too long"),
    "a file on a broken disk": (OSError(5, "Input/output error", "xx"), 3, "xx: Input/output error"),
    "a full standard output": (OSError(28, "No space left"), 3, "standard output cannot be written: No space left"),
    "too deep": (RecursionError("maximum"), 3, "nested too deeply"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_each_exception_is_one_line(name, monkeypatch):
    error, status, line = ENDINGS[name]

    def fails(**_):
        raise error

    monkeypatch.setattr(commands, "app", fails)
    found, said = typed(monkeypatch, "list")
    assert found == status
    assert said.startswith("smallvision: ")
    assert line in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_at_any_moment_is_one_line_and_the_next_command_goes_on(number, status, monkeypatch):
    ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as under nohup, maybe
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def hit(**_):
        signal.raise_signal(number)

    app = commands.app
    monkeypatch.setattr(commands, "app", hit)
    found, said = typed(monkeypatch, "report", "my run")
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert (found, said) == (
        status,
        f"smallvision: stopped by {name}; to start again, repeat the command: smallvision report 'my run'\n",
    )
    assert {one: signal.getsignal(one) for one in before} == before
    found, said = typed(monkeypatch, "run", "digits", "--out", "a b")
    assert said.endswith("; go on with:\n    smallvision run digits --out 'a b' --resume\n")
    monkeypatch.setattr(commands, "app", app)
    assert typed(monkeypatch, "list") == (0, "")
    signal.signal(signal.SIGHUP, ignored)


def test_a_signal_that_python_drops_in_a_destructor_is_raised_again(monkeypatch):
    class Deleted:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def deletes(**_):
        Deleted()
        signal.pause()

    monkeypatch.setattr(commands, "app", deletes)
    found, said = typed(monkeypatch, "list")
    assert (found, said.count("\n")) == (130, 1)


BEFORE_MAIN = "import smallvision.__main__, signal; signal.raise_signal(signal.SIGINT)"


def test_ctrl_c_before_main_ends_the_process_without_a_traceback():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets a job behind it ignore the signal
    ended = subprocess.run([sys.executable, "-c", BEFORE_MAIN], capture_output=True, text=True, check=False)
    signal.signal(signal.SIGINT, before)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_little_is_imported_before_main():
    code = "import sys; before = {*sys.modules}; import smallvision.__main__; print(*sorted({*sys.modules} - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in out if name.startswith("smallvision")}
    assert ours == {"smallvision", *(f"smallvision.{name}" for name in ("__main__", "cli", "cli.stopping", "errors"))}
    assert not {"typing", "pathlib", "typer", "rich", "numpy", "torch"} & {*out}


def test_a_folder_that_was_removed_is_named(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    status, said = typed(monkeypatch, "list")
    monkeypatch.chdir(tmp_path)
    assert status == 2
    assert said == "smallvision: the current folder does not exist any more; change to another one, then try again\n"


@pytest.mark.parametrize("columns", ["0", "1", "39", "0000", "9" * 30, "-1", "x", "²"])
def test_a_table_has_its_words_at_any_width_of_the_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "argv", ["smallvision", "conv", "shape", "1x28x28", "conv(8,5)"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert (end.value.code, said.err) == (0, "")
    assert "24" in said.out


def test_under_nohup_sighup_stays_ignored(monkeypatch):
    from smallvision.training.signals import Signals

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        seen = []

        def hit(**_):
            signal.raise_signal(signal.SIGHUP)
            with Signals() as signals:
                signal.raise_signal(signal.SIGHUP)
            seen.append(signals.caught)

        monkeypatch.setattr(commands, "app", hit)
        assert typed(monkeypatch, "list") == (0, "")
        assert seen == [None]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_ends_the_process_after_one_line():
    from smallvision.cli.stopping import Stopping

    child = os.fork()
    if not child:
        os.close(2)
        os.open(os.devnull, os.O_WRONLY)
        with Stopping():
            try:
                signal.raise_signal(signal.SIGTERM)
            except Stopped:
                signal.raise_signal(signal.SIGTERM)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143


def test_warnings_of_libraries_are_silent_and_those_of_a_persons_code_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "warnoptions", [])
    before, shown, said = warnings.filters[:], warnings.showwarning, []
    with warned.one_line_warnings(said.append):
        warnings.simplefilter("always")
        for file in (warnings.__file__, pytest.__file__, cli.__file__, "<string>", str(tmp_path / "net.py")):
            warnings.warn_explicit("two\nlines", UserWarning, file, 7)
    assert said == [f"warning: {tmp_path / 'net.py'}, line 7: two"]
    assert (warnings.filters, warnings.showwarning) == (before, shown)


def test_the_first_line_of_an_exception():
    assert first_line(ValueError("\n\n a \nb")) == "a"
    assert first_line(ValueError("  \n")) == "ValueError"
    assert first_line(IndexError()) == "IndexError"


def test_progress_names_scores_in_words():
    from smallvision.console.epochs import figures

    shown = (("loss", "{:.4f}"), ("balanced_accuracy", "{:.2%}"), ("psnr", "{:.2f}"))
    assert figures({"loss": 0.5, "balanced_accuracy": 0.25}, shown) == "loss 0.5000 balanced accuracy 25.00%"
