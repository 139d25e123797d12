"""What is no regular file is never opened, every file has a limit, and names from outside change no terminal."""

import os
import pickle
import socket
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from smallvision.assign.roster import read_roster
from smallvision.data.datasets import npz
from smallvision.data.datasets.arrays import NAMES
from smallvision.data.readers import pickle_scan, read_cifar_binary, read_cifar_pickle, read_idx, read_image
from smallvision.data.split import draw
from smallvision.errors import BadInput, RunFailed, nearest, printable, shown
from smallvision.experiment import build
from smallvision.experiment.io import load, parsed
from smallvision.nn import InputSpec
from smallvision.nn import build as build_network
from smallvision.nn.user_model import source_digest
from smallvision.runs import weights
from smallvision.storage.arrays import unpacked
from smallvision.storage.files import read_json, write_bytes
from smallvision.storage.lock import take_lock
from smallvision.storage.reading import open_zip, read_limited
from smallvision.training import checkpoint

READERS = {
    "experiment": parsed,
    "roster": lambda path: read_roster(str(path), {}),
    "idx": read_idx,
    "cifar pickle": read_cifar_pickle,
    "cifar binary": read_cifar_binary,
    "image": read_image,
    "npz": lambda path: npz._member(path, "x_train.npy"),
    "arrays of a run": unpacked,
    "json of a run": lambda path: read_json(path, {}),
    "weights": weights.read,
    "checkpoint": checkpoint.read,
    "source file": source_digest,
    "write": lambda path: None,
}


def special(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        own = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(folder)  # the name of a socket may be short only
        try:
            own.bind(path.name)
        finally:
            os.chdir(here)
            own.close()
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "dangling": "nowhere", "loop": path.name}[kind])
    return path


@pytest.mark.skipif(os.name != "posix", reason="needs pipes, sockets and devices")
@pytest.mark.parametrize("kind", ["pipe", "socket", "directory", "device", "dangling", "loop"])
@pytest.mark.parametrize("reader", [name for name in READERS if name != "write"])
def test_what_is_no_regular_file_is_not_opened(tmp_path, kind, reader):
    path = special(tmp_path, kind)
    with pytest.raises((BadInput, OSError)) as caught:
        READERS[reader](path)
    assert isinstance(caught.value, BadInput) or reader == "weights"  # whose callers name the run
    assert "\n" not in str(caught.value)
    if kind in ("pipe", "socket", "directory", "device"):
        assert f"is a {kind}, and only regular files are read" in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
def test_a_pipe_in_the_way_of_a_temporary_file_or_a_lock_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / ".a.json.part")
    write_bytes(tmp_path / "a.json", b"{}")
    assert (tmp_path / "a.json").read_bytes() == b"{}"
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(BadInput, match="this is a pipe"):
        take_lock(tmp_path, tmp_path, "taken", "cure")


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_limited(path, 5, "a note") == b"12345"
    with pytest.raises(BadInput, match="a: the file has 5 bytes, and a note may have at most 4; it is not read"):
        read_limited(path, 4, "a note")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "fewer than its header says"),
        (struct.pack("<Q", 2**62), "fewer than its header says"),
        (struct.pack("<Q", 20_000_000) + bytes(20_000_010), "its header has 20,000,000 bytes"),
    ],
)
def test_a_header_of_weights_is_limited(tmp_path, content, word):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=word):
        weights.check(path)


