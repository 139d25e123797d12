"""What the catalog's experiments reached, as Markdown: classifiers, autoencoders, verifiers, and README.md's table."""

import statistics

from layout import brief, empty_row, machines, not_measured, spread, table
from results import read

from smallvision.data.datasets import lookup
from smallvision.experiment import catalog as entries
from smallvision.experiment import load

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
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "digits": "8x8 digits"}
AUTOENCODERS = (
    "digits-autoencoder",
    "fashion-autoencoder",
    "cifar10-autoencoder-10",
    "cifar10-autoencoder",
    "cifar10-autoencoder-100",
)
VERIFIERS = ("digits-siamese", "mnist-siamese", "fashion-siamese-unseen", "cifar10-siamese-fast")


def in_order(order: tuple[str, ...], task: str) -> list[str]:
    """The catalog's experiments with a task: those of an order that are there still, then the new ones."""
    there = [name for name in entries() if load(name).task.kind == task]
    return [name for name in order if name in there] + [name for name in there if name not in order]


def measured(names: list[str]) -> list[dict]:
    """The results of some experiments, without those that are not measured."""
    return [entry for name in names if (entry := read(f"catalog/{name}"))]


def catalog() -> str:
    header = [
        "entry",
        "reported test %",
        "test %",
        "seeds",
        "reported train %",
        "train %",
        "test loss (nats)",
        "parameters",
        "multiply-adds",
        "precision",
        "epochs",
        "s an epoch (median)",
        "looks",
    ]
    names, rows = in_order(ORDER, "classify"), []
    for name in names:
        entry, reported = read(f"catalog/{name}"), REPORTED.get(name, {"test": "", "train": ""})
        if entry is None:
            reports = {"reported_test_%": reported["test"], "reported_train_%": reported["train"]}
            rows.append(empty_row(name, header, **{"test_%": "not measured"}, **reports))
            continue
        runs = entry["runs"]
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
    return (
        "\n## Classifiers, reported beside ours\n\n`python benchmarks/catalog.py NAME --seeds N`. ± is the standard "
        "deviation over seeds; one seed has Wilson's 95 % interval over its test images instead. Seconds here are of "
        "whole runs, some of which shared the machine with other work: speeds are compared in "
        "[Speed](speed.md). The `fashion-cnn` entries have five of the ten classes of Fashion-MNIST.\n\n"
        + table(header, rows)
        + "\n"
        + machines(measured(names))
    )


def autoencoders() -> str:
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
        "s an epoch (median)",
        "looks",
    ]
    names, rows = in_order(AUTOENCODERS, "reconstruct"), []
    for name in names:
        entry = read(f"catalog/{name}")
        if entry is None:
            rows.append(empty_row(name, header, test_MSE="not measured"))
            continue
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
    return (
        "\n## Autoencoders, beside exact PCA\n\n`python benchmarks/catalog.py NAME`. MSE of pixels in [0, 1], whatever "
        "the network was given; PCA is exact, of the training images, with as many components as the representation "
        "has values, on the same test images. The reference autoencoder of Fashion-MNIST has an MSE of 0.5163 "
        "(`fashion-autoencoder`): its targets lay in [-1, 1] and its output ended in a ReLU, which cannot go below 0, "
        "so that every dark pixel cost 1 at best. Here the output can reach its targets; an experiment in which it "
        "cannot is refused.\n\n" + table(header, rows) + "\n" + machines(measured(names))
    )


def verified(*names: str) -> str:
    """The table of some verifiers."""
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
        "epochs",
        "training s",
        "looks",
    ]
    rows = []
    for name in names:
        entry = read(f"catalog/{name}")
        if entry is None:
            rows.append(empty_row(name, header, **{"accuracy_%": "not measured"}))
            continue
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
    return table(header, rows)


