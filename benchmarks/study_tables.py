"""The tables of the committed studies, as Markdown."""

import statistics
from typing import Any

from layout import table
from results import metric_in
from results import read as result

STUDIES = (
    "digits-smoke",
    "mnist-mlp-vs-cnn",
    "mnist-augmentation",
    "mnist-resolution",
    "cifar10-activations",
    "fashion-encoder-classifier",
    "cifar10-autoencoders",
    "cifar10-representation-size",
    "cifar10-depth",
    "cifar10-ae-vs-pca-tsne-vae",
    "cifar10-knn",
    "cifar10-siamese",
)
PCA = (
    "PCA is exact, fitted on the training images, with as many components (in brackets) as the representation has "
    "values; errors are of pixels in [0, 1]; PSNR and SSIM are of validation images; seconds an epoch are of runs that "
    "shared the machine.\n\n"
)
PROBES = {"knn-cosine": "kNN cosine", "knn-euclidean": "kNN Euclidean", "linear": "linear"}
SOURCES = {
    "representation": "its representation",
    "pixels": "raw pixels",
    "pca": "PCA of its size",
    "untrained": "untrained encoder",
}


def read(name: str) -> dict[str, Any] | None:
    return result(f"studies/{name}")


def percent(scores: dict[str, Any] | None, key: str = "accuracy") -> str:
    if not scores:
        return ""
    spread = f" ± {100 * scores[f'{key}_sd']:.2f}" if scores[f"{key}_sd"] is not None else ""
    return f"{100 * scores[key]:.2f}{spread}"


