"""The battery finds what is broken, says where, and passes what is right."""

import itertools
import math

import conv_examples
import pytest
import torch

from smallvision.conv import check, draw, library, winograd
from smallvision.conv.geometry import Geometry

KEYS = {"forward", "input gradient", "weight gradient", "differences", "adjoint"}


def test_a_right_implementation_passes_within_rounding():
    (row,) = check.check([conv_examples.MATRIX], 150, seed=3)
    assert row.checked
    assert not row.failures
    assert (row.checked, row.failures, row.failed, row.again) == (150, 0, "", "")
    assert row.refused == 1  # the edge without an image
    assert row.refusal == "no image"
    assert set(row.worst) == KEYS
    assert all(0 < error < check.LIMITS[key] for key, error in row.worst.items())
    assert 0 < row.share < 1


def test_torch_agrees_with_itself_and_with_its_own_differences():
    (row,) = check.check([library.IMPLEMENTATION], 60)
    assert row.checked
    assert not row.failures
    assert row.worst["forward"] == row.worst["input gradient"] == row.worst["weight gradient"] == 0
    assert 0 < row.worst["differences"] < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", conv_examples.BROKEN)
def test_a_broken_implementation_is_found_and_the_configuration_shows_it_again(name):
    implementation, words = conv_examples.BROKEN[name]
    (row,) = check.check([implementation], 60)
    assert row.failures
    assert words in row.failed
    g, seed = row.failed_at
    assert check.examine(implementation, g, seed).failed == row.failed
    assert repr(implementation.name) in row.again


def test_what_is_shown_is_the_smallest_failing_configuration():
    implementation = conv_examples.made(forward=conv_examples.scaled(library.forward, 2))
    (row,) = check.check([implementation], 60)
    drawn = itertools.islice(itertools.chain(draw.EDGES, draw.configurations(0)), 60)
    failing = [g for number, g in enumerate(drawn) if check.examine(implementation, g, number).failed]
    assert len(failing) == row.failures
    assert row.failed_at[0].multiply_adds == min(g.multiply_adds for g in failing) == 1


def test_the_code_that_shows_a_failure_again_can_be_run(monkeypatch):
    from smallvision.conv import implementations

    broken = conv_examples.made("im2col", input_gradient=conv_examples.scaled(library.input_gradient, 0.5))
    monkeypatch.setitem(implementations.IMPLEMENTATIONS, "im2col", broken)
    (row,) = check.check([broken], 30)
    assert eval(row.again, {"examine": check.examine, "Geometry": Geometry}).failed == row.failed


def test_each_test_sees_what_it_is_for():
    g = Geometry(2, 4, 6, (7, 8), (3, 2), (2, 1), (1, 1), (1, 2), 2)
    only_back = check.examine(
        conv_examples.made(input_gradient=conv_examples.scaled(library.input_gradient, 1 + 1e-6)), g
    )
    assert {key for key, share in only_back.shares.items() if share > 1} == {"input gradient", "differences", "adjoint"}
    consistent = [
        conv_examples.scaled(one, 1 + 1e-6)
        for one in (library.forward, library.input_gradient, library.weight_gradient)
    ]
    another_map = check.examine(conv_examples.made("other", *consistent), g)  # its gradients are right, itself is not
    assert {key for key, share in another_map.shares.items() if share > 1} == {
        "forward",
        "input gradient",
        "weight gradient",
    }


def test_errors_are_relative_to_the_largest_element():
    g = Geometry(1, 1, 1, (4, 4), (2, 2))
    found = check.examine(conv_examples.made(forward=conv_examples.scaled(library.forward, 1.25)), g, 5)
    assert math.isclose(found.errors["forward"], 0.25, rel_tol=1e-12)


def test_winograd_is_held_to_the_bound_of_its_transforms_which_is_narrower():
    (row,) = check.check([winograd.IMPLEMENTATION], 40)
    assert row.checked
    assert not row.failures
    assert row.refused > 20
    assert 0 < row.share < 1
    near = conv_examples.made(
        "winograd", forward=conv_examples.scaled(winograd.forward, 1 + 5e-13), refuses=winograd.refuses
    )
    (row,) = check.check([near], 10)
    assert row.failures
    assert row.worst["forward"] < check.LIMITS["forward"]


def test_what_refuses_everything_or_is_not_installed_is_not_checked():
    def missing(*_):
        raise ImportError("numba is not installed")

    refusing, absent = check.check([conv_examples.REFUSING, conv_examples.made(forward=missing)], 2)
    assert (refusing.checked, refusing.refused, refusing.refusal) == (0, check.TRIES * 2, "only on Sundays")
    assert (absent.checked, absent.failures, absent.missing) == (0, 0, "numba is not installed")


def test_slow_loops_get_small_configurations():
    sizes = []

    def seen(x, weight, g):
        sizes.append(g.multiply_adds)
        return library.forward(x, weight, g)

    check.check([conv_examples.made("loops", seen)], 50)
    assert max(sizes) <= check.MOST["loops"]
    assert max(g.multiply_adds for g in draw.EDGES) > 100 * check.MOST["loops"]