def verifiers() -> str:
    """Are two images of one class?"""
    names = in_order(VERIFIERS, "verify")
    return (
        "\n## Verifiers: are two images of one class?\n\n`python benchmarks/catalog.py NAME --seeds N`. Balanced "
        "pairs; threshold and calibration were fitted on validation pairs. ± is the standard deviation over seeds; one "
        "seed has the 95 % interval of an image-level bootstrap. TAR: true accepts, FAR: false accepts, EER: equal "
        "error rate, ECE: expected calibration error (15 bins of equally many pairs). The recipe of "
        "`cifar10-siamese-fast` was found on validation images ([tuning](tuning.md)); the others were "
        "written down and not tuned. "
        "[docs/similarity.md](../similarity.md) says what follows from them.\n\n"
        + verified(*names)
        + "\n"
        + machines(measured(names))
        + "\n### What cifar10-siamese-fast gets wrong\n\nFrom its report, of test pairs:\n\n"
        + errors("cifar10-siamese-fast")
    )


def errors(name: str) -> str:
    """A verifier's account of its wrong answers, and the pairs of classes that it confuses most."""
    found = read(f"catalog/{name}")
    if not found:
        return not_measured(f"catalog/{name}")
    text = "".join(f"> **{about}.** {' '.join(sentences)}\n>\n" for about, sentences in found["account"])
    rows = [
        [" and ".join(dict.fromkeys(row["classes"])), str(row["pairs"]), str(row["wrong"]), f"{row['distance']:.3g}"]
        for row in found["confused"]
    ]
    return text.removesuffix(">\n") + "\n" + table(["classes", "test pairs", "answered wrongly", "mean distance"], rows)


def data_of(name: str) -> str:
    """What images an entry is about: "Fashion-MNIST, 5 of 10 classes"."""
    data = load(name).data
    title, every = TITLES.get(data.source, data.source), len(lookup(data.source).classes)
    return f"{title}, {len(data.classes)} of {every} classes" if data.classes else title


def summary() -> str:
    """The table of README.md and docs/results.md."""
    header = ["entry", "data", "reported test %", "test %", "seeds", "epochs", "training s"]
    rows = []
    for name in in_order(ORDER, "classify"):
        entry, reported = read(f"catalog/{name}"), REPORTED.get(name, {"test": ""})["test"]
        if entry is None:
            cells = {"data": data_of(name), "reported_test_%": reported, "test_%": "not measured"}
            rows.append(empty_row(name, header, **cells))
            continue
        runs = entry["runs"]
        seconds = statistics.fmean(run["median_epoch_seconds"] for run in runs)
        rows.append(
            [
                f"`{name}`",
                data_of(name),
                reported,
                spread([run["test"]["accuracy"] for run in runs], 100),
                str(len(runs)),
                str(runs[0]["epochs"]),
                brief(seconds * runs[0]["epochs"]),
            ]
        )
    return table(header, rows) + sooner()


def sooner() -> str:
    """How much sooner the reference's accuracy is reached, with what that leaves out."""
    found = read("time_to_accuracy")
    cases = [(name, what) for name, what in found["cases"].items() if what["reached"]] if found else []
    if not cases:
        return ""
    lines = [
        f"`{what['fast']}` trains to {100 * what['accuracy_mean']:.2f} % in {brief(what['seconds_mean'])} s "
        f"({brief(what['whole_seconds_mean'])} s with start-up, loading, scoring and report); `{name}` in a plain "
        f"loop takes {brief(what['reference']['seconds'])} s of training alone to "
        f"{100 * what['reference']['target']:.2f} %: {what['times_sooner']:.0f} times as long as our "
        f"training, {what['times_sooner_whole']:.1f} times as long as our whole process."
        for name, what in cases
    ]
    return (
        "\nOn 2 cores: "
        + " ".join(lines)
        + " Our recipes train in bf16; the plain loop's seconds are extrapolated from timed steps of one seed's run in "
        "fp32.\n"
    )


def verified_in_short() -> str:
    """A sentence of how many pairs the catalog's verifiers get right."""
    each = []
    for name in in_order(VERIFIERS, "verify"):
        entry = read(f"catalog/{name}")
        runs = entry["runs"] if entry else []
        pairs = [run["test"]["pair_accuracy"] for run in runs]
        right = f"{spread(pairs, 100)} % (n = {len(runs)})" if runs else "not measured"
        each.append(f"`{name}` {right}")
    return f"\nSame class or not, right of balanced test pairs: {', '.join(each)}.\n"
