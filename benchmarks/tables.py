"""Make docs/results.md and the README's table of the committed result files; only what the references report is typed by hand.

python benchmarks/tables.py           writes both
python benchmarks/tables.py --check   exit status 1 if they are not what the files say
"""

import json
import statistics
import sys
from pathlib import Path

import study_tables

from smallvision.conv.bench import unsteady
from smallvision.tasks import metric_in

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "results.md"
README = HERE.parent / "README.md"
CONVOLUTION = HERE.parent / "docs" / "convolution.md"
COMPARING = HERE.parent / "docs" / "comparing.md"
REPRESENTATIONS = HERE.parent / "docs" / "representations.md"
SIMILARITY = HERE.parent / "docs" / "similarity.md"
MARKS = ("<!-- results: made by python benchmarks/tables.py -->", "<!-- /results -->")

# What the authors of the reference systems report, one run each.
REPORTED = {
    "mnist-mlp": {"test": "96.4", "train": "96.47", "source": "R3.4"},
    "mnist-cnn": {"test": "98.46", "train": "98.45", "source": "R3.4"},
    "mnist-cnn-by-hand": {"test": "98.46", "train": "98.45", "source": "R3.4 by way of R4.4-7"},
    "mnist-cnn3": {"test": "98.68, 98.93", "train": "", "source": "R4.8-9"},
    "fashion-cnn": {"test": "97.92", "train": "98.85", "source": "R2.2"},
    "cifar10-cnn": {"test": "about 76", "train": "", "source": "R5.5"},
}
ORDER = (
    "digits",
    "digits-encoder-classifier",
    "mnist-mlp",
    "mnist-cnn",
    "mnist-cnn-by-hand",
    "mnist-cnn-fast",
    "mnist-cnn3",
    "mnist-cnn3-fast",
    "fashion-cnn",
    "fashion-cnn-fast",
    "cifar10-cnn",
    "cifar10-cnn-fast",
)

AUTOENCODERS = (
    "digits-autoencoder",
    "fashion-autoencoder",
    "cifar10-autoencoder-10",
    "cifar10-autoencoder",
    "cifar10-autoencoder-100",
)

VERIFIERS = ("digits-siamese", "mnist-siamese", "fashion-siamese-unseen", "cifar10-siamese-fast")

INTRODUCTION = """# Results

Made by `python benchmarks/tables.py` from the files in `benchmarks/results/`, each of which the command beside its table
writes anew. Accuracies are on the test split, which the last weights meet once, at the end of a run; entries whose
reference draws a test curve watch it besides, which nothing selects by ("looks" counts every time the split was scored).
Recipes of the `-fast` entries were tried on validation images alone, but see "What was seen before". CIFAR-10 is a copy
whose images went once through JPEG: compare its figures with one another, not with figures on the original images.
"""


def read(name: str) -> dict | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def spread(values: list[float], scale: float = 1.0, digits: int = 2) -> str:
    mean = f"{scale * statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def brief(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    left = {0}
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join(" --- " if i in left else " ---: " for i in range(len(header))) + "|",
    ]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def machine(environment: dict) -> str:
    packages = ", ".join(f"{name} {environment['packages'][name]}" for name in ("torch", "numpy", "scikit-learn"))
    device = environment["device"] + (f" ({name})" if (name := environment.get("device_name")) else "")
    return (
        f"Machine: {environment['processor']}, {environment['cores']} cores, {environment['threads']} threads, "
        f"{device}; smallvision {environment['smallvision']}, {packages}.\n"
    )