@pytest.mark.parametrize("wanted", [0, -3, 2.0, True])
def test_nothing_to_check_is_refused(wanted):
    with pytest.raises(ValueError, match=r"^configurations: .*; expected a whole number >= 1, such as 200$"):
        list(check.follow(library.IMPLEMENTATION, wanted))


def test_configurations_are_decided_by_the_seed_and_of_every_kind():
    drawn = [list(itertools.islice(draw.configurations(seed), 400)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    for g in (*draw.EDGES, *drawn[0]):
        assert Geometry.of(g.x_shape, g.weight_shape, None, g.stride, g.padding, g.dilation, g.groups) == g
        assert min(g.output) >= 1
    kinds = {
        "strided": lambda g: max(g.stride) > 1,
        "dilated": lambda g: max(g.dilation) > 1,
        "padded": lambda g: max(g.padding) > 0,
        "groups": lambda g: g.groups > 1,
        "oblong kernel": lambda g: g.kernel[0] != g.kernel[1],
        "another stride along each axis": lambda g: g.stride[0] != g.stride[1],
        "plain": lambda g: (g.kernel, g.stride, g.dilation) == ((3, 3), (1, 1), (1, 1)),
        "all at once": lambda g: max(g.stride) > 1 and max(g.dilation) > 1 and max(g.padding) > 0 and g.groups > 1,
    }
    for name, kind in kinds.items():
        assert sum(map(kind, drawn[0])) >= 4, name


def test_tensors_lie_in_memory_in_every_way():
    g = Geometry(2, 3, 4, (5, 6), (3, 3))
    given = [check.tensors(g, seed) for seed in range(27)]
    for place, shape in enumerate((g.x_shape, g.weight_shape, g.y_shape)):
        assert {one[place].shape for one in given} == {torch.Size(shape)}
        assert len({one[place].stride() for one in given}) == 3
    assert len({tuple(tensor.stride() for tensor in one) for one in given}) == 27


@pytest.mark.slow
def test_the_command_prints_one_table_that_fits(monkeypatch, capsys):
    status, out, err = conv_examples.typed(
        monkeypatch, capsys, "check", "im2col", "winograd", "torch", "--configurations", 30
    )
    assert (status, err) == (0, "")
    lines = out.splitlines()
    for name in ("im2col", "winograd", "torch"):
        (row,) = [line.split() for line in lines if line.split()[:1] == [name] and line.split()[-1:] == ["ok"]]
        assert row[1] == "30"
        assert all(float(error) < 1e-10 for error in row[3:-1])
    table = lines[: next(i for i, line in enumerate(lines) if "refused" in line and ":" in line)]
    assert max(map(len, table)) <= 80
    assert "winograd refused" in out


def test_the_command_fails_with_what_is_wrong_and_how_to_see_it(monkeypatch, capsys):
    from smallvision.conv import implementations

    broken = conv_examples.made("im2col", weight_gradient=conv_examples.scaled(library.weight_gradient, 1.5))
    monkeypatch.setitem(implementations.IMPLEMENTATIONS, "im2col", broken)
    status, out, err = conv_examples.typed(
        monkeypatch, capsys, "check", "im2col", "torch", "--configurations", 20, "--seed", 4
    )
    assert status == 3
    assert err == "smallvision: conv check: im2col FAILED\n"
    assert "im2col FAILED in 19 of 20; the smallest of them: weight gradient off by 5.0e-01" in out  # one has no image
    code = [line.strip() for line in out.partition("FAILED in")[2].splitlines() if line.startswith("    ")]
    names = {}
    exec("\n".join(code[:-1]), names)
    assert eval(code[-1], names).failed.startswith("weight gradient off by 5.0e-01")


def test_the_command_says_what_is_not_installed(monkeypatch, capsys):
    from smallvision.conv import implementations

    def missing(*_):
        raise ImportError("numba is not installed; install it with: pip install 'smallvision[numba]'")

    monkeypatch.setitem(implementations.IMPLEMENTATIONS, "compiled", conv_examples.made("compiled", missing))
    status, out, _ = conv_examples.typed(monkeypatch, capsys, "check", "compiled", "torch", "--configurations", 5)
    assert status == 0
    assert "compiled: numba is not installed; install it with: pip install 'smallvision[numba]'" in out
    status, out, err = conv_examples.typed(monkeypatch, capsys, "check", "compiled")
    assert (status, err) == (3, "smallvision: conv check: nothing was checked; the reasons are above\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["im2cl"], 'RUNG: got "im2cl"; did you mean "im2col"?'),
        (["torch", "nonsense"], 'RUNG: got "nonsense"; known: compiled, einsum, '),
        (["torch", "--configurations", 0], "--configurations: got 0; expected at least 1, such as 200"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(monkeypatch, capsys, words, message):
    status, out, err = conv_examples.typed(monkeypatch, capsys, "check", *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"smallvision: {message}")
