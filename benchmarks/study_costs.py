"""What a study costs beside its runs one by one, and what images of several sizes cost, as Markdown."""

from judged import sentence
from layout import machine, not_measured, table
from results import read as result
from study_tables import percent, read, whole


def speed() -> str:
    """What a study costs beside its runs one by one, on docs/results/speed.md."""
    found = result("study")
    if found is None:
        return "\n## What a study costs\n\n" + not_measured("study")
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
        "\n## What a study costs\n\n`python benchmarks/study.py`: eight small runs in four ways, whole processes, "
        f"start-up and reports included; {turns} turns, ways in turn; medians, and medians of each turn's ratio to the "
        "study.\n\n"
        + table(["eight runs", "how", "seconds", "least to most", "times the study"], out)
        + f"\nMachine: {found['processor']}, {found['cores']} cores.\n"
    )


def resolution() -> str:
    """R4.13 and R4.14, from the study and from what the sizes cost."""
    cost, found = result("resolution"), read("mnist-resolution")
    if cost is None or found is None:
        return "\n" + not_measured("resolution" if cost is None else "studies/mnist-resolution")
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
    said = sentence("mnist-resolution", pair)
    rate = {name: whole(round(one["images_per_second"])) for name, one in by.items()}
    return (
        f"\n`python benchmarks/resolution.py`: the CNN of mnist-resolution, {whole(cost['digits'])} "
        f"digits, batches of {cost['batch_size']}, fp32; {len(cost['rounds'])} rounds, arms in turn, medians.\n\n"
        + table(["images", "sizes", "batches an epoch", "padding %", "images/s", "CPU us an image"], lines)
        + "\n**Why not resize all images to 64 pixels?** An image of 64x64 has 5.2 times the pixels of one of 28x28, "
        f"and the network takes {small['images_per_second'] / large['images_per_second']:.1f} times as long over it "
        f"({rate['all at 28']} against {rate['all at 64']} images/s). Enlarging adds no information to smaller images. "
        f"On validation images the network reaches {percent(upscaled['validation'])} % with all images at 64 pixels "
        f"and {percent(true['validation'])} % with their true sizes. {said[:1].upper()}{said[1:]}\n\n**How should "
        "images of several sizes be put into batches?** With three sizes, batches of one size each reach "
        f"{rate['32, 48 and 64, one size a batch']} images/s. If nearly every image has a size of its own "
        f"({whole(alone['sizes'])} sizes for {whole(cost['digits'])} images), batches of one size each are "
        f"{whole(alone['batches'])} batches and reach {rate['own sizes, one size a batch']} images/s. Padding all "
        f"images to the largest wastes {100 * largest['padding']:.0f} % of the pixels and reaches "
        f"{rate['own sizes, all padded to the largest']} images/s. Buckets of similar sizes, padded and masked, waste "
        f"{100 * boxes['padding']:.0f} %, reach {rate['own sizes, in buckets, masked']} images/s, and give the answers "
        "of the unpadded images.\n\n" + machine(cost["environment"])
    )