def catalog() -> str:
    found = [entry for name in ORDER if (entry := read(f"catalog/{name}"))]
    rows = []
    for entry in found:
        runs, reported = entry["runs"], REPORTED.get(entry["name"], {"test": "", "train": "", "source": ""})
        test = [run["test"]["accuracy"] for run in runs]
        interval = runs[0]["test"]["accuracy_interval"] if len(runs) == 1 else None
        bounds = f" ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})" if interval else ""
        rows.append(
            [
                f"`{entry['name']}`",
                reported["test"],
                spread(test, 100) + bounds,
                str(len(runs)),
                reported["train"],
                spread([run["train"]["accuracy"] for run in runs], 100),
                spread([run["test"]["loss"] for run in runs], 1, 4),
                f"{entry['parameters']:,}".replace(",", " "),
                f"{entry['multiply_adds']:,}".replace(",", " "),
                entry["precision"],
                str(runs[0]["epochs"]),
                f"{statistics.fmean(run['median_epoch_seconds'] for run in runs):.2f}",
                str(runs[0]["looks"]),
            ]
        )
    header = [
        "entry",
        "reported test %",
        "test %",
        "seeds",
        "reported train %",
        "train %",
        "test loss (nats)",
        "parameters",
    ]
    header += ["multiply-adds", "precision", "epochs", "s an epoch (median)", "looks"]
    if not found:
        return ""
    return (
        "\n## The catalog, reported beside ours\n\n`python benchmarks/catalog.py NAME --seeds N`. ± is the standard deviation over "
        "seeds; one seed has Wilson's 95 % interval over its test images instead. Seconds here are of whole runs, some of which "
        "shared the machine with other work: speeds are compared under Throughput.\n\n"
        + table(header, rows)
        + "\n"
        + "".join(sorted({machine(entry["environment"]) for entry in found}))
    )


def autoencoders() -> str:
    found = [entry for name in AUTOENCODERS if (entry := read(f"catalog/{name}"))]
    if not found:
        return ""
    rows = []
    for entry in found:
        test, first = [run["test"] for run in entry["runs"]], entry["runs"][0]
        values, pca = test[0]["pca"]["components"], statistics.fmean(one["pca"]["mse"] for one in test)
        mse = statistics.fmean(one["mse"] for one in test)
        rows.append(
            [
                f"`{entry['name']}`",
                spread([one["mse"] for one in test], 1, 5),
                str(values),
                f"{pca:.5f}",
                f"{100 * (mse / pca - 1):+.1f} %",
                spread([one["psnr"] for one in test]),
                spread([one["ssim"] for one in test], 1, 3),
                str(len(test)),
                f"{entry['parameters']:,}".replace(",", " "),
                str(first["epochs"]),
                f"{statistics.fmean(run['median_epoch_seconds'] for run in entry['runs']):.2f}",
                str(first["looks"]),
            ]
        )
    header = [
        "entry",
        "test MSE",
        "values",
        "PCA's MSE",
        "against PCA",
        "PSNR dB",
        "SSIM",
        "seeds",
        "parameters",
        "epochs",
    ]
    header += ["s an epoch (median)", "looks"]
    return (
        "\n## Autoencoders, beside exact PCA\n\n`python benchmarks/catalog.py NAME`. MSE of pixels in [0, 1], whatever the network was "
        "given; PCA is exact, of the training images, with as many components as the representation has values, on the same test "
        "images. R2.3 reports an MSE of 0.5163 for its autoencoder of Fashion-MNIST (`fashion-autoencoder`): its targets lay in [-1, 1] "
        "and its output ended in a ReLU, which cannot go below 0, so that every dark pixel cost 1 at best. Here the output can reach "
        "its targets; an experiment in which it cannot is refused.\n\n"
        + table(header, rows)
        + "\n"
        + "".join(sorted({machine(entry["environment"]) for entry in found}))
    )


def verified(*names: str) -> str:
    """The table of some verifiers; "" where none was run."""
    found = [entry for name in names if (entry := read(f"catalog/{name}"))]
    rows = []
    for entry in found:
        runs = entry["runs"]
        for split in (name for name in ("test", "unseen") if name in runs[0]):
            scores = [run[split] for run in runs]
            percents = {
                key: spread([one[key] for one in scores], 100) if key in scores[0] else ""
                for key in ("pair_accuracy", "equal_error", "true_accept_1", "calibration_error", "precision_at_1")
            }
            low, high = scores[0]["intervals"]["pair_accuracy"]
            between = f" ({100 * low:.2f} to {100 * high:.2f})" if len(runs) == 1 else ""
            rows.append(
                [
                    f"`{entry['name']}`",
                    "classes never seen" if split == "unseen" else "test",
                    str(scores[0]["pairs"]),
                    percents["pair_accuracy"] + between,
                    spread([one["auc"] for one in scores], digits=4),
                    *(percents[key] for key in ("equal_error", "true_accept_1", "calibration_error", "precision_at_1")),
                    str(len(runs)),
                    str(runs[0]["epochs"]),
                    f"{statistics.median(run['seconds'] for run in runs):.0f}",
                    str(runs[0]["looks"]),
                ]
            )
    header = [
        "entry",
        "images",
        "pairs",
        "accuracy %",
        "AUC",
        "EER %",
        "TAR at FAR 1 %",
        "ECE %",
        "precision at 1 %",
        "seeds",
    ]
    return table([*header, "epochs", "training s", "looks"], rows) if rows else ""


