"""What takes how long, and what was tried for the recipes, as Markdown."""

import statistics

import edges
from layout import machine, not_measured, spread, table
from results import content, current, metric_in, read


def pairs() -> str:
    """How long 100 000 pairs take."""
    found = read("pairs")
    if not found:
        return "\n" + not_measured("pairs")
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
        f"\n`python benchmarks/pairs.py`: {found['pairs']} pairs of {found['images']} images that are encoded already, "
        f"medians of {found['arms'][0]['rounds']} rounds. Judged: distance and the head's score; figures: "
        "probabilities, accuracy, AUC, equal error rate, true accepts, calibration error.\n\n"
        + table(["head", "values", "judged s", "figures s", "CPU s, both"], rows)
        + "\n"
        + machine(found["environment"])
    )


def representations() -> str:
    """How long the tools for representations take."""
    found = read("representations")
    if not found:
        return "\n## Tools for representations\n\n" + not_measured("representations")

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
        f"`python benchmarks/representations.py`: {found['rounds']} rounds in turn in one process, medians. Ours takes "
        "floats and gives distances in doubles; scikit-learn's brute force gives as many digits as it is given (by "
        "cosine; by Euclidean distance it sums in doubles anyway). Differences are from scikit-learn on doubles. Of "
        "floats by cosine, scikit-learn's are the quicker, to float precision.\n\n"
        + table(["what", "ours, s", "scikit-learn on floats, s", "on doubles, s", "the same?"], rows)
        + "\n"
        + machine(found["environment"])
    )


def time_to_accuracy() -> str:
    found = read("time_to_accuracy")
    if not found:
        return "\n## Time to the reference's accuracy\n\n" + not_measured("time_to_accuracy")
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
        "\n## Time to the reference's accuracy\n\n`python benchmarks/time_to_accuracy.py`. The reference recipe in the "
        "plain loop is extrapolated from its timed steps (`throughput.py` says how many) to the first epoch at which "
        "its watched test curve reaches the target, start-up and "
        "scoring left out; ours are whole runs. In brackets even our start-up, data loading, scoring and report count "
        "against it.\n\n" + table(header, rows) + "\n" + machine(found["environment"])
    )


def throughput() -> str:
    found = read("throughput")
    if not found:
        return "\n## Throughput\n\n" + not_measured("throughput")
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
        f"\n## Throughput\n\n`python benchmarks/throughput.py`: {found['rounds']} rounds, every measurement in a "
        "process of its own, arms in turn; microseconds of a training step an image, medians. *loop* is a DataLoader "
        "of Pillow images with per-image transforms and `.item()` each step, at its best number of workers (their CPU "
        "time is not counted), always fp32; *floor* is forward, backward and optimiser step on float batches already "
        "in memory, *bare* the same in a process whose malloc is not told to keep what a step frees; *augment* is the "
        "engine's augmentation alone.\n\n"
        + table(["network", "arm", "precision", "wall", "least to most", "CPU"], rows)
        + "\n(engine − augment) / floor at equal precision, and how many times faster than the loop; medians of each "
        "round's ratios:\n\n"
        + table(["network", "precision", "over the floor", "over the bare floor", "times the loop"], ratios)
        + "\n"
        + machine(found["environment"])
    )


def tuning() -> str:
    """The tries of the recipes of today; of older ones nothing is shown."""
    found, rows = content("tuning"), []
    tries = [one for one in found["tries"] if current(one)] if found else []
    if not tries:
        return "\n" + not_measured("tuning")
    for one in tries:
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
        "\n`python benchmarks/tune.py`: validation images only, seed 0, one try "
        "each, so differences of a few tenths of a per cent are noise. Accuracies, and of autoencoders mean squared "
        "errors.\n\n"
        + table(["entry", "overrides", "validation", "loss", "train", "epochs"], rows)
        + "\nBest tries beside those that differ from them in one key:\n\n"
        + (edges.told(edges.of_tries(tries)) or "- None is at an edge of what was tried.\n")
    )
