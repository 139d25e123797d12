"""docs/results.md: what was measured, on two screens, with a link to the page of each study and topic."""

import statistics
from dataclasses import replace
from typing import Any

import interval_plot
import judged
import study_pages
from catalog_tables import AUTOENCODERS, VERIFIERS, data_of, in_order, summary
from layout import empty_row, machine, spread, table
from results import read
from study_tables import read as read_study

from smallvision.experiment import load_study

INTRODUCTION = """# Results

Made by `python benchmarks/tables.py` from the files in `benchmarks/results/`; each page names the command that measures
its figures again. Every run meets the test split once, at the end, and nothing is chosen by it. Where a reference draws
a test curve, the row watches one, too. CIFAR-10 is a copy whose images went once through JPEG: compare its figures with
one another, not with figures on the original images.

| page | what it holds |
| --- | --- |
| [The catalog](results/catalog.md) | all figures of every entry: loss, size, precision, looks at the test split |
| [Speed](results/speed.md) | throughput, time to the reference's accuracy, what a study, pairs and PCA cost |
| [Convolution](results/convolution.md) | eight implementations on six shapes |
| [Several sizes](results/resolution.md) | what images of several sizes cost |
| [Tuning](results/tuning.md) | what was tried for the recipes |
| [Verdicts](results/verdicts.md) | how often the rules of verdicts are right, in simulated studies |
| [What was seen before](results/seen-before.md) | looks and measurements that these pages do not show |

How verdicts are made: [docs/comparing.md](comparing.md). What happens when runs are killed and files damaged:
[docs/reliability.md](reliability.md).
"""
# What the reference systems conclude, from one run each: the claim, their figures, and the study and pair that test it.
# The cases of a pair differ in what the claim is about and in nothing else.
CLAIMS = (
    (
        "A CNN beats an MLP on MNIST, with fewer parameters",
        "98.46 against 96.4 %",
        "mnist-mlp-vs-cnn",
        ("cnn", "mlp"),
    ),
    (
        'Rotations help on MNIST, by "almost 1 %"',
        "99.07 against 98.93 %",
        "mnist-augmentation",
        ("rotation", "none"),
    ),
    (
        "Global max pooling is worse than mean pooling",
        "86.00 against 86.26 %",
        "mnist-resolution",
        ("true sizes with max pooling", "true sizes with mean pooling"),
    ),
    (
        "Resizing is better than true sizes",
        "95.07 against 85.87 %",
        "mnist-resolution",
        ("true sizes with mean pooling", "28 pixels with mean pooling"),
    ),
)


def page() -> str:
    """docs/results.md, whole."""
    return INTRODUCTION + "".join([classifiers(), claims(), studies(), autoencoders(), verifiers(), speed()])


def figure() -> str:
    """docs/figures/studies.svg: the interval of each study's answer."""
    every = [(name, found) for name in study_pages.names() if (found := read_study(name))]
    rows = [(name, one) for name, found in every if (one := study_pages.answered(found))]
    panels: dict[str, list[interval_plot.Interval]] = {}
    for name, one in rows:
        (panel,) = judged.panels(name, [one])
        title = panel.title.partition(": ")[2]
        row = replace(panel.intervals[0], name=name)
        panels.setdefault(title[:1].upper() + title[1:], []).append(row)
    return interval_plot.svg([interval_plot.Panel(title, some) for title, some in panels.items()])


def classifiers() -> str:
    return (
        "\n## The catalog\n\nAccuracy on the test images. ± is the standard deviation over seeds; a single seed says "
        "nothing of others, and [the catalog's page](results/catalog.md) has its interval over images.\n\n" + summary()
    )


def claims() -> str:
    """The references' claims, each beside the comparison that tests it."""
    rows = []
    for claim, reported, name, pair in CLAIMS:
        found = read_study(name)
        about = [one for one in found["verdicts"] if set(one["pair"]) == set(pair)] if found else []
        best = next((one for one in about if one["split"] == "test"), about[0] if about else None)
        if found is None or best is None:
            rows.append([claim, reported, "not measured"])
            continue
        epochs = load_study(name).base.recipe.epochs
        split = f"{best['split']} images, {epochs} epochs, {_seeds(best)}"
        said = f"{judged.claim(name, best)}, {split}: {_scores(best)}, {_lead(name, best)}"
        rows.append([claim, reported, said])
    return "\n## The references' claims\n\nThe references have one run of each side. Ours:\n\n" + table(
        ["claim", "reported", "our study"], rows
    )