def verifiers() -> str:
    """Are two images of one class?"""
    found = [entry for name in VERIFIERS if (entry := read(f"catalog/{name}"))]
    return (
        ""
        if not found
        else (
            "\n## Verifiers: are two images of one class?\n\n`python benchmarks/catalog.py NAME --seeds N`. Balanced pairs; threshold and "
            "calibration were fitted on validation pairs. ± is the standard deviation over seeds; one seed has the 95 % interval of an "
            "image-level bootstrap. TAR: true accepts, FAR: false accepts, EER: equal error rate, ECE: expected calibration error (15 bins "
            "of equally many pairs). The recipe of `cifar10-siamese-fast` was found on validation images (below); the others were written "
            "down and not tuned. docs/similarity.md says what follows from them.\n\n"
            + verified(*VERIFIERS)
            + "\n"
            + "".join(sorted({machine(entry["environment"]) for entry in found}))
            + pairs()
        )
    )


def pairs() -> str:
    """How long 100 000 pairs take."""
    found = read("pairs")
    if not found:
        return ""
    rows = [
        [
            one["head"],
            str(one["features"]),
            f"{one['judged']:.3f}",
            f"{one['figures']:.3f}",
            f"{one['cpu_seconds']:.3f}",
        ]
        for one in found["arms"]
    ]
    return (
        f"\n`python benchmarks/pairs.py`: {found['pairs']} pairs of {found['images']} images that are encoded already, medians of "
        f"{found['arms'][0]['rounds']} rounds. Judged: distance and the head's score; figures: probabilities, accuracy, AUC, equal error "
        "rate, true accepts, calibration error.\n\n"
        + table(["head", "values", "judged s", "figures s", "CPU s, both"], rows)
        + "\n"
        + machine(found["environment"])
    )


def representations() -> str:
    """How long the tools for representations take."""
    found = read("representations")
    if not found:
        return ""

    def middle(turns: list[dict]) -> float:
        return statistics.median(turn["seconds"] for turn in turns)

    rows = []
    for metric, what in found["nearest"].items():
        said = f"distances within {what['largest_difference']:.0e}, {what['other_neighbours']} other neighbours"
        arms = [middle(what[arm]) for arm in ("ours", "scikit-learn", "scikit-learn on doubles")]
        rows.append(
            [f"10 nearest of 10 000 to each of 1 000, 1 000 features, {metric}", *(f"{one:.2f}" for one in arms), said]
        )
    ours, theirs = (middle(found["pca"][arm]) for arm in ("ours", "scikit-learn"))
    rows.append(
        [
            "exact PCA of 50 000 images of 3 072 values",
            f"{ours:.2f}",
            "",
            f"{theirs:.2f}",
            f"variances within {found['pca']['largest_difference']:.0e} of the largest",
        ]
    )
    rows.append(["t-SNE (scikit-learn's) of 5 000 images", f"{middle(found['tsne']):.1f}", "", "", ""])
    return (
        "\n## Tools for representations\n\n"
        f"`python benchmarks/representations.py`: {found['rounds']} rounds in turn in one process, medians. Ours takes floats and gives "
        "distances in doubles; scikit-learn's brute force gives as many digits as it is given (by cosine; "
        "by Euclidean distance it sums in doubles anyway). Differences are from scikit-learn on doubles. Of floats by cosine, "
        "scikit-learn's are the quicker, to float precision.\n\n"
        + table(["what", "ours, s", "scikit-learn on floats, s", "on doubles, s", "the same?"], rows)
        + "\n"
        + machine(found["environment"])
    )


