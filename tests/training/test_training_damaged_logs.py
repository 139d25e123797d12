"""Whatever happens to the files of an unfinished run, it ends with the same bits, or is refused in one line."""

import json
import random
import shutil

import pytest
import safetensors.torch
import torch

from smallvision.errors import BadInput, SmallvisionError
from smallvision.experiment import load
from smallvision.runs import logs
from smallvision.runs.logs import Log, LogMark, cut
from smallvision.runs.read import read_run
from smallvision.training import checkpoint, run
from smallvision.training.run import RunOptions

LOGS = ("metrics.jsonl", "steps.jsonl")
SMALL = ["recipe.epochs=3", "data.limit=60", "recipe.batch_size=20", "model.dense=[4]"]
SMALL += ["model.blocks=[{channels=2, kernel=3}]"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def finish(path, resume=False, events=None):
    """Run to the end, or abandon it after so many events as a crash would; the notes of the start."""
    experiment, notes = load("digits", SMALL), ()
    running = run.run(experiment, RunOptions(path, seed=3, device="cpu", threads=1), resume)
    for number, event in enumerate(running, 1):
        notes = event.notes if isinstance(event, run.Started) else notes
        if number == events:
            running.close()
    return notes


def refusal(path):
    """Resume a run to its end; what it is refused with, or ""."""
    try:
        finish(path, resume=True)
    except SmallvisionError as error:
        return str(error)
    return ""


def content(path):
    """What must be equal: weights, evidence, layers and logs but for seconds."""
    record = read_run(path)
    rows = [[{**line, "seconds": 0} for line in part] for part in (record.metrics, record.steps)]
    weights = [(path / name).read_bytes() for name in ("model.safetensors", "layers.json")]
    scores = {key: value for key, value in record.result.items() if not key.startswith("seconds")}
    del scores["images_per_second"]
    return weights, rows, scores


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    finish(path)
    return content(path)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run that was abandoned after its second epoch, with a line behind its checkpoint."""
    path = tmp_path_factory.mktemp("begun") / "run"
    finish(path, events=6)
    assert len((path / "steps.jsonl").read_text().splitlines()) == 3
    return path


def damage(kind, path, draw):
    """Damage the logs of a run in one of the ways that disks, editors and people do."""
    log = path / draw.choice(LOGS)
    data = bytearray(log.read_bytes())
    place = draw.randrange(len(data))
    match kind:
        case "flip":
            data[place] ^= 1 << draw.randrange(8)
        case "newline":
            data[data.index(b"\n")] ^= 0x80
        case "insert":
            data[place:place] = draw.randbytes(draw.randrange(1, 9))
        case "remove":
            del data[place : place + draw.randrange(1, 9)]
        case "digit":
            place = draw.choice([i for i, byte in enumerate(data) if byte in b"12345678"])
            data[place] += 1
        case "truncate":
            del data[place:]
        case "zeros":
            data[place:] = bytes(len(data) - place)
        case "empty":
            data.clear()
        case "append":
            data += b'{"torn'
    log.write_bytes(bytes(data))
    if kind == "delete":
        log.unlink()
    if kind == "swap":
        one, other = ((path / name).read_bytes() for name in LOGS)
        (path / LOGS[0]).write_bytes(other)
        (path / LOGS[1]).write_bytes(one)


KINDS = ("flip", "newline", "insert", "remove", "digit", "truncate", "zeros", "empty", "append", "delete", "swap")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_damaged_logs_is_put_back_and_ends_with_the_same_bits(kind, begun, whole, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(begun, path)
    damage(kind, path, random.Random(kind))
    notes = finish(path, resume=True)
    assert content(path) == whole
    said = [note for note in notes if "has been restored from the checkpoint" in note]
    if kind in ("append", "newline", "empty", "delete", "swap"):  # others may lie behind the checkpoint
        assert len(said) == {"append": 0, "swap": 2}.get(kind, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layers.json", "environment.json", "experiment.toml", "state.json"])
def test_other_files_of_the_start_are_put_back_or_refused(name, begun, whole, tmp_path):
    good = (begun / name).read_bytes()
    for seed, data in enumerate([b"", good[: len(good) // 2], good.replace(b'"name"', b'"nmae"'), None]):
        path = tmp_path / f"run-{seed}"
        shutil.copytree(begun, path)
        (path / name).unlink() if data is None else (path / name).write_bytes(data)
        said = refusal(path)
        assert not said or (name in said and "\n" not in said and not (path / "result.json").exists())
        assert said or content(path) == whole
        assert name == "layers.json" or data not in (b"", None) or said, "the checkpoint does not hold it"
    if name == "layers.json":
        assert content(path) == whole, "the checkpoint holds it, so nothing has to be refused"


def earlier(path):
    """The checkpoint as earlier versions wrote it: with the lengths of the logs, without their sha256 and content."""
    file = path / "checkpoint.safetensors"
    tensors, meta = checkpoint.read(file)
    del meta["belongs"]["sha256"]
    tensors = {name: value for name, value in tensors.items() if not name.startswith("files.")}
    text = json.dumps(meta, sort_keys=True)
    data = safetensors.torch.save(tensors, {"meta": text, "sha256": checkpoint.digest(tensors, text)})
    file.write_bytes(data)


@pytest.mark.slow
def test_a_run_of_an_earlier_version_goes_on_or_is_refused_but_never_ends_unreadable(begun, whole, tmp_path):
    path = tmp_path / "good"
    shutil.copytree(begun, path)
    earlier(path)
    finish(path, resume=True)
    assert content(path) == whole
    refused = 0
    for seed, kind in enumerate(KINDS):
        path = tmp_path / f"run-{seed}"
        shutil.copytree(begun, path)
        earlier(path)
        damage(kind, path, random.Random(f"{kind} {seed}"))
        said = refusal(path)
        refused += bool(said)
        assert not said or ("jsonl" in said and "smallvision runs --remove" in said and "\n" not in said)
        assert said or read_run(path).result is not None
    assert refused >= 6


@pytest.mark.slow
def test_a_log_that_is_changed_while_the_run_goes_on_is_put_back_at_the_end(whole, tmp_path):
    path = tmp_path / "run"
    running = run.run(load("digits", SMALL), RunOptions(path, seed=3, device="cpu", threads=1))
    for event in running:
        if isinstance(event, run.Scoring) and event.split == "train":
            (path / "steps.jsonl").write_text("oops\n")
    assert content(path) == whole


def lines(path, count):
    log = Log(path)
    for number in range(count):
        log.append({"epoch": 1, "step": number + 1, "examples": 1, "loss": [0.5], "seconds": 0.5})
    return log


SHAPE = {"epoch": "a whole number >= 0"}


def test_what_is_too_long_to_be_kept_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LARGEST_KEPT", 100)
    path = tmp_path / "steps.jsonl"
    mark = lines(path, 5).mark()
    assert mark.content is None
    assert mark.length == path.stat().st_size
    good = path.read_bytes()
    path.write_bytes(good + b'{"to')
    assert cut(path, mark, 1, SHAPE) == ""
    assert path.read_bytes() == good
    path.write_bytes(good.replace(b"0.5", b"0.6", 1))
    with pytest.raises(BadInput, match=r"steps\.jsonl: the file is damaged.*smallvision runs --remove"):
        cut(path, mark, 1, SHAPE)
    assert path.read_bytes() != good, "what is refused stays as it is"


def test_a_log_goes_on_where_it_was_and_knows_itself(tmp_path):
    path = tmp_path / "steps.jsonl"
    lines(path, 2).close()
    again = lines(path, 2)
    data = path.read_bytes()
    assert again.mark().content == data
    assert cut(path, LogMark(), 0, SHAPE) == ""
    assert path.read_bytes() == b"", "without a checkpoint the run begins anew"
    path.unlink()
    assert cut(path, again.mark(), 0, SHAPE) == "steps.jsonl was damaged and has been restored from the checkpoint"
    assert path.read_bytes() == data


def test_a_write_that_is_cut_short_is_gone_on_with(tmp_path):
    log = lines(tmp_path / "steps.jsonl", 1)

    class Slow:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            return self.file.write(bytes(data[:3]))

        def fileno(self):
            return self.file.fileno()

    log._file = Slow(log._file)
    log.append({"epoch": 2})
    assert log.mark().content == log.path.read_bytes()