def studies() -> str:
    """A line for each study, and the intervals of the answers in one figure."""
    rows = []
    for name in study_pages.names():
        found = read_study(name)
        link = f"[`{name}`](results/{name}.md)"
        if found is None:
            rows.append([link, load_study(name).question, "not measured"])
            continue
        one = study_pages.answered(found)
        said = f"{judged.claim(name, one)}, {_lead(name, one)}, {_seeds(one)}" if one else "nothing was compared"
        rows.append([link, load_study(name).question, said])
    return (
        "\n## What the studies answer\n\nThe best case on validation images beside the baseline, on test images "
        "(where both are one, beside the next best, on validation images). Points are percentage points; of "
        "autoencoders the error is compared. In brackets the interval. With fewer than five seeds a side, the answer "
        "is about these trained networks, not about the recipe.\n\n"
        "![The answer of every study with its interval](figures/studies.svg)\n\n"
        + table(["study", "question", "answer"], rows)
    )


def autoencoders() -> str:
    """Errors beside those of PCA."""
    header = ["entry", "data", "values", "test MSE", "PCA's MSE", "against PCA", "typical error of a pixel", "seeds"]
    rows = []
    for name in in_order(AUTOENCODERS, "reconstruct"):
        entry = read(f"catalog/{name}")
        if entry is None:
            rows.append(empty_row(name, header, test_MSE="not measured"))
            continue
        test = [run["test"] for run in entry["runs"]]
        mse, pca = (statistics.fmean(one) for one in ([a["mse"] for a in test], [a["pca"]["mse"] for a in test]))
        rows.append(
            [
                f"`{name}`",
                data_of(name),
                str(test[0]["pca"]["components"]),
                spread([one["mse"] for one in test], 1, 5),
                f"{pca:.5f}",
                f"{100 * (mse / pca - 1):+.1f} %",
                f"{255 * mse**0.5:.0f} of 255 grey levels",
                str(len(test)),
            ]
        )
    return (
        "\n## Autoencoders\n\nMean squared error of pixels in [0, 1], beside exact PCA with as many values; its square "
        "root is how far a pixel typically is from the original: 0.01 is 0.1, or 26 of 255 grey levels.\n\n"
        + table(header, rows)
    )


def verifiers() -> str:
    """Are two images of one class?"""
    header = ["entry", "data", "pairs that are right %", "AUC", "seeds"]
    rows = []
    for name in in_order(VERIFIERS, "verify"):
        entry = read(f"catalog/{name}")
        if entry is None:
            rows.append(empty_row(name, header, **{"pairs_that_are_right_%": "not measured"}))
            continue
        for split in (split for split in ("test", "unseen") if split in entry["runs"][0]):
            scores = [run[split] for run in entry["runs"]]
            unseen = ", classes never seen" if split == "unseen" else ""
            right = spread([one["pair_accuracy"] for one in scores], 100)
            auc = spread([one["auc"] for one in scores], digits=4)
            rows.append([f"`{name}`", data_of(name) + unseen, right, auc, str(len(scores))])
    return (
        "\n## Verifiers: are two images of one class?\n\nBalanced pairs of test images, half of them of one class.\n\n"
        + table(header, rows)
    )


def speed() -> str:
    """The engine beside the loop that most people write, and what all of it ran on."""
    found, text = read("throughput"), "\n## Speed\n\n"
    if found:
        rows = []
        for case, what in found["cases"].items():
            walls = [f"{what['microseconds'][arm]['wall']:.0f}" for arm in ("loop fp32", "engine fp32")]
            ratios = [f"{what['ratios'][name]:.2f}" for name in ("loop over engine fp32", "engine over floor fp32")]
            rows.append([f"`{case}`", *walls, *ratios])
        text += (
            "A training step in fp32, microseconds an image (medians, and medians of ratios); the floor is forward, "
            "backward and optimiser step on "
            "batches that are ready in memory, augmentation aside. [All measurements](results/speed.md).\n\n"
        )
        header = ["network", "plain loop", "smallvision", "times the loop", "over the floor"]
        text += table(header, rows) + f"\n{machine(found['environment'])}"
    else:
        text += "Not measured: `python benchmarks/throughput.py`.\n"
    return text + "\nThe other pages name the machine of their figures below them.\n"


def _lead(name: str, one: dict[str, Any]) -> str:
    """ "2.3 points (1.4 to 3.2)", or "error 4.2 % lower (4.0 to 4.4)"."""
    measure, lead = judged.verdict(one).measure, judged.interval(name, one)
    if measure is None or measure.share:
        return lead.numbers.replace(" (", " points (", 1)
    return f"error lower by {lead.numbers.replace(' (', ' % (', 1)}"


def _scores(one: dict[str, Any]) -> str:
    a, b = sorted(one["accuracies"], reverse=True)
    return f"{100 * a:.2f} against {100 * b:.2f} %"


def _seeds(one: dict[str, Any]) -> str:
    a, b = one["runs"]
    return f"{a} seeds each" if a == b else f"{a} and {b} seeds"
