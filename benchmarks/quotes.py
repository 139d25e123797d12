"""Verdicts of the committed studies and of published figures, for docs/comparing.md and docs/results/verdicts.md."""

from decimal import Decimal

from judged import sentence
from layout import not_measured
from study_tables import read, whole

from smallvision.stats.verdict import compare_published, judge

PUBLISHED = (
    ("Rotations", ("training with rotations", "training without"), "99.07", "98.93"),
    ("Pooling", ("mean pooling", "max pooling"), "86.26", "86.00"),
    ("Resizing", ("resizing", "true sizes"), "95.07", "85.87"),
    ("CNN and MLP", ("the CNN", "the MLP"), "98.46", "96.4"),
)


def published() -> str:
    """The published figures of the references, for docs/results/verdicts.md."""
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
    lines = "| seed | with rotations % | without % | difference | p (McNemar) | verdict on these two networks |\n"
    lines += "| --- | ---: | ---: | ---: | ---: | --- |\n"
    said = {
        "A is better": "with rotations is better",
        "B is better": "without is better",
        "not distinguishable": "not distinguishable",
    }
    for one in found["singles"]:
        if one["pair"] == pair:
            a, b = (f"{100 * share:.2f}" for share in one["accuracies"])
            lines += f"| {one['seed']} | {a} | {b} | {100 * one['difference']:+.2f} | {one['p']:.3g} "
            lines += f"| {said[one['verdict']]} |\n"
    return lines + f"\nAnd all five together: {sentence('mnist-augmentation', whole_study)}\n"


def quoted(name: str, pair: tuple[str, str], split: str) -> str:
    """One verdict of a study, as a quotation."""
    found = read(name)
    if not found:
        return not_measured(f"studies/{name}")
    one = next(one for one in found["verdicts"] if one["pair"] == list(pair) and one["split"] == split)
    kinds = next(one for one in found["disagreements"] if one["pair"] == list(pair) and one["split"] == split)
    text = f"> `{name}`, {split} images. {sentence(name, one)}\n"
    counts = ", ".join(f"{title}: {whole(total)}" for title, total in kinds["kinds"].items())
    return text + f">\n> Of {whole(kinds['images'])} images. {counts[:1].upper()}{counts[1:]}.\n"
