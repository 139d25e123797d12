"""What was measured about convolution, as Markdown: for docs/results/convolution.md and docs/convolution.md."""

from layout import machine, not_measured, spread, table
from results import read

from smallvision.conv.bench import unsteady


def convolution() -> str:
    found = read("conv_bench")
    if not found:
        return "\n" + not_measured("conv_bench")
    text = (
        f"\n`smallvision conv bench --rounds {found['rounds']}`, kept in "
        "`benchmarks/results/conv_bench.json`: every implementation in a process of its own, torch's timed in turn "
        "with it in every round; fp32; *backward* is both gradients; times are medians, ratios medians of the rounds' "
        "ratios to torch on tensors in its default layout; *peak* is by how much the resident set rises beyond what is "
        "given and returned in the hungriest of the three functions, *stated* what the implementation's own formula "
        "says of it. Multiply-adds a second are the definition's. ~: timed on a slice and scaled. docs/convolution.md "
        "explains the implementations.\n"
    )
    for shape in found["shapes"]:
        rows = []
        for one in found["rows"]:
            if one["shape"] != shape["shape"]:
                continue
            if one["reason"]:
                rows.append([f"`{one['rung']}`", *["-"] * 8])
                continue
            about = "~" if one["slice"] else ""
            times = [f"{about}{one['milliseconds'][key]:.2f}" for key in ("forward", "backward", "total")]
            ratios = [f"{one['ratio'][key]:.2f}" for key in ("forward", "total")]
            peak = f"{max(one['memory_bytes']) / 1e6:.1f}" if one["memory_bytes"] else "-"
            stated = f"{max(one['stated_bytes']) / 1e6:.1f}"
            rows.append(
                [f"`{one['rung']}`", *times, *ratios, peak, stated, f"{one['gigamacs_per_second']['total']:.3g}"]
            )
        header = ["implementation", "forward ms", "backward ms", "total ms", "forward / torch", "total / torch"]
        header += ["peak MB", "stated MB", "GMAC/s"]
        size = f"{shape['multiply_adds'] / 1e6:.1f} M multiply-adds forward"
        text += f"\n`{shape['shape']}` ({shape['about']}), {size}:\n\n" + table(header, rows)
    best = found["matmul"]["gigamacs_per_second"]
    done = [row for row in found["rows"] if not row["reason"]]
    text += f"\nIn {sum(map(unsteady, done))} of {len(done)} rows the rounds differ by more than half: "
    text += "other work on the machine.\n"
    return (
        text
        + f"\nBest fp32 matrix product on the machine: torch {best['torch']:.0f}, numpy {best['numpy']:.0f} GMAC/s, "
        "square, of "
        + f"{', '.join(str(size['size']) for size in found['matmul']['sizes'])}.\n"
        + machine(found["environment"])
    )


def epoch(found: dict) -> str:
    rows, arms = [], ("by hand", "torch, one thread", "torch without oneDNN")
    for arm in arms:
        apart = [row[arm]["largest_difference"] for row in found["epoch"]["rows"]]
        accuracies = [row[arm]["accuracy"] for row in found["epoch"]["rows"]]
        rows.append([arm, ", ".join(f"{one:.1e}" for one in apart), spread(accuracies, 100)])
    plain = [row["torch"]["accuracy"] for row in found["epoch"]["rows"]]
    rows.insert(0, ["torch, two threads", "", spread(plain, 100)])
    header = ["one epoch, fp32", "largest difference of a weight, seeds 0 to 4", "accuracy while training %"]
    return (
        "Do both train to the same weights? `python benchmarks/convolution.py epoch` "
        f"({found['epoch']['experiment']}):\n\n"
        + table(header, rows)
        + "\nIn float64, where torch's own convolution is im2col as well, the same epoch ends with weights that differ "
        "by\n"
        f"{found['epoch']['float64']:.0e} at most. In fp32 even torch does not come out within 1e-4 of itself when "
        "only its\n"
        "threads or its library change: the first rounding that decides which of two nearly equal pixels is the "
        "maximum, or\n"
        "whether a ReLU is open, sends training along another path, and after 938 steps weights are up to 0.01 apart "
        "while\n"
        "accuracy is the same. Ours is as far from torch's as torch's are from one another.\n"
    )