def time_to_accuracy() -> str:
    found = read("time_to_accuracy")
    if not found:
        return ""
    rows = []
    for case, what in found["cases"].items():
        slow = what["reference"]
        rows.append(
            [
                f"`{case}` in the plain loop",
                f"{100 * slow['target']:.2f}",
                "" if slow["reached"] else "not reached",
                str(slow["epochs"]),
                f"{slow['seconds']:.1f} (extrapolated)",
                "",
                "1",
            ]
        )
        sooner = (
            f"{what['times_sooner']:.1f} ({what['times_sooner_whole']:.1f})"
            if what["reached"]
            else "target not reached"
        )
        rows.append(
            [
                f"`{what['fast']}`",
                "",
                f"{spread([run['accuracy'] for run in what['runs']], 100)} (n = {len(what['runs'])})",
                "",
                spread([run["seconds"] for run in what["runs"]], 1, 1),
                spread([run["whole_seconds"] for run in what["runs"]], 1, 1),
                sooner,
            ]
        )
    header = ["recipe", "target %", "test %", "epochs", "training s", "whole process s", "times sooner (whole process)"]
    return (
        "\n## Time to the reference's accuracy\n\n`python benchmarks/time_to_accuracy.py`. The reference recipe in the plain loop is "
        "extrapolated from its timed steps (`throughput.py` says how many) to the first epoch at which its watched test curve reaches "
        "the target, start-up and "
        "scoring left out; ours are whole runs. In brackets even our start-up, data loading, scoring and report count against it.\n\n"
        + table(header, rows)
        + "\n"
        + machine(found["environment"])
    )


def throughput() -> str:
    found = read("throughput")
    if not found:
        return ""
    rows, ratios = [], []
    for case, what in found["cases"].items():
        for key, value in what["microseconds"].items():
            arm, precision = key.split()
            spreads = sorted(one["wall"] for one in what["rounds"][key])
            name = f"loop, {what['workers']} workers" if arm == "loop" else arm
            row = [
                f"`{case}`",
                name,
                precision,
                f"{value['wall']:.1f}",
                f"{spreads[0]:.1f} to {spreads[-1]:.1f}",
                f"{value['cpu']:.1f}",
            ]
            rows.append(row)
        for precision in ("fp32", "bf16"):
            bare = what["ratios"][f"engine over bare {precision}"]
            over, times = (
                what["ratios"][f"engine over floor {precision}"],
                what["ratios"][f"loop over engine {precision}"],
            )
            ratios.append([f"`{case}`", precision, f"{over:.2f}", f"{bare:.2f}", f"{times:.2f}"])
    return (
        f"\n## Throughput\n\n`python benchmarks/throughput.py`: {found['rounds']} rounds, every measurement in a process of its own, arms "
        "in turn; microseconds of a training step an image, medians. *loop* is a DataLoader of Pillow images with per-image "
        "transforms and `.item()` each step, at its best number of workers (their CPU time is not counted), always fp32; *floor* is "
        "forward, backward and optimiser step on float batches already in memory, *bare* the same in a process whose "
        "malloc is not told to keep what a step frees; *augment* is the engine's augmentation alone.\n\n"
        + table(["network", "arm", "precision", "wall", "least to most", "CPU"], rows)
        + "\n(engine − augment) / floor at equal precision, and how many times faster than the loop; medians of each round's ratios:\n\n"
        + table(["network", "precision", "over the floor", "over the bare floor", "times the loop"], ratios)
        + "\n"
        + machine(found["environment"])
    )


def tuning() -> str:
    found = read("tuning")
    if not found:
        return ""
    rows = []
    for one in found["tries"]:
        score = metric_in(one["validation"])
        rows.append(
            [
                f"`{one['name']}`",
                f"`{' '.join(one['overrides'])}`",
                score.text(one["validation"][score.key]),
                f"{one['validation']['loss']:.{4 if score.higher else 5}f}",
                score.text(one["train"][score.key]),
                str(one["epochs"]),
            ]
        )
    return (
        "\n## What was tried for the recipes\n\n`python benchmarks/tune.py`: validation images only, seed 0, one try each, so "
        "differences of a few tenths of a per cent are noise. Accuracies, and of autoencoders mean squared errors.\n\n"
        + table(["entry", "overrides", "validation", "loss", "train", "epochs"], rows)
    )