def whole(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def rows(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of a study: header and rows."""
    of = {"mse": reconstructions, "pair_accuracy": verifiers}.get(metric_in(found["table"][0]["validation"]).key)
    if of is not None:
        return of(found)
    searched = any(row["settings"] for row in found["table"])
    header = ["case", "validation %", "test %", "seeds", "parameters", "multiply-adds", "kB", "training s"] + [
        "found by search"
    ] * searched
    out = []
    for row in found["table"]:
        cells = [
            marked(found, row),
            percent(row["validation"]),
            percent(row.get("test")),
            str(len(row["runs"])),
            whole(row["parameters"]),
            whole(row["multiply_adds"]),
            f"{row['bytes'] / 1000:.0f}",
            f"{row['seconds']:.3g}",
        ]
        out.append(cells + [settings(row)] * searched)
    return header, out


def reconstructions(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of a study of autoencoders, whose errors stand beside PCA's with as many components."""
    every = found["table"]
    searched = any(row["settings"] for row in every)
    noisy = any("noisy_mse" in row["beside"]["validation"] for row in every)
    header = [
        "case",
        "validation MSE",
        "PCA's MSE",
        "to PCA",
        "PSNR (dB)",
        "SSIM",
        *["input's MSE"] * noisy,
        "test MSE",
        "seeds",
        "parameters",
        "MB",
        "s an epoch",
        *["found by search"] * searched,
    ]
    out = []
    for row in every:
        beside = row["beside"]["validation"]
        pca = beside.get("pca")
        noise = f"{beside['noisy_mse']:.5f}" if "noisy_mse" in beside else ""
        cells = [
            marked(found, row),
            error(row["validation"]),
            f"{pca['mse']:.5f} ({whole(pca['components'])})" if pca else "",
            to_pca(row["validation"]["mse"], pca["mse"]) if pca else "",
            f"{beside['psnr']:.2f}",
            f"{beside['ssim']:.4f}",
            *[noise] * noisy,
            error(row.get("test")),
            str(len(row["runs"])),
            whole(row["parameters"]),
            f"{row['bytes'] / 1e6:.3g}",
            f"{row['seconds_per_epoch']:.3g}",
        ]
        out.append(cells + [settings(row)] * searched)
    return header, out


def verifiers(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of a study of verifiers."""
    header = [
        "case",
        "validation pairs %",
        "AUC",
        "TAR at FAR 1 %",
        "ECE %",
        "precision at 1 %",
        "effective rank",
        "test pairs %",
        "seeds",
        "training s",
    ]
    out = []
    for row in found["table"]:
        beside = row["beside"]["validation"]
        shares = [f"{100 * beside[key]:.2f}" for key in ("true_accept_1", "calibration_error", "precision_at_1")]
        out.append(
            [
                marked(found, row),
                percent(row["validation"], "pair_accuracy"),
                f"{beside['auc']:.4f}",
                *shares,
                f"{beside['effective_rank']:.1f}",
                percent(row.get("test"), "pair_accuracy"),
                str(len(row["runs"])),
                f"{row['seconds']:.3g}",
            ]
        )
    return header, out


def marked(found: dict[str, Any], row: dict[str, Any]) -> str:
    """A case's name, with what it is in the study."""
    marks = [
        word
        for word, case in (("baseline", found["baseline"]), ("best", found["choice"]["winner"]))
        if case == row["case"]
    ]
    return str(row["case"]) + (f" ({', '.join(marks)})" if marks else "")


def settings(row: dict[str, Any]) -> str:
    """What a search found for a case."""
    return ", ".join(f"{key.rpartition('.')[2]} {value:g}" for key, value in row["settings"].items())


def error(scores: dict[str, Any] | None) -> str:
    """A mean squared error, with its spread over seeds."""
    if not scores:
        return ""
    spread = f" ± {scores['mse_sd']:.5f}" if scores["mse_sd"] is not None else ""
    return f"{scores['mse']:.5f}{spread}"


def to_pca(mse: float, pca: float) -> str:
    """An error's difference from PCA's: "-9.5 %", or from twice as much on "2.4 times"."""
    if not pca:
        return "PCA loses nothing"
    share = 100 * (mse / pca - 1)
    return f"{mse / pca:.1f} times" if share >= 100 else f"{share:+.1f} %"


def sizes(found: dict[str, Any]) -> str:
    """Accuracy by the size of the images, means over seeds, where they have several."""
    some = [row for row in found["table"] if row.get("by_size")]
    if not some:
        return ""
    names = ["×".join(map(str, one["size"])) for one in some[0]["by_size"][0]]
    lines = ["\nAccuracy by size of the image, % (mean over seeds; of the split that the case met last):\n\n"]
    lines += ["| case | " + " | ".join(names) + " |\n", "| --- |" + " ---: |" * len(names) + "\n"]
    for row in some:
        means = [statistics.fmean(run[place]["accuracy"] for run in row["by_size"]) for place in range(len(names))]
        lines.append(f"| {row['case']} | " + " | ".join(f"{100 * mean:.2f}" for mean in means) + " |\n")
    return "".join(lines)


def probes(found: dict[str, Any]) -> str:
    """What the representations of a study's cases are good for."""
    every = found["probes"]
    first = next(iter(every.values()))
    kinds = list(first["sources"][0]["probes"])
    header = [
        "features",
        "values",
        *(f"{PROBES[kind]} %" for kind in kinds),
        *(f"{PROBES[kind]}, macro F1" for kind in kinds),
        "nearest 8 %",
    ]
    out, pixels = [], []
    for case, what in every.items():
        for source in what["sources"]:
            if source in pixels:  # the same for all cases of the same images
                continue
            pixels += [source] if source["name"] == "pixels" else []
            scores = [source["probes"][kind] for kind in kinds]
            name = SOURCES[source["name"]] if source["name"] == "pixels" else f"{case}: {SOURCES[source['name']]}"
            out.append(
                [
                    name,
                    whole(source["size"]),
                    *(percent(one) for one in scores),
                    *(f"{one['macro_f1']:.3f}" for one in scores),
                    f"{100 * source['nearest_8']:.1f}",
                ]
            )
    counts = first["counts"]
    return (
        f"What the representations are good for: classifiers learn from {whole(counts['train'])} training images, k "
        f"and C are chosen on {whole(counts['chosen_on'])} "
        f"{'validation images' if first['chosen_on'] == 'validation' else first['chosen_on']}, and "
        f"{whole(counts['shown'])} {first['split']} images are shown; after every choice of the study, and once by "
        "each run. Nearest 8: training images of the image's own class among its 8 nearest by "
        "cosine.\n\n" + table(header, out)
    )