def equivariance(found: dict) -> str:
    what = found["equivariance"]
    rows = [
        [name, f"{value:.1e}" if value < 1e-6 else f"{value:.3f}"]
        for name, value in what.items()
        if isinstance(value, float)
    ]
    net = what["network"]
    answers = [
        [f"{key} {n}{unit}", f"{100 * value:.2f}"]
        for key, unit in (("shifted right by", " pixels"), ("turned by", " degrees"))
        for n, value in net[key].items()
    ]
    return (
        f"`python benchmarks/convolution.py equivariance`: {what['digits']} MNIST digits on a black border, "
        f"{what['kernels']} random 5x5 kernels, shift T by {what['shift'][0]} rows and {what['shift'][1]} columns, R a "
        "quarter turn; |a - b| / |b| over all numbers:\n\n"
        + table(["a against b", "relative difference"], rows)
        + f"\nAnd a trained network ({net['experiment']}) on {net['images']} validation images it did not train on, "
        "changed: its convolutions are equivariant, its dense layers know where a stroke should be.\n\n"
        + table(["image", "accuracy %"], answers)
    )


def compared(found: dict) -> str:
    shape = found["shapes"][0]
    rows = {one["rung"]: one for one in found["rows"] if one["shape"] == shape["shape"] and not one["reason"]}
    own = [name for name in rows if not name.startswith("torch")]
    best = min(own, key=lambda name: rows[name]["ratio"]["total"])
    beats = [
        f"`{one['rung']}` on `{one['shape']}` ({one['ratio'][key]:.2f} {key})"
        for one in found["rows"]
        for key in ("forward", "total")
        if not one["reason"] and one["rung"] in own and one["ratio"][key] < 1
    ]
    rate = {name: rows[name]["gigamacs_per_second"]["total"] for name in ("loops", "compiled")}
    return (
        f"On `{shape['shape']}` the best by hand is `{best}`: {rows[best]['ratio']['total']:.2f} times torch's forward "
        f"and backward, {rows[best]['ratio']['forward']:.2f} times its forward. Compiled loops do "
        f"{rate['compiled'] / rate['loops']:.0f} times the multiply-adds a second\nof Python's (timed on a slice). "
        f"Quicker than torch: {'; '.join(beats) or 'none'}.\n"
        f"torch's convolution does {rows['torch']['gigamacs_per_second']['total']:.0f} GMAC/s here, its matrix product "
        f"{found['matmul']['gigamacs_per_second']['torch']:.0f} at most: another library, which knows this processor "
        "less well. So\n"
        "what is made of matrix products cannot come near, unless it needs fewer multiplications. `einsum`, which "
        f"makes the patches of the\nwhole batch, needs {max(rows['einsum']['memory_bytes']) / 1e6:.0f} MB on the way, "
        f"`im2col`, which makes them of a few images at a time, {max(rows['im2col']['memory_bytes']) / 1e6:.0f} MB.\n"
        "All tables: [results](results/convolution.md).\n\n![Times and memory of every "
        "implementation](convolution/bench.png)\n"
    )


def check(found: dict) -> str:
    keys = ("forward", "input gradient", "weight gradient", "differences", "adjoint")
    rows = [
        [f"`{one['rung']}`", str(one["checked"]), str(one["refused"]), *(f"{one['worst'][key]:.1e}" for key in keys)]
        for one in found["rows"]
    ]
    return (
        "The largest relative differences from torch in float64, from finite differences and from the adjoint: "
        "`smallvision conv check --configurations 2000`, kept by `python benchmarks/convolution.py check`.\n\n"
        + table(["implementation", "configurations", "refused", *keys], rows)
    )