def test_archives_that_cannot_be_numpys_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x\x1b[2J.npy", b"0" * 1000)
    with (
        pytest.raises(BadInput, match=r"x\\x1b\[2J.npy is compressed in a way that numpy does not write"),
        open_zip(path),
    ):
        pass
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.npy", b"0")
    with open_zip(path) as opened:
        assert len(opened.namelist()) == 3


def test_a_list_of_members_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("smallvision.storage.reading._LARGEST_DIRECTORY", 70_000)
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(BadInput, match="list of members of this archive has more than 70,000 bytes"), open_zip(path):
        pass


CLAIMS = {
    "length": (b"\x80\x04B" + struct.pack("<I", 1000) + b"a.", "an argument of 1,000 bytes"),
    "long length": (b"\x80\x04\x8e" + struct.pack("<Q", 1000) + b"a.", "an argument of 1,000 bytes"),
    "frame": (b"\x80\x04\x95" + struct.pack("<Q", 1000) + b"N.", "a frame that is longer"),
    "memo": (b"\x80\x02Nr" + struct.pack("<I", 101) + b".", "place 101 of its memo"),
    "memo as text": (b"Np101\n.", "place 101 of its memo"),
    "instructions": (b"N" * 101 + b".", "more instructions than"),
    "tuples": (b"N" + b"\x85" * 25 + b".", "more instructions TUPLE1"),
    "calls": (b"N" + b"R" * 17 + b".", "more instructions REDUCE"),
    "number": (b"I" + b"1" * 40 + b"\n.", "a whole number of"),
    "bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"a.", "instruction BYTEARRAY8"),
    "doubling": (b"N2\x86.", "instruction DUP"),
    "object": (b"\x80\x02N)\x81.", "instruction NEWOBJ"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_pickle_that_claims_too_much_is_refused_before_it_is_run(tmp_path, monkeypatch, name):
    content, word = CLAIMS[name]
    with pytest.raises(pickle.UnpicklingError, match=word):
        pickle_scan.scan(content, most=100)
    monkeypatch.setattr(pickle_scan.scan, "__defaults__", (100,))
    monkeypatch.setattr("smallvision.data.readers.cifar._Unpickler", None)  # it would be a TypeError
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=word):
        read_cifar_pickle(path)


def test_pickles_are_scanned_to_the_end_that_pickletools_finds():
    for protocol in range(5):
        content = pickle.dumps({"data": np.zeros((2, 3), np.uint8), "labels": [1, 70000]}, protocol=protocol)
        pickle_scan.scan(content)
        for end in range(len(content) - 1, 0, -7):
            with pytest.raises((pickle.UnpicklingError, EOFError)):
                pickle_scan.scan(content[:end])


def test_a_pickle_cannot_set_attributes_of_what_it_may_call(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.")
    with pytest.raises(BadInput, match="sets attributes of a function"):
        read_cifar_pickle(path)


M = 1_000_000
CNN = {"kind": "cnn", "blocks": [{"channels": 4}]}
TOO_LARGE = [
    ({"kind": "mlp", "widths": [M, M]}, "model.widths.0 = 1,000,000: .* 4.0 TB"),
    ({**CNN, "blocks": [{"channels": M}, {"channels": M}]}, "model.blocks.0.channels = 1,000,000"),
    ({**CNN, "dense": [M] * 20}, "model.dense.0 = 1,000,000"),
    ({**CNN, "blocks": [{"channels": 4, "kernel": 1_000_001, "padding": "same"}]}, "model.blocks.0.kernel = 1,000,001"),
    ({**CNN, "blocks": [{"channels": 4, "padding": M}]}, "model.blocks.0.padding = 1,000,000"),
    ({**CNN, "blocks": [{"channels": 4, "padding": 2**62}]}, "more memory than can be expressed"),
    ({"kind": "mlp-autoencoder", "widths": [M, M], "overcomplete": True}, "model.widths.0 = 1,000,000"),
    ({"kind": "conv-autoencoder", "channels": [M, M], "overcomplete": True}, "model.channels.0 = 1,000,000"),
    ({"kind": "combo-autoencoder", "dense": [M, M], "depth": 5, "overcomplete": True}, "model.dense.0 = 1,000,000"),
    (
        {"kind": "encoder-classifier", "encoder": {"experiment": "x", "model": CNN}, "dense": [M, M]},
        "model.dense.0 = 1,000,000",
    ),
]


@pytest.mark.parametrize(("model", "word"), TOO_LARGE, ids=[str(place) for place in range(len(TOO_LARGE))])
def test_networks_larger_than_memory_are_refused_before_they_are_built(monkeypatch, model, word):
    monkeypatch.setattr("smallvision.data.memory.available_bytes", lambda: 10**9)
    task = "reconstruct" if "autoencoder" in model["kind"] else "classify"
    spec = build({"name": "a", "data": {"source": "mnist"}, "model": model, "task": {"kind": task}}, "a").model
    with pytest.raises(BadInput, match=word):
        build_network(spec, InputSpec((1, 28, 28), 10, (0.0,), (1.0,)), 0)


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("model.dense=[5000000]", "model.dense.0: got 5000000"),
        ("model.blocks.0.channels=9223372036854775808", "more than 64 bits"),
        ("recipe.epochs=1000000000000", "recipe.epochs: got 1000000000000"),
        (f"model.dense=[{'1,' * 501}]", "at most 500 values"),
        ('data.augment=[{kind="crop",padding=1000000}]', "padding: got 1000000"),
        (f"{'a.' * 50}a=1", "more than any key"),
    ],
)
def test_numbers_beyond_sense_are_refused_with_their_key(override, word):
    with pytest.raises(BadInput, match=word):
        load("mnist-cnn", [override])


def test_tables_nested_too_deeply_are_refused(tmp_path):
    path = tmp_path / "a.toml"
    for text in (f"{'a.' * 100_000}a = 1", f"a = {'[' * 90}{']' * 90}", f"a = {'[' * 9000}"):
        path.write_text(text)
        with pytest.raises(BadInput, match=r"nested too deeply|not valid TOML"):
            parsed(path)


def test_drawn_rows_are_those_of_the_plain_definition():
    rng = np.random.default_rng(0)
    labels, rows = rng.integers(-1, 7, 500), np.arange(500)
    rows = rows[labels >= 0]
    wanted = np.array([3, 0, 50, 1, 2, 3, 1000])
    from smallvision.data.seeds import permutation

    shuffled = rows[permutation(len(rows), 5)]
    plain = [shuffled[labels[shuffled] == label][:number] for label, number in enumerate(wanted)]
    assert np.array_equal(draw(labels, rows, wanted, 5), np.sort(np.concatenate(plain)))


HOSTILE = {
    "escape": ("a\x1b[2Jb", "a\\x1b[2Jb"),
    "end of a line": ("a\r\nb\tc", "a\\r\\nb\\tc"),
    "C1": ("a\x9b2Jb", "a\\x9b2Jb"),
    "bidirectional": ("a\u202egnp.exe\u2066", "a\\u202egnp.exe\\u2066"),
    "invisible": ("a\u200bb\ufeffc", "a\\u200bb\\ufeffc"),
    "line separator": ("a\u2028b", "a\\u2028b"),
    "surrogate": ("a\udc80b", "a\\udc80b"),
    "joined letters": ("می\u200cخواهم", "می\u200cخواهم"),
    "joined ASCII": ("pay\u200dpal", "pay\\u200dpal"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_change_no_terminal(name, capsys):
    from smallvision.console.run import Console, rows_table
    from smallvision.rendering import html

    text, expected = HOSTILE[name]
    assert printable(text) == shown(text) == expected == printable(expected)
    for error in (BadInput, RunFailed):
        assert str(error(f"{text}: wrong")) == f"{expected}: wrong"
    Console(width=200).print(rows_table([{"class": text, "count": 1}], text))
    printed = capsys.readouterr().out
    assert not set(text) & set("\x1b\r\x9b\u202e\u2066\u200b\ufeff\u2028") & set(printed)
    html._environment.cache_clear()
    page = printable(text, keep="\n\t\r")
    assert "\u202e" not in page


def test_long_names_and_messages_are_cut():
    assert shown("a" * 81) == "a" * 51 + "..." + "a" * 26
    assert len(shown("\x1b" * 10**6)) == 80
    assert shown("b" * 80) == "b" * 80
    assert len(str(BadInput("c" * 10**6))) < 4000
    assert str(BadInput(f"/data/{'d' * 300}/x: wrong")).startswith("/data/" + "d" * 51 + "...")
    assert nearest("zzz", [f"class{number}" for number in range(100_000)]).endswith(", ... (100,000 in all)")
    assert nearest("x_trian", NAMES) == 'did you mean "x_train"?'


def test_a_command_in_a_message_stays_whole():
    """A person copies it; the names before it are cut."""
    command = f"smallvision run cnn 'data.classes={list(range(40))}' --out {'folder' * 20}.toml --resume"
    said = str(BadInput(f'run: case "{"x" * 300}" exists already and is not finished; go on with: {command}'))
    assert said.endswith(f"go on with: {command}")
    assert "x" * 81 not in said
    assert "\x1b" not in str(BadInput("smallvision run \x1b[31m"))
