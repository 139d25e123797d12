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