def convolution() -> str:
    found = read("conv_bench")
    if not found:
        return ""
    text = (
        f"\n## Convolution: the ladder\n\n`smallvision conv bench --rounds {found['rounds']}`, kept in "
        "`benchmarks/results/conv_bench.json`: every implementation in a process of its own, torch's timed in turn with it in every "
        "round; fp32; *backward* is both gradients; times are medians, ratios medians of the rounds' ratios to torch on tensors in "
        "its default layout; *peak* is by how much the resident set rises beyond what is given and returned in the hungriest of "
        "the three functions, *stated* what the implementation's own formula says of it. Multiply-adds a second are the "
        "definition's. ~: timed on a slice and scaled. docs/convolution.md explains the implementations.\n"
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
    text += f"\nIn {sum(map(unsteady, done))} of {len(done)} rows the rounds differ by more than half: other work on the machine.\n"
    return (
        text
        + f"\nBest fp32 matrix product on the machine: torch {best['torch']:.0f}, numpy {best['numpy']:.0f} GMAC/s, square, of "
        + f"{', '.join(str(size['size']) for size in found['matmul']['sizes'])}.\n"
        + machine(found["environment"])
    )


def summary() -> str:
    """The README's table."""
    rows = []
    for name in ORDER:
        if entry := read(f"catalog/{name}"):
            runs = entry["runs"]
            seconds = statistics.fmean(run["median_epoch_seconds"] for run in runs)
            rows.append(
                [
                    f"`{name}`",
                    REPORTED.get(name, {"test": ""})["test"],
                    spread([run["test"]["accuracy"] for run in runs], 100),
                    str(len(runs)),
                    str(runs[0]["epochs"]),
                    brief(seconds * runs[0]["epochs"]),
                ]
            )
    text = table(["entry", "reported test %", "test %", "seeds", "epochs", "training s (median epoch × epochs)"], rows)
    quick = read("time_to_accuracy")
    if quick:
        parts = [
            f"{what['times_sooner']:.0f} times sooner at {100 * what['reference']['target']:.2f} % with `{what['fast']}`"
            for what in quick["cases"].values()
            if what["reached"]
        ]
        text += f"\nOn 2 cores, against the reference's recipe in the plain loop: {'; '.join(parts)}.\n"
    verified = [(name, entry["runs"]) for name in VERIFIERS if (entry := read(f"catalog/{name}"))]
    if verified:
        each = [
            f"`{name}` {spread([run['test']['pair_accuracy'] for run in runs], 100)} % (n = {len(runs)})"
            for name, runs in verified
        ]
        text += f"\nSame class or not, right of balanced test pairs: {', '.join(each)}.\n"
    return text


def readme() -> str:
    """README.md with its table as the files say."""
    before, rest = README.read_text().split(MARKS[0])
    return before + MARKS[0] + "\n" + summary() + MARKS[1] + rest.split(MARKS[1])[1]


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
        f"Do both train to the same weights? `python benchmarks/convolution.py epoch` ({found['epoch']['experiment']}):\n\n"
        + table(header, rows)
        + f"\nIn float64, where torch's own convolution is im2col as well, the same epoch ends with weights that differ by\n"
        f"{found['epoch']['float64']:.0e} at most. In fp32 even torch does not come out within 1e-4 of itself when only its\n"
        "threads or its library change: the first rounding that decides which of two nearly equal pixels is the maximum, or\n"
        "whether a ReLU is open, sends training along another path, and after 938 steps weights are up to 0.01 apart while\n"
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
        f"`python benchmarks/convolution.py equivariance`: {what['digits']} MNIST digits on a black border, {what['kernels']} random 5x5 "
        f"kernels, shift T by {what['shift'][0]} rows and {what['shift'][1]} columns, R a quarter turn; |a - b| / |b| over all numbers:\n\n"
        + table(["a against b", "relative difference"], rows)
        + f"\nAnd a trained network ({net['experiment']}) on {net['images']} validation images it did not train on, changed: its "
        "convolutions are equivariant, its dense layers know where a stroke should be.\n\n"
        + table(["image", "accuracy %"], answers)
    )


