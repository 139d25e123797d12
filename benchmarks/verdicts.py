"""How often the rules of a verdict are wrong and how often they find what is there, by simulation.

    python benchmarks/verdicts.py [--comparisons 100000] [--studies 2000]

Three tables for docs/results/verdicts.md, written to benchmarks/results/verdicts.json:

mcnemar      one run a side: how often the exact test and the mid-p test call one of two networks better, at level 5 %;
             images are drawn as (right by A alone, right by B alone, the rest).
equivalence  how often a difference of more than a margin is ruled out, for recipes whose true difference is the margin
             (then it is wrong), half of it, or nothing.
planning     the seeds that `recipe_needed` plans for 80 % power where the least error decides, what the t-test alone
             would have planned, and the power that either reaches in simulated studies.

The populations are those of the tests: probit images of unequal difficulty, seeds that are better or worse, and chance.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "stats"))
from stats_population import Population

from smallvision.runs import environment
from smallvision.stats.paired import mcnemar, mcnemar_mid_p, paired_interval
from smallvision.stats.power import mcnemar_power, recipe_needed
from smallvision.stats.seeds import recipes

RESULT = Path(__file__).parent / "results" / "verdicts.json"
WHERE = ("smallvision", "processor", "cores", "threads", "device", "device_name", "packages")
LEVEL = 0.05

# test images, and how many of them are right by A alone and by B alone, on average
MCNEMAR = [
    *((images, (half, half)) for images in (1000, 10_000) for half in (3, 5, 10, 25, 50)),
    *((1000, pair) for pair in ((8, 2), (15, 5), (35, 15), (60, 40))),
    *((10_000, pair) for pair in ((15, 5), (35, 15), (60, 40), (270, 230))),
]
EQUIVALENCE = [
    ("images and seeds count", Population(0.95, 0.94, hardness=3, agreement=0.9, seeds=0.1), 5, 4000),
    ("seeds count most", Population(0.90, 0.87, hardness=2, agreement=0.95, seeds=0.3), 5, 1000),
    ("images count most", Population(0.97, 0.96, hardness=20, agreement=0.95, seeds=0.05), 5, 4000),
]
PLANNING = [
    (Population(0.97, 0.97 - difference, hardness=0, agreement=1, seeds=0.03), difference, images)
    for images, difference in ((500, 0.0065), (500, 0.007), (1000, 0.0035))
]


def of_mcnemar(comparisons: int, generator: np.random.Generator) -> list[dict]:
    out = []
    for images, (a, b) in MCNEMAR:
        shares = [a / images, b / images, 1 - (a + b) / images]
        counts, times = np.unique(generator.multinomial(images, shares, comparisons)[:, :2], axis=0, return_counts=True)
        found = {
            name: float(sum(n for (x, y), n in zip(counts, times, strict=True) if test(int(x), int(y)) <= LEVEL))
            / comparisons
            for name, test in (("exact", mcnemar), ("mid_p", mcnemar_mid_p))
        }
        computed = mcnemar_power(shares[0], shares[1], images, LEVEL)
        out.append({"images": images, "only_a": a, "only_b": b, "n": comparisons, **found, "exact_computed": computed})
    return out


def of_equivalence(studies: int, generator: np.random.Generator) -> list[dict]:
    out = []
    for what, population, runs, images in EQUIVALENCE:
        margin = population.difference
        row = {"what": what, "runs": runs, "images": images, "margin": margin, "n": studies}
        for share, name in ((1.0, "at_margin"), (0.5, "at_half"), (0.0, "at_zero")):
            a, h, g, s = population.accuracy_a, population.hardness, population.agreement, population.seeds
            here, ruled = Population(a, a - share * margin, h, g, s), 0
            for _ in range(studies):
                low, high = recipes(*here.draw(generator, runs, runs, images)).interval(1 - 2 * LEVEL)
                ruled += max(-low, high) < margin
            row[name] = ruled / studies
        out.append(row)
    for images, margin, discordant in ((10_000, 0.005, 200), (10_000, 0.002, 60)):
        row = {"what": "two trained networks", "runs": 1, "images": images, "margin": margin, "n": 10 * studies}
        for share, name in ((1.0, "at_margin"), (0.5, "at_half"), (0.0, "at_zero")):
            half = share * margin / 2
            shares = [discordant / images / 2 + half, discordant / images / 2 - half]
            drawn = generator.multinomial(images, [*shares, 1 - sum(shares)], 10 * studies)[:, :2]
            counts, times = np.unique(drawn, axis=0, return_counts=True)
            ends = [paired_interval(int(b), int(c), images, 1 - 2 * LEVEL) for b, c in counts]
            ruled = sum(int(n) for (low, high), n in zip(ends, times, strict=True) if max(-low, high) < margin)
            row[name] = ruled / (10 * studies)
        out.append(row)
    return out


def of_planning(studies: int, generator: np.random.Generator) -> list[dict]:
    out = []
    for population, difference, images in PLANNING:
        row: dict = {"images": images, "difference": difference, "n": studies}
        for name, floor in (("planned", True), ("by_t_alone", False)):
            seeds = recipe_needed(population.spread, difference, 2, 2, images, correctness=floor).seeds
            assert seeds is not None
            found = sum(recipes(*population.draw(generator, seeds, seeds, images)).p <= LEVEL for _ in range(studies))
            row |= {name: seeds, f"{name}_reached": found / studies}
        out.append(row)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=100_000)
    parser.add_argument("--studies", type=int, default=2000)
    words = parser.parse_args()
    generator, began = np.random.default_rng(20), time.perf_counter()
    here = environment.describe("cpu", "", 1, "fp32", True)
    found = {
        "format_version": 1,
        "level": LEVEL,
        "mcnemar": of_mcnemar(words.comparisons, generator),
        "equivalence": of_equivalence(words.studies, generator),
        "planning": of_planning(words.studies // 2, generator),
        "seconds": round(time.perf_counter() - began, 1),
        "environment": {key: here[key] for key in WHERE if key in here},
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
