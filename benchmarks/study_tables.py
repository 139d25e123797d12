"""What the committed studies say, as Markdown: their tables in docs/results.md, the examples of docs/comparing.md."""

import statistics
from decimal import Decimal
from typing import Any

import edges
from layout import machine, not_measured, table
from results import metric_in
from results import read as result

from smallvision.experiment import studies as entries
from smallvision.stats.verdict import compare_published, judge
from smallvision.stats.wording import points

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

# What the reference systems conclude, from one run each: the claim, their figures, and the study and pair that test it.
CLAIMS = (
    (
        "A CNN beats an MLP on MNIST, with fewer parameters (R3.4)",
        "98.46 against 96.4 %",
        "mnist-mlp-vs-cnn",
        ("cnn", "mlp"),
    ),
    (
        'Rotations help on MNIST, by "almost 1 %" (R4.9)',
        "99.07 against 98.93 %",
        "mnist-augmentation",
        ("rotation", "none"),
    ),
    (
        "Global max pooling is worse than mean pooling (R4.16)",
        "86.00 against 86.26 %",
        "mnist-resolution",
        ("true sizes with max pooling", "true sizes with mean pooling"),
    ),
    (
        "Resizing is better than true sizes (R4.17)",
        "95.07 against 85.87 %",
        "mnist-resolution",
        ("true sizes with mean pooling", "28 pixels with R4.8's network"),
    ),
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
PUBLISHED = (
    ("R4.9", ("rotation", "none"), "99.07", "98.93"),
    ("R4.16", ("mean pooling", "max pooling"), "86.26", "86.00"),
    ("R4.17", ("resized", "true sizes"), "95.07", "85.87"),
    ("R3.4", ("CNN", "MLP"), "98.46", "96.4"),
)


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


def verdicts(found: dict[str, Any]) -> str:
    lines = []
    for one in found["verdicts"]:
        beside = f" **Confounded:** {one['confound']}." if one["confound"] else ""
        lines.append(f"- {one['split']}: {one['sentence']}{beside}\n")
    return "".join(lines)


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


def studies() -> str:
    """The section of docs/results.md."""
    text = (
        "\n## Studies: the references' claims put to the test\n\n`python benchmarks/studies.py NAME` (`smallvision run "
        "NAME`, then what is below). Every case trains with the seeds given and chooses nothing by the test split: all "
        "comparisons that a study declares are judged together on validation images (Holm), then the best on "
        "validation and the baseline meet the test split, once. ± is the standard deviation over seeds; multiply-adds "
        "are of one image, of several sizes the largest. Seconds are of runs that shared the machine. "
        "docs/comparing.md says how to read a verdict.\n\n"
    )
    text += table(["claim", "reported", "our verdict"], list(claims()))
    for name in [*STUDIES, *(name for name in entries() if name not in STUDIES)]:
        found = read(name)
        if found is None:
            text += f"\n### `{name}`\n\n" + not_measured(f"studies/{name}")
            continue
        plan = found["plan"]
        made = f"{plan['workers']} workers of {plan['threads']} thread(s)"
        split = made if plan["workers"] else "The runs stood already, one thread each"
        most = max(run["looks"] for row in found["table"] for run in row["runs"])
        looks = {0: "never", 1: "once"}.get(most, f"up to {most} times")
        text += (
            f"\n### `{found['name']}`\n\n{found['question']}\n\n**{found['answer']['sentence']}**\n\n"
            + table(*rows(found))
            + "\n"
        )
        text += PCA if "pca" in found["table"][0].get("beside", {}).get("validation", {}) else ""
        text += (
            edges.told(edges.of_result(found))
            + verdicts(found)
            + sizes(found)
            + (probes(found) if "probes" in found else "")
        )
        text += f"\n{split}; the test split was met {looks} by a run that met it. " + machine(found["environment"])
    return text + resolution() + speed()


def in_short(name: str) -> str:
    """A study's table and its verdicts, for a page about something."""
    found = read(name)
    return not_measured(f"studies/{name}") if found is None else table(*rows(found)) + "\n" + verdicts(found)


def probed(name: str) -> str:
    """What the representations of a study's cases are good for, for a page about something."""
    found = read(name)
    return not_measured(f"studies/{name}") if found is None or "probes" not in found else probes(found).lstrip("\n")


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
    counts, told = first["counts"], [one for one in found["probe_verdicts"] if one.get("told")]
    text = (
        f"\nWhat the representations are good for: classifiers learn from {whole(counts['train'])} training images, k "
        f"and C are chosen on {whole(counts['chosen_on'])} "
        f"{'validation images' if first['chosen_on'] == 'validation' else first['chosen_on']}, and "
        f"{whole(counts['shown'])} {first['split']} images are shown; after every choice of the study, and once by "
        "each run. Nearest 8: training images of the image's own class among its 8 nearest by "
        "cosine.\n\n" + table(header, out)
    )
    said = "".join(f"- {one['split']}: {one['sentence']}\n" for one in told)
    return text + (
        f"\nOf {len(found['probe_verdicts'])} verdicts by the probes, judged together (Holm):\n\n{said}" if told else ""
    )


def speed() -> str:
    """What a study costs beside its runs one by one, in docs/results.md."""
    found = result("study")
    if found is None:
        return "\n### What a study costs\n\n" + not_measured("study")
    ways = {
        "study": "the study, its split measured",
        "one at a time": "the study, one worker, all threads",
        "all cores": "the study, a worker a core, one thread each",
        "one by one": "eight commands in a row",
    }
    out = []
    for name, what in found["studies"].items():
        for way, words in ways.items():
            times = what["seconds"][way]
            spread = f"{min(times):.1f} to {max(times):.1f}"
            out.append([name, words, f"{what['median'][way]:.1f}", spread, f"{what['to_study'][way]:.2f}"])
    turns = len(next(iter(found["studies"].values()))["seconds"]["study"])
    return (
        "\n### What a study costs\n\n`python benchmarks/study.py`: eight small runs in four ways, whole processes, "
        f"start-up and reports included; {turns} turns, ways in turn; medians, and medians of each turn's ratio to the "
        "study.\n\n"
        + table(["eight runs", "how", "seconds", "least to most", "times the study"], out)
        + f"\nMachine: {found['processor']}, {found['cores']} cores.\n"
    )


def claims() -> Any:
    for claim, reported, name, pair in CLAIMS:
        found = read(name)
        if found is None:
            yield [claim, reported, "not measured"]
            continue
        about = [one for one in found["verdicts"] if set(one["pair"]) == set(pair)]
        best = next((one for one in about if one["split"] == "test"), about[0])
        (a, b), (x, y), (low, high) = best["names"], best["accuracies"], best["interval"]
        if best["verdict"] == "B is better":
            a, b, x, y, low, high = b, a, y, x, -high, -low
        n = best["images"][0]
        said = "not distinguishable" if best["verdict"] == "not distinguishable" else f"{a} is better"
        gap = f"{points(x - y, n)} points ({points(low, n)} to {points(high, n)})"
        yield [claim, reported, f"{said}: {a} {points(x, n)} %, {b} {points(y, n)} %, {gap}, {best['split']} images"]


def resolution() -> str:
    """R4.13 and R4.14, from the study and from what the sizes cost."""
    cost, found = result("resolution"), read("mnist-resolution")
    if cost is None or found is None:
        return "\n### What several sizes cost\n\n" + not_measured(
            "resolution" if cost is None else "studies/mnist-resolution"
        )
    by = {one["arm"]: one for one in cost["arms"]}
    small, large = by["all at 28"], by["all at 64"]
    boxes, largest, alone = (
        by[f"own sizes, {how}"] for how in ("in buckets, masked", "all padded to the largest", "one size a batch")
    )
    lines = [
        [
            one["arm"],
            str(one["sizes"]),
            whole(one["batches"]),
            f"{100 * one['padding']:.1f}",
            whole(round(one["images_per_second"])),
            f"{one['cpu_microseconds']:.0f}",
        ]
        for one in cost["arms"]
    ]
    cases = {row["case"]: row for row in found["table"]}
    upscaled, true = cases["64 pixels with mean pooling"], cases["true sizes with mean pooling"]
    pair = next(
        one
        for one in found["verdicts"]
        if one["pair"] == ["64 pixels with mean pooling", "true sizes with mean pooling"]
    )
    rate = {name: whole(round(one["images_per_second"])) for name, one in by.items()}
    return (
        f"\n### What several sizes cost\n\n`python benchmarks/resolution.py`: R4.15's network, {whole(cost['digits'])} "
        f"digits, batches of {cost['batch_size']}, fp32; {len(cost['rounds'])} rounds, arms in turn, medians.\n\n"
        + table(["images", "sizes", "batches an epoch", "padding %", "images/s", "CPU us an image"], lines)
        + "\n**R4.13, why not resize all to 64?** An image of 64x64 has 5.2 times the pixels of one of 28x28, and the "
        f"network takes {small['images_per_second'] / large['images_per_second']:.1f} times as long over it "
        f"({rate['all at 28']} against {rate['all at 64']} images/s); enlarging adds no information to the smaller "
        f"ones. On validation images all at 64 reach {percent(upscaled['validation'])} %, the true sizes "
        f"{percent(true['validation'])} %: {pair['sentence'][:1].lower()}{pair['sentence'][1:]}\n\n**R4.14, one tensor "
        "for each resolution; and what if nearly every image has its own size?** With three sizes, one size a batch "
        f"does {rate['32, 48 and 64, one size a batch']} images/s. With {whole(alone['sizes'])} sizes for "
        f"{whole(cost['digits'])} images, one size a batch makes {whole(alone['batches'])} batches and does "
        f"{rate['own sizes, one size a batch']}; padding all to the largest wastes {100 * largest['padding']:.0f} % of "
        f"the pixels and does {rate['own sizes, all padded to the largest']}; buckets, padded and masked, waste "
        f"{100 * boxes['padding']:.0f} % and do {rate['own sizes, in buckets, masked']}, and give the answers of the "
        "unpadded images.\n\n" + machine(cost["environment"])
    )


def published() -> str:
    """The published figures of the references, for docs/comparing.md."""
    out = ""
    for where, names, a, b in PUBLISHED:
        (one,) = judge([compare_published(Decimal(a) / 100, Decimal(b) / 100, 10_000, names=names)])
        out += f"- {where}. {one.sentence}\n"
    return out


def singles() -> str:
    """What one run a side would have said, seed by seed, where five seeds say something else."""
    found = read("mnist-augmentation")
    if not found:
        return not_measured("studies/mnist-augmentation")
    pair = ["rotation", "none"]
    whole_study = next(one for one in found["verdicts"] if one["pair"] == pair and one["split"] == "validation")
    lines = "| seed | rotation % | none % | difference | p (McNemar) | verdict on these two networks |\n"
    lines += "| --- | ---: | ---: | ---: | ---: | --- |\n"
    names = {
        "A is better": "rotation is better",
        "B is better": "none is better",
        "not distinguishable": "not distinguishable",
    }
    for one in found["singles"]:
        if one["pair"] == pair:
            a, b = (f"{100 * share:.2f}" for share in one["accuracies"])
            lines += f"| {one['seed']} | {a} | {b} | {100 * one['difference']:+.2f} | {one['p']:.3g} "
            lines += f"| {names[one['verdict']]} |\n"
    return lines + f"\nAnd all five together: {whole_study['sentence']}\n"


def quoted(name: str, pair: tuple[str, str], split: str) -> str:
    """One verdict of a study, as a quotation."""
    found = read(name)
    if not found:
        return not_measured(f"studies/{name}")
    one = next(one for one in found["verdicts"] if one["pair"] == list(pair) and one["split"] == split)
    kinds = next(one for one in found["disagreements"] if one["pair"] == list(pair) and one["split"] == split)
    text = f"> `{name}`, {split} images. {one['sentence']}\n"
    counts = ", ".join(f"{title}: {whole(total)}" for title, total in kinds["kinds"].items())
    return text + f">\n> Of {whole(kinds['images'])} images. {counts[:1].upper()}{counts[1:]}.\n"