def ladder(found: dict) -> str:
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
        f"On `{shape['shape']}` the best by hand is `{best}`: {rows[best]['ratio']['total']:.2f} times torch's forward and backward, "
        f"{rows[best]['ratio']['forward']:.2f} times its forward. Compiled loops do {rate['compiled'] / rate['loops']:.0f} times the "
        f"multiply-adds a second\nof Python's (timed on a slice). Quicker than torch: {'; '.join(beats) or 'none'}.\n"
        f"torch's convolution does {rows['torch']['gigamacs_per_second']['total']:.0f} GMAC/s here, its matrix product "
        f"{found['matmul']['gigamacs_per_second']['torch']:.0f} at most: another library, which knows this processor less well. So\n"
        "what is made of matrix products cannot come near, unless it needs fewer multiplications. `einsum`, which makes the patches of "
        f"the\nwhole batch, needs {max(rows['einsum']['memory_bytes']) / 1e6:.0f} MB on the way, `im2col`, which makes them of a few "
        f"images at a time, {max(rows['im2col']['memory_bytes']) / 1e6:.0f} MB.\n"
        "All tables: [docs/results.md](results.md#convolution-the-ladder).\n\n![Times and memory of every implementation]"
        "(convolution/bench.png)\n"
    )


def check(found: dict) -> str:
    keys = ("forward", "input gradient", "weight gradient", "differences", "adjoint")
    rows = [
        [f"`{one['rung']}`", str(one["checked"]), str(one["refused"]), *(f"{one['worst'][key]:.1e}" for key in keys)]
        for one in found["rows"]
    ]
    return table(["implementation", "configurations", "refused", *keys], rows)


def convolution_page() -> str:
    """docs/convolution.md with its measured parts as the files say."""
    made = {"epoch": epoch, "equivariance": equivariance, "ladder": ladder, "check": check}
    files = {"epoch": "convolution", "equivariance": "convolution", "ladder": "conv_bench", "check": "conv_check"}
    return filled(
        CONVOLUTION, {name: made[name](found) if (found := read(file)) else "" for name, file in files.items()}
    )


def comparing_page() -> str:
    """docs/comparing.md with its examples as the files say."""
    quotes = {
        "recipes": ("mnist-mlp-vs-cnn", ("cnn", "mlp"), "test"),
        "rotation": ("mnist-augmentation", ("rotation", "none"), "test"),
        "flip": ("mnist-augmentation", ("flip", "none"), "validation"),
    }
    parts = {name: study_tables.quoted(*what) for name, what in quotes.items()}
    return filled(COMPARING, {"published": study_tables.published(), "singles": study_tables.singles(), **parts})


def representations_page() -> str:
    """docs/representations.md with its tables as the files say."""
    of = {
        "kinds": "cifar10-autoencoders",
        "sizes": "cifar10-representation-size",
        "depth": "cifar10-depth",
        "four": "cifar10-ae-vs-pca-tsne-vae",
        "start": "fashion-encoder-classifier",
    }
    parts = {name: study_tables.in_short(study, table) for name, study in of.items()}
    return filled(REPRESENTATIONS, {**parts, "probes": study_tables.probed("cifar10-knn", table)})


def similarity_page() -> str:
    """docs/similarity.md with its tables as the files say."""
    parts = {
        "study": study_tables.in_short("cifar10-siamese", table),
        "best": verified("cifar10-siamese-fast"),
        "errors": errors("cifar10-siamese-fast"),
        "unseen": verified("fashion-siamese-unseen"),
    }
    return filled(SIMILARITY, parts)


def errors(name: str) -> str:
    """A verifier's account of its wrong answers, and the pairs of classes that it confuses most."""
    found = read(f"catalog/{name}")
    if not found:
        return ""
    text = "".join(f"> **{about}.** {' '.join(sentences)}\n>\n" for about, sentences in found["account"])
    rows = [
        [" and ".join(dict.fromkeys(row["classes"])), str(row["pairs"]), str(row["wrong"]), f"{row['distance']:.3g}"]
        for row in found["confused"]
    ]
    return text.removesuffix(">\n") + "\n" + table(["classes", "test pairs", "answered wrongly", "mean distance"], rows)


def filled(path: Path, parts: dict[str, str]) -> str:
    """A page with what stands between its marks made anew."""
    text = path.read_text()
    for name, made in parts.items():
        begin, end = f"<!-- {name}: made by python benchmarks/tables.py -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        text = before + begin + "\n" + made + end + rest.split(end)[1]
    return text


