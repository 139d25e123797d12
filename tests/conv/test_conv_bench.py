"""Measuring: whole jobs in child processes, ratios recomputed from the raw seconds, and what cannot be measured says
why."""

import functools
import itertools
import json
import math
import os
import time
from dataclasses import asdict, fields
from pathlib import Path
from statistics import median

import conv_examples
import pytest
import torch

from smallvision.conv import bench, measure, memory
from smallvision.conv.geometry import Geometry

SMALL = Geometry(2, 3, 4, (6, 5), (3, 3), padding=(1, 1))
FUNCTIONS = ("forward", "backward", "total")


@pytest.fixture(autouse=True)
def seen_by_children(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


@pytest.fixture(scope="module")
def greedy():
    """One implementation measured in a child, three rounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        return bench.measured("conv_examples:GREEDY", SMALL, 3, 1)


@pytest.mark.slow
def test_a_measurement_has_what_it_promises(greedy):
    assert (greedy["rung"], greedy["reason"], greedy["refused"]) == ("conv_examples:GREEDY", None, False)
    assert (greedy["slice"], greedy["share"], greedy["error"]) == (None, 1.0, 0.0)
    assert greedy["stated_bytes"] == [0, 0, 0]
    assert greedy["stated_multiply_adds"] == [SMALL.multiply_adds] * 3
    for arm in ("rung", "torch"):
        for key in ("forward", "backward"):
            assert len(greedy["seconds"][arm][key]) == 3
            assert all(seconds > 0 for seconds in greedy["seconds"][arm][key])
            assert greedy["repeats"][arm][key] >= 1


@pytest.mark.slow
def test_times_and_ratios_are_those_of_the_raw_seconds(greedy):
    raw = {
        arm: {**times, "total": [a + b for a, b in zip(times["forward"], times["backward"], strict=True)]}
        for arm, times in greedy["seconds"].items()
    }
    for key, count in zip(FUNCTIONS, (1, 2, 3), strict=True):
        mine, theirs = raw["rung"][key], raw["torch"][key]
        assert math.isclose(greedy["milliseconds"][key], 1e3 * median(mine))
        assert math.isclose(greedy["least_milliseconds"][key], 1e3 * min(mine))
        assert math.isclose(greedy["torch_milliseconds"][key], 1e3 * median(theirs))
        assert math.isclose(greedy["ratio"][key], median(a / b for a, b in zip(mine, theirs, strict=True)))
        assert math.isclose(greedy["gigamacs_per_second"][key], count * SMALL.multiply_adds / median(mine) / 1e9)


@pytest.mark.slow
def test_a_measurement_has_the_memory_of_each_function(greedy):
    if greedy["memory_method"] == "none":
        assert greedy["memory_bytes"] is None
    else:
        assert [type(size) for size in greedy["memory_bytes"]] == [int] * 3


class FakeSystem:
    """A process whose resident set is what the test says: 1 GB now, 3 GB once before."""

    def __init__(self, monkeypatch, how):
        self.sizes = {"VmRSS": 1_000_000_000, "VmHWM": 3_000_000_000}
        monkeypatch.setattr(memory, "method", lambda: how)
        monkeypatch.setattr(memory, "give_back", lambda: None)
        monkeypatch.setattr(memory, "_size", self.sizes.__getitem__)
        monkeypatch.setattr(memory, "_most", lambda: self.sizes["VmHWM"])
        monkeypatch.setattr(memory, "RESET", self)

    def write_text(self, text):
        assert text == "5"  # proc(5): sets the peak back to what is resident now
        self.sizes["VmHWM"] = self.sizes["VmRSS"]

    def takes(self, peak):
        """A function that returns 4 MB and needs so many bytes at most meanwhile."""

        def function():
            self.sizes["VmHWM"] = max(self.sizes["VmHWM"], self.sizes["VmRSS"] + peak)
            return torch.zeros(1_000_000)

        return function


@pytest.mark.slow
def test_memory_is_what_is_made_on_the_way(monkeypatch):
    system = FakeSystem(monkeypatch, "VmHWM")
    assert memory.needed(system.takes(68_000_000)) == 64_000_000
    assert memory.needed(system.takes(4_000_000)) == 0
    assert memory.needed(system.takes(0)) == 0


@pytest.mark.slow
def test_where_the_peak_cannot_be_set_back_only_a_rise_is_seen(monkeypatch):
    system = FakeSystem(monkeypatch, "ru_maxrss")
    assert memory.needed(system.takes(68_000_000)) == 0
    assert memory.needed(system.takes(2_068_000_000)) == 64_000_000
    FakeSystem(monkeypatch, "none")
    assert memory.needed(system.takes(68_000_000)) is None


def test_a_slice_is_scaled_to_the_whole():
    found = {
        "seconds": {
            "rung": {"forward": [1.0, 3.0, 2.0], "backward": [2.0, 2.0, 6.0]},
            "torch": {"forward": [0.5, 1.0, 1.0], "backward": [1.0, 2.0, 1.0]},
        },
        "share": 0.25,
    }
    summary = bench._summary(found, SMALL)
    assert summary["milliseconds"] == {"forward": 8000.0, "backward": 8000.0, "total": 20000.0}
    assert summary["ratio"] == {"forward": 8.0, "backward": 8.0, "total": 8.0}
    assert summary["torch_milliseconds"] == {"forward": 1000.0, "backward": 1000.0, "total": 2000.0}


def test_rounds_that_differ_are_noticed():
    steady = {"rung": {"forward": [1.0, 1.4, 1.2]}, "torch": {"forward": [2.0, 2.0, 2.9]}}
    assert not bench.unsteady({"seconds": steady})
    assert bench.unsteady({"seconds": steady | {"torch": {"forward": [2.0, 2.0, 3.1]}}})
    assert bench.unsteady({"seconds": steady | {"rung": {"forward": [1.0, 1.0], "backward": [1.0, 0.6]}}})


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping moves."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(measure.time, "sleep", sleep)


@pytest.mark.usefixtures("clock")
def test_what_takes_too_long_is_cut_to_a_slice_and_what_does_not_is_whole():
    g = Geometry(4, 4, 12, (8, 8), (3, 3), groups=2)  # 31 104 multiply-adds, 0.9 s a pass
    part = measure.slice_within(conv_examples.SLOW, g, 0.5, 0.2)
    assert part.multiply_adds * 1e-5 * 3 <= 0.2
    assert 1 <= part.batch <= g.batch
    assert part.filters % g.groups == 0
    assert {field.name for field in fields(g) if getattr(part, field.name) != getattr(g, field.name)} <= {
        "batch",
        "filters",
    }
    assert measure.slice_within(conv_examples.MATRIX, g, 1e6, 1e6) == g
    # The slice has 1 of 4 images and 2 of 12 filters.
    assert measure.slice_within(conv_examples.SLOW, g, 0.0, 0.0).multiply_adds == g.multiply_adds // 24


@pytest.mark.slow
def test_a_slice_is_told_and_has_no_memory(monkeypatch):
    monkeypatch.setattr(bench, "WHOLE", 0.1)
    monkeypatch.setattr(bench, "SLICE", 0.1)
    found = bench.measured("conv_examples:SLOW", Geometry(4, 2, 8, (6, 6), (3, 3)), 1, 1)
    assert found["reason"] is None
    assert found["share"] < 1
    assert found["memory_bytes"] is None
    part = measure._geometry(found["slice"])
    assert math.isclose(found["share"], part.multiply_adds / Geometry(4, 2, 8, (6, 6), (3, 3)).multiply_adds)
    (seconds,) = found["seconds"]["rung"]["forward"]
    assert math.isclose(found["milliseconds"]["forward"], 1e3 * seconds / found["share"])


def test_torchs_backward_is_both_gradients():
    given = measure.tensors(SMALL)
    x, weight = (one.clone().requires_grad_() for one in given[:2])
    expected = torch.autograd.grad(torch.nn.functional.conv2d(x, weight, padding=1), (x, weight), given[2])
    found = measure.calls(measure.library.IMPLEMENTATION, SMALL, given)["backward"]()
    for a, b in zip(found[:2], expected, strict=True):
        torch.testing.assert_close(a, b)
    ours = measure.calls(conv_examples.MATRIX, SMALL, given)["backward"]()
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.usefixtures("clock")
def test_arms_take_turns_in_going_first():
    order = []

    def called(arm):
        order.append(arm)
        time.sleep(measure.SHORTEST)  # so once is enough

    arms = {arm: {"forward": functools.partial(called, arm)} for arm in ("rung", "torch")}
    seconds, repeats = measure.in_turns(arms, 4)
    assert order[4:] == ["rung", "torch", "torch", "rung", "rung", "torch", "torch", "rung"]  # after 4 to warm up
    assert {arm: len(times["forward"]) for arm, times in seconds.items()} == {"rung": 4, "torch": 4}
    assert repeats == {"rung": {"forward": 1}, "torch": {"forward": 1}}
    assert seconds["rung"]["forward"] == pytest.approx([measure.SHORTEST] * 4)


def test_quick_calls_are_timed_several_in_a_row(monkeypatch):
    ticks, calls = itertools.count(), []
    # The clock advances by 50 microseconds between two readings.
    monkeypatch.setattr(measure.time, "perf_counter", lambda: 5e-5 * next(ticks))
    seconds, repeats = measure.in_turns({"rung": {"forward": lambda: calls.append(0)}}, 2)
    assert repeats == {"rung": {"forward": 200}}
    assert len(calls) == 2 + 2 * 200
    assert seconds["rung"]["forward"] == pytest.approx([5e-5 / 200] * 2)


@pytest.mark.slow
def test_what_cannot_be_measured_says_why(monkeypatch):
    crashed = bench.measured("conv_examples:CRASHING", SMALL, 1, 1)
    assert crashed == {"rung": "conv_examples:CRASHING", "reason": "RuntimeError: no luck today", "refused": False}
    monkeypatch.setattr(bench, "LIMIT", 0.01)
    stopped = bench.measured("conv_examples:MATRIX", SMALL, 1, 1)
    assert stopped["reason"].startswith("it was stopped after")
    monkeypatch.setattr(bench, "_child", None)  # no process is needed to be refused
    refused = bench.measured("conv_examples:REFUSING", SMALL, 1, 1)
    assert refused == {"rung": "conv_examples:REFUSING", "reason": "only on Sundays", "refused": True}


@pytest.mark.slow
def test_the_peak_is_the_best_of_its_sizes():
    found = bench.peak(2, 1, (32, 64))
    assert [row["multiply_adds"] for row in found["sizes"]] == [32**3, 64**3]
    for arm in ("torch", "numpy"):
        best = max(row["size"] ** 3 / min(row["seconds"][arm]) / 1e9 for row in found["sizes"])
        assert math.isclose(found["gigamacs_per_second"][arm], best)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64x64x16x16 64x3x3 p=1", Geometry.of((64, 64, 16, 16), (64, 64, 3, 3), padding=1)),
        ("2x6x9x8 4x3x2 s=2x1 p=0x2 d=2 g=2", Geometry.of((2, 6, 9, 8), (4, 3, 3, 2), None, (2, 1), (0, 2), 2, 2)),
        ("  1x1x1x1   1x1x1 ", Geometry(1, 1, 1, (1, 1), (1, 1))),
    ],
)
def test_a_shape_is_read(text, expected):
    assert bench.shape_geometry(text) == expected
    x, weight, grad = measure.tensors(expected)
    how = (expected.stride, expected.padding, expected.dilation, expected.groups)
    assert torch.nn.functional.conv2d(x, weight, None, *how).shape == grad.shape


def test_the_default_shapes_can_be_done():
    for text in bench.SHAPES:
        g = bench.shape_geometry(text)
        assert measure._geometry(asdict(g)) == g
    assert bench.shape_geometry("64x64x16x16 64x3x3 p=1").multiply_adds == 64 * 64 * 16 * 16 * 64 * 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'shape: got ""; expected BxCxHxW Oxkhxkw'),
        ("64x64x16x16", 'shape: got "64x64x16x16"; expected BxCxHxW'),
        ("64x64x16x16 64x64x3x3", "with 4 and 4 sizes; expected"),
        ("64x16x16 64x3x3", "with 3 and 3 sizes; expected"),
        ("1x2x8x8 2x3x3 q=1", 'shape: "q=1" in "1x2x8x8 2x3x3 q=1" cannot be read; expected'),
        ("1x2x8x8 2x3x3 s=1x2x3", '"s=1x2x3" in'),
        ("1x2x8x8 2x3x3 s=1 s=2", '"s=2" in'),
        ("1x2x8x8 2x3x3 g=1x1", '"g=1x1" in'),
        ("1x2x8x8 2x3x3 p=-1", '"p=-1" in'),
        ("0x2x8x8 2x3x3", "has a batch of 0 images; expected at least 1"),
        ("1x3x8x8 2x3x3 g=2", "groups: 2 does not divide the 3 channels"),
        ("1x2x8x8 2x3x3 s=0", "stride: 0"),
        ("1x2x2x2 2x3x3", "kernel"),
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(ValueError, match=r"expected|use|fit") as error:
        bench.shape_geometry(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_command_measures_prints_and_writes(monkeypatch, capsys, tmp_path):
    from smallvision.conv import implementations

    monkeypatch.setattr(bench, "MATMULS", (32,))
    monkeypatch.setitem(implementations.IMPLEMENTATIONS, "conv_examples:CRASHING", conv_examples.CRASHING)
    chosen, shape = ("torch", "conv_examples:CRASHING", "winograd"), ("--shape", "1x2x6x6 3x3x3 s=2")
    words = ("bench", *chosen, *shape, "--rounds", 1, "--threads", 1, "--out", tmp_path / "here")
    status, out, err = conv_examples.typed(monkeypatch, capsys, *words)
    assert (status, err) == (0, "")
    found = json.loads((tmp_path / "here" / "conv-bench.json").read_text())
    assert found["format_version"] == 1
    assert found["rounds"] == 1
    assert found["shapes"] == [{"shape": "1x2x6x6 3x3x3 s=2", "about": "", "multiply_adds": 3 * 2 * 2 * 2 * 9}]
    assert found["environment"]["threads"] == 1
    assert {"torch", "numpy", "numba"} <= set(found["environment"]["packages"])
    assert found["environment"]["processor"]
    measured, crashed, refused = found["rows"]
    assert [row["rung"] for row in found["rows"]] == ["torch", "conv_examples:CRASHING", "winograd"]
    mine, theirs = (measured["seconds"][arm]["forward"][0] for arm in ("rung", "torch"))
    assert measured["ratio"]["forward"] == pytest.approx(mine / theirs)
    assert (crashed["reason"], crashed["refused"]) == ("RuntimeError: no luck today", False)
    assert refused["refused"]
    assert found["matmul"]["gigamacs_per_second"]["torch"] > 0
    assert (tmp_path / "here" / "conv-bench.png").read_bytes().startswith(b"\x89PNG")
    assert "1x2x6x6 3x3x3 s=2" in out
    assert "conv_examples:CRASHING: RuntimeError: no luck today" in out
    assert "matrix product" in out
    (line,) = [line.split() for line in out.splitlines() if line.split()[:1] == ["winograd"]]
    assert set(line[1:]) == {"-"}


def test_what_was_measured_before_an_interrupt_is_kept(monkeypatch, capsys, tmp_path):
    def stop(name, *_):
        if name == "torch":
            raise KeyboardInterrupt
        return {"rung": name, "reason": "only on Sundays", "refused": True}

    monkeypatch.setattr(bench, "measured", stop)
    monkeypatch.setattr(bench, "peak", lambda *_: None)
    words = ("bench", "winograd", "torch", "--shape", "1x2x6x6 3x3x3", "--shape", "1x1x1x1 1x1x1", "--out", tmp_path)
    status, out, err = conv_examples.typed(monkeypatch, capsys, *words)
    assert status == 130
    assert "1x2x6x6 3x3x3" in out
    assert "winograd" in out
    assert err.startswith("smallvision: interrupted; what was measured until then is in ")
    assert [row["rung"] for row in json.loads((tmp_path / "conv-bench.json").read_text())["rows"]] == ["winograd"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["im2cl"], 'RUNG: got "im2cl"; did you mean "im2col"?'),
        (["--rounds", 0], "--rounds: got 0; expected at least 1"),
        (["--threads", 0], "--threads: got 0; expected 1 to "),
        (["--shape", "64x64"], '--shape: got "64x64"; expected BxCxHxW'),
        (["--shape", "1x3x8x8 2x3x3 g=2"], "--shape: groups: 2 does not divide the 3 channels"),
        (["--out", "file"], "--out: the folder file cannot be made"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(monkeypatch, capsys, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(bench, "peak", None)  # nothing is measured
    status, out, err = conv_examples.typed(monkeypatch, capsys, "bench", *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"smallvision: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
