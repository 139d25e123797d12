"""What the simulations of the verdicts' rules gave, as Markdown, for docs/results/verdicts.md."""

from layout import machine, not_measured, table
from results import read


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def mcnemar() -> str:
    """How often the exact and the mid-p test call one of two networks better."""
    found = read("verdicts")
    if not found:
        return not_measured("verdicts")
    alike, apart = [], []
    for one in found["mcnemar"]:
        pair = f"{one['only_a']} and {one['only_b']}"
        row = [f"{one['images']:,}".replace(",", " "), pair, *(_percent(one[key]) for key in ("exact", "mid_p"))]
        (alike if one["only_a"] == one["only_b"] else apart).append(row)
    header = ["images", "right by A alone and by B alone, on average"]
    n = f"{found['mcnemar'][0]['n']:,}".replace(",", " ")
    return (
        f"`python benchmarks/verdicts.py`, {n} simulated comparisons a row, at level 5 %. Two equally good networks, "
        "wrongly told apart:\n\n"
        + table([*header, "exact, % of comparisons", "mid-p, %"], alike)
        + "\nTwo networks that differ, rightly told apart:\n\n"
        + table([*header, "exact, % of comparisons", "mid-p, %"], apart)
        + "\n"
        + machine(found["environment"])
    )


def equivalence() -> str:
    """How often a difference of more than a margin is ruled out."""
    found = read("verdicts")
    if not found:
        return not_measured("verdicts")
    rows = [
        [
            one["what"],
            str(one["runs"]),
            f"{one['images']:,}".replace(",", " "),
            f"{100 * one['margin']:.2g}",
            f"{one['n']:,}".replace(",", " "),
            *(_percent(one[key]) for key in ("at_margin", "at_half", "at_zero")),
        ]
        for one in found["equivalence"]
    ]
    header = ["setting", "runs a side", "images", "margin, points", "studies"]
    return "Ruled out, % of simulated studies, where the true difference is\n\n" + table(
        [*header, "the margin (wrong)", "half of it", "nothing"], rows
    )


def planning() -> str:
    """The seeds that are planned where the least error decides, and the power that they reach."""
    found = read("verdicts")
    if not found:
        return not_measured("verdicts")
    rows = [
        [
            f"{one['images']:,}".replace(",", " "),
            f"{100 * one['difference']:.2f}",
            str(one["planned"]),
            f"{100 * one['planned_reached']:.1f}",
            str(one["by_t_alone"]),
            f"{100 * one['by_t_alone_reached']:.1f}",
        ]
        for one in found["planning"]
    ]
    n = f"{found['planning'][0]['n']:,}".replace(",", " ")
    header = ["images", "difference, points", "seeds a side planned", "power reached, %"]
    return f"For 80 % power, {n} simulated studies a row:\n\n" + table(
        [*header, "the t-test alone would plan", "power of that, %"], rows
    )


def least() -> str:
    """The smallest difference that a verdict calls real, by formulas: nothing here is measured."""
    common = "g = 1 / least common multiple of the runs of both"
    rows = [
        ["recipes", "z √2 / N", "0.28 points", "0.03"],
        [
            "two trained networks",
            "k / N, k the least whole number with 2 / 2ᵏ at most the level",
            "0.60 points",
            "0.06",
        ],
        ["trained networks, averaged", f"(z² g + z √(z² g² + 8)) / 2N, {common}", "0.35 points (three runs)", "0.03"],
        ["published figures", "k / N, k the fewest images that tell a figure from 100 %", "0.40 points", "0.04"],
    ]
    return (
        "However many seeds there are, a few test images may have fallen one way by chance. On N images no verdict "
        "calls a smaller difference real than\n\n"
        + table(["what is compared", "smallest difference", "1 000 images", "10 000"], rows)
        + "\nz is the normal quantile of the two-sided level: 1.96 at 5 %, and more after Holm's correction (2.39 for "
        "the smallest p-value of three). Scores that are a number for each image have no such limit.\n"
    )