SEEN = """
## What was seen before

These rows are not the first look at every test split, nor the first measurement:

- `cifar10-cnn` was first run with torchvision's default crop scale (from 8 % upwards) and stopped after 21 of 50 epochs, its
  watched test curve at 59 %. The scale of the row, from one half upwards, was chosen because of that curve, not on validation.
- `mnist-cnn-fast` ran two epochs first; five seeds of that met the test split (about 99.1 %). It was cut to one epoch, a
  setting already tried on validation, to be ten times sooner than the reference. `cifar10-cnn-fast` was cut from 14 epochs to 10
  for the same reason, before it met the test split.
- `mnist-cnn` was run twice with the same seed and the same answer (98.66 %), since other work had slowed the first.
- Throughput was measured three times to the end of a case or further. The plain loop's transforms were leaner at first (69 to 88
  microseconds an image for `mnist-cnn`) and were then made to do, step for step, what torchvision's ToTensor and Normalize do, which
  slows that arm. The run before the one shown had a floor over 100 batches again and again, which can stay in the cache:
  (engine − augment) / floor was then 1.23 and 1.08 (R3, fp32 and bf16), 1.11 and 1.06 (R5). The floor now sees each batch once.
- The test split of `mnist-varres` was met once, by a network trained on 6 000 of its images for four epochs while the code for
  several sizes was tried (91.7 %); nothing was chosen by it. Epochs, rates to be tried and comparisons of the studies were written
  down before the first of their runs, but for what follows. Two epochs for `mnist-resolution` and four for `cifar10-activations`
  are what time allowed: a network that learns slowly is judged by how far it has come then.
- `mnist-resolution` was begun once before, with a cosine from the full rate and three rates searched. At 1e-2, which the search's one
  seed chose, mean pooling at true sizes came to 11, 93, 92, 43 and 11 % on validation images with five seeds. It was stopped before any
  run met the test split; for all cases alike a warm-up and a limit on the gradient's norm were added, and two rates are searched.
- `digits`, `digits-autoencoder`, `digits-encoder-classifier` and `digits-smoke` met their 360 test images many times while the code was
  built; nothing was chosen by them. The recipe of `cifar10-autoencoder` was chosen among tries on
  validation images (below).
- The autoencoders' test splits were met before by rows that are gone: `fashion-autoencoder` on all 30 000 images (test MSE 0.00930),
  `cifar10-autoencoder` with 3x3 kernels (0.01128). The recipes of today were not chosen by these. An equal run serves every study that
  asks for it: cases of `cifar10-representation-size`, `cifar10-knn` and `cifar10-ae-vs-pca-tsne-vae` met the test split in one another,
  once each, and the probes of the last two once more. `cifar10-depth` was begun with three seeds and cut to two for want of time, before
  any of its runs met the test split.
- `mnist-siamese` and `fashion-siamese-unseen` were run once before in bf16, with one seed (99.29 %; 92.65 and 67.86 %), on another machine
  that computes it; they are in fp32 now because a processor without bf16 takes many times as long to emulate it (`smallvision run
  cifar10-autoencoder data.limit=4000 data.validation=1000 recipe.epochs=1 protocol.test=never`: 2 152 microseconds an image, and 291 with
  `recipe.precision=fp32`, one run each on AVX2). Nothing else was changed.
  The verifiers and `cifar10-siamese` are of a processor with AVX2; the rows of bf16 of one with wider instructions. Their
  seconds are not to be compared.
- `cifar10-siamese` was first finished with seeds 0 to 2, of which the winner and the baseline (the same two as now) met the test split;
  then seeds 4 and 5 were added to all cases, so that its verdicts speak of recipes. Nothing else was changed; each run met it once.
- The training images nearest to the galleries of `cifar10-siamese-fast` were looked for anew, among all training images instead of a
  fifth of them, after its run, by the function that writes them and from its own representations; no figure changed. The three tries of
  its recipe were run from a file of the same content before the entry had its name.
- In the time to accuracy the reference's seconds were computed again from the throughput shown, our runs were not repeated.
"""


def page() -> str:
    studies = study_tables.studies(table, machine)
    measured_here = verifiers() + representations() + time_to_accuracy() + throughput() + convolution()
    return INTRODUCTION + catalog() + autoencoders() + studies + measured_here + tuning() + SEEN


PAGES = {
    PAGE: page,
    README: readme,
    CONVOLUTION: convolution_page,
    COMPARING: comparing_page,
    REPRESENTATIONS: representations_page,
    SIMILARITY: similarity_page,
}


def main() -> None:
    if "--check" in sys.argv:
        sys.exit(any(path.read_text() != text() for path, text in PAGES.items()))
    for path, text in PAGES.items():
        path.write_text(text())


if __name__ == "__main__":
    main()
