"""The commands of `smallvision conv`: convolution from first principles. Imports happen when a command needs them."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smallvision.errors import BadInput, Interrupted, RunFailed, nearest

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

conv_app = typer.Typer(
    help="Convolution from first principles: sizes, implementations, their correctness and speed.", no_args_is_help=True
)

Rungs = Annotated[list[str] | None, typer.Argument(metavar="RUNG", help="Implementations.", show_default="all")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


Stack = Annotated[
    list[str],
    typer.Argument(
        metavar="STACK", help='A shape and layers: "3x32x32 conv(16, k=3, p=1) relu pool(2)".', show_default=False
    ),
]
WORDS = """Layers: conv(channels, k, s, p, d, g, bias, in), p=same too;
transposed(channels, k, s, p, op, d, g, bias, in);
pool(k, s, p, d, ceil); meanpool(k, s, p, ceil); global(max), global(mean); upsample(factor); flat; unflatten(CxHxW);
dense(values, bias, in); batchnorm; dropout(p); relu, gelu, silu, elu, tanh, sigmoid, leakyrelu, softmax.
Two numbers, height first, as k=5x3."""


@contextmanager
def _bad_input() -> Iterator[None]:
    """What shape arithmetic refuses is bad input here."""
    try:
        yield
    except ValueError as error:
        raise BadInput(str(error)) from error


@conv_app.command("shape", epilog=WORDS)
def conv_shape(
    stack: Stack,
    brief: Annotated[bool, typer.Option("--brief", help="Show the table only, without the formulas.")] = False,
    debug: Debug = False,
) -> None:
    """Show sizes through a stack of layers, each with its formula; parameters, multiply-adds, receptive fields."""
    from smallvision.console import conv, run
    from smallvision.conv.stack import parse, trace

    with _bad_input():
        shape, layers = parse(" ".join(stack))
        steps = trace(shape, layers)
    conv.show_stack(run.Console(), shape, steps, not brief)


@conv_app.command("solve")
def conv_solve(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help=("Size of the input, height x width, such as 100x60, or one number for both."),
            show_default=False,
        ),
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="Size of the output, such as 25x25.", show_default=False)],
    op: Annotated[str, typer.Option(help="conv, pool or transposed.")] = "conv",
    max_kernel: Annotated[int, typer.Option(help="The largest kernel.")] = 15,
    max_stride: Annotated[
        int | None, typer.Option(help="The largest stride; if not given, the largest kernel.")
    ] = None,
    max_padding: Annotated[
        int | None,
        typer.Option(
            help=("The largest padding; if not given, every padding that leaves at least one pixel in every window.")
        ),
    ] = None,
    max_dilation: Annotated[
        int | None, typer.Option(help="The largest dilation; if not given, 3 for conv, else 1.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Show so many of each list.", show_default="the 5 simplest")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all of each list.")] = False,
    debug: Debug = False,
) -> None:
    """Find every kernel, stride, padding and dilation that turns one size into another, simplest first."""
    from smallvision.console import conv, run
    from smallvision.conv.notation import parse_size
    from smallvision.conv.solve import solve

    if limit is not None and limit < 1:
        raise BadInput(f"--limit: got {limit}; expected at least 1")
    if limit is not None and everything:
        raise BadInput("--limit and --all are both given; keep one")
    try:
        found = solve(
            parse_size(source, "FROM"), parse_size(target, "TO"), op, max_kernel, max_stride, max_padding, max_dilation
        )
    except ValueError as error:
        raise BadInput(conv.as_options(str(error))) from error
    conv.show_solutions(run.Console(), found, None if everything else limit or conv.FEW)


@conv_app.command("mirror", epilog=WORDS)
def conv_mirror(
    stack: Stack,
    brief: Annotated[bool, typer.Option("--brief", help="Show the table only, without the formulas.")] = False,
    debug: Debug = False,
) -> None:
    """Find a decoder that leads from the output of an encoder back to exactly the size of its input."""
    from smallvision.console import conv, run
    from smallvision.conv.mirror import mirror
    from smallvision.conv.stack import parse, stack_text, trace

    with _bad_input():
        code, decoder = mirror(*parse(" ".join(stack)))
        steps = trace(code, decoder)
    console = run.Console()
    console.print(stack_text(code, decoder), highlight=False, soft_wrap=True, markup=False)
    conv.show_stack(console, code, steps, not brief)


@conv_app.command("check")
def conv_check(
    rungs: Rungs = None,
    configurations: Annotated[int, typer.Option(help="Number of random configurations for each implementation.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the random configurations.")] = 0,
    debug: Debug = False,
) -> None:
    """Check implementations in float64: against torch, by finite differences, by the adjoint test."""
    from smallvision.console import bench, run
    from smallvision.conv import check, implementations

    if configurations < 1:
        raise BadInput(f"--configurations: got {configurations}; expected at least 1, such as 200")
    chosen, console, rows = _known(rungs, implementations.IMPLEMENTATIONS), run.Console(), []
    with _progress(console) as bar:
        line = bar.add_task("", total=len(chosen) * configurations)
        for number, name in enumerate(chosen):
            for row in check.follow(implementations.IMPLEMENTATIONS[name], configurations, seed):
                bar.update(line, completed=number * configurations + row.checked, description=name)
            rows.append(row)
    bench.show_check(console, rows, check.LIMITS, check.BOUNDS)
    wrong = [row.implementation for row in rows if row.failures]
    if wrong:
        raise RunFailed(f"conv check: {', '.join(wrong)} FAILED")
    if not any(row.checked for row in rows):
        raise RunFailed("conv check: nothing was checked; the reasons are above")


@conv_app.command("bench")
def conv_bench(
    rungs: Rungs = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            help=('A shape such as "64x64x16x16 64x3x3 p=1": input, kernels, s, p, d, g (can be given several times).'),
            show_default="six of them",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each implementation is timed, alternating with torch.")] = 5,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", show_default="one per physical core")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for conv-bench.json and conv-bench.png; older files are replaced.")
    ] = Path("conv-bench"),
    debug: Debug = False,
) -> None:
    """Measure time and peak memory of implementations, forward and backward, as ratios to torch."""
    from smallvision.console import bench as display_ladder
    from smallvision.console import run
    from smallvision.conv import bench

    most = 4 * (os.cpu_count() or 1)
    if rounds < 1:
        raise BadInput(f"--rounds: got {rounds}; expected at least 1, such as 5")
    if threads is not None and not 1 <= threads <= most:
        raise BadInput(f"--threads: got {threads}; expected 1 to {most}")
    chosen, used = _known(rungs, bench.names()), threads or bench.default_threads()
    try:
        shapes = {text: bench.shape_geometry(text) for text in dict.fromkeys(shape or bench.SHAPES)}
    except ValueError as error:
        raise BadInput(f"--{error}" if str(error).startswith("shape:") else f"--shape: {error}") from None
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out: the folder {out} cannot be made: {error.strerror or error}") from None
    abouts: list[dict[str, Any]] = [
        {"shape": text, "about": bench.SHAPES.get(text, ""), "multiply_adds": g.multiply_adds}
        for text, g in shapes.items()
    ]
    found: dict[str, Any] = {
        "environment": _environment(used),
        "rounds": rounds,
        "shapes": abouts,
        "matmul": None,
        "rows": [],
    }
    console, stopped = run.Console(), 0
    try:
        with _progress(console) as bar:
            line = bar.add_task("matrix product", total=len(shapes) * len(chosen))
            found["matmul"] = bench.peak(rounds, used)
            for about in abouts:
                for name in chosen:
                    bar.update(line, description=f"{name}  {about['shape']}")
                    found["rows"].append(
                        {"shape": about["shape"], **bench.measured(name, shapes[about["shape"]], rounds, used)}
                    )
                    bar.advance(line)
                bar.console.print(display_ladder.bench_table(found, about))
    except KeyboardInterrupt as stop:
        stopped = getattr(stop, "signal_number", signal.SIGINT)
        if found["rows"] and len(found["rows"]) % len(chosen):  # the shape that was not finished
            console.print(display_ladder.bench_table(found, abouts[len(found["rows"]) // len(chosen)]))
    display_ladder.show_bench_end(
        console, found, sum(bench.unsteady(row) for row in found["rows"] if row["reason"] is None)
    )
    for path in _write_bench(found, out):
        console.print(str(path), highlight=False, soft_wrap=True, markup=False)
    if stopped:
        raise Interrupted(f"interrupted; what was measured until then is in {out}", stopped)
    if all(row["reason"] for row in found["rows"]):
        raise RunFailed("conv bench: nothing was measured; the reasons are above")


def _write_bench(found: dict[str, Any], out: Path) -> list[Path]:
    """conv-bench.json and, if anything was measured, conv-bench.png."""
    from smallvision.rendering import style
    from smallvision.report.conv.bench import bench_figure
    from smallvision.storage.files import failed, write_json

    written = [out / "conv-bench.json"]
    write_json(written[0], found)
    if any(row["reason"] is None for row in found["rows"]):
        written.append(out / "conv-bench.png")
        abouts = {one["shape"]: one["about"] for one in found["shapes"]}
        try:
            style.save_png(bench_figure(found["rows"], abouts), written[1], dpi=100)
        except OSError as error:
            raise failed(written[1], error) from None
    return written


def _environment(threads: int) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    from smallvision.runs.environment import describe, processor

    found = describe("cpu", processor(), threads, "fp32", False)
    try:
        found["packages"]["numba"] = version("numba")
    except PackageNotFoundError:
        found["packages"]["numba"] = "none"
    return found


def _known(names: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    """The names asked for, each once; all of them if none is."""
    everything = list(known)
    for name in names or ():
        if name not in everything:
            raise BadInput(f'RUNG: got "{name}"; {nearest(name, everything)}')
    return list(dict.fromkeys(names or everything))


def _progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True)
