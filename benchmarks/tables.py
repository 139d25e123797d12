"""Make docs/results.md, docs/results/, docs/figures/ and the measured parts of other pages from the result files.

    python benchmarks/tables.py           writes all pages
    python benchmarks/tables.py --check   names the pages that differ from what the files say; exit status 1 if any do
    python benchmarks/tables.py --stale   lists the results to measure again, with the command for each; exit status 0

A result that is missing, or of an older experiment, shows as "not measured". Only what the references report is typed
by hand (catalog_tables.py, overview.py, quotes.py). What the files are and when they are out of date is in results.py.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import catalog_tables
import convolution_tables
import overview
import quotes
import results
import speed_tables
import study_costs
import study_pages
import verdict_tables
from campaign import page as reliability
from layout import not_measured

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
REPRESENTATIONS = {
    "cifar10-autoencoders": "kinds, ",
    "cifar10-representation-size": "sizes, ",
    "cifar10-depth": "depth, ",
    "cifar10-knn": "classes, ",
    "cifar10-ae-vs-pca-tsne-vae": "variational, ",
    "fashion-encoder-classifier": "classifier, ",
}


def topic(title: str, *parts: str) -> str:
    """A page of docs/results/, whole."""
    return f"# {title}\n\n[All results](../results.md). Made by `python benchmarks/tables.py`.\n" + "".join(parts)


def catalog_page() -> str:
    """docs/results/catalog.md, whole."""
    return topic("The catalog", catalog_tables.catalog(), catalog_tables.autoencoders(), catalog_tables.verifiers())


def speed_page() -> str:
    """docs/results/speed.md, whole."""
    parts = (speed_tables.time_to_accuracy, speed_tables.throughput, study_costs.speed, speed_tables.pairs)
    return topic("Speed", *(part() for part in parts), speed_tables.representations())


def verdicts_page() -> str:
    """docs/results/verdicts.md, whole."""
    parts = (
        ("Exact and mid-p", verdict_tables.mcnemar()),
        ("Equivalence", verdict_tables.equivalence()),
        ("Planned seeds", verdict_tables.planning()),
        ("The smallest difference that a verdict calls real", verdict_tables.least()),
        ("Published figures", quotes.published()),
    )
    return topic("How often verdicts are right", *(f"\n## {title}\n\n{part}" for title, part in parts))


def readme() -> str:
    """README.md with its table as the files say."""
    return filled(ROOT / "README.md", {"results": catalog_tables.summary() + catalog_tables.verified_in_short()})


def convolution_page() -> str:
    """docs/convolution.md with its measured part as the files say."""
    found = results.read("conv_bench")
    parts = {"ladder": convolution_tables.compared(found) if found else not_measured("conv_bench")}
    return filled(DOCS / "convolution.md", parts)


def convolution_results() -> str:
    """docs/results/convolution.md, whole."""
    made = {
        "One epoch, by hand and by torch": ("convolution", convolution_tables.epoch),
        "Equivariance": ("convolution", convolution_tables.equivariance),
        "How exact the implementations are": ("conv_check", convolution_tables.check),
    }
    parts = [
        f"\n## {title}\n\n{make(found) if (found := results.read(name)) else not_measured(name)}"
        for title, (name, make) in made.items()
    ]
    return topic("Convolution", convolution_tables.convolution(), *parts)


def comparing_page() -> str:
    """docs/comparing.md with its examples as the files say."""
    parts = {
        "singles": quotes.singles(),
        "rotation": quotes.quoted("mnist-augmentation", ("rotation", "none"), "test"),
        "flip": quotes.quoted("mnist-augmentation", ("flip", "none"), "validation"),
    }
    return filled(DOCS / "comparing.md", parts)


def reliability_page() -> str:
    """docs/reliability.md, whole."""
    return reliability.page(results.read("reliability"))


def filled(path: Path, parts: dict[str, str]) -> str:
    """A page with what stands between its marks made anew."""
    text = path.read_text()
    for name, made in parts.items():
        begin, end = f"<!-- {name}: made by python benchmarks/tables.py -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        text = before + begin + "\n" + made + end + rest.split(end)[1]
    return text


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "results.md": overview.page,
    DOCS / "figures" / "studies.svg": overview.figure,
    ROOT / "README.md": readme,
    DOCS / "convolution.md": convolution_page,
    DOCS / "comparing.md": comparing_page,
    DOCS / "figures" / "representations.svg": lambda: study_pages.together(REPRESENTATIONS),
    DOCS / "reliability.md": reliability_page,
    RESULTS / "catalog.md": catalog_page,
    RESULTS / "speed.md": speed_page,
    RESULTS / "resolution.md": lambda: topic("What several sizes cost", study_costs.resolution()),
    RESULTS / "convolution.md": convolution_results,
    RESULTS / "verdicts.md": verdicts_page,
    RESULTS / "tuning.md": lambda: topic("What was tried for the recipes", speed_tables.tuning()),
    **{RESULTS / f"{name}.md": partial(study_pages.page, name) for name in study_pages.names()},
    **{DOCS / "figures" / f"{name}.svg": partial(study_pages.figure, name) for name in study_pages.names()},
}


def differing() -> list[str]:
    """The pages that are not what the files say."""
    return [
        str(path.relative_to(ROOT)) for path, text in PAGES.items() if not path.exists() or path.read_text() != text()
    ]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--stale", action="store_true")
    asked = parser.parse_args(words)
    if asked.stale:
        found = results.stale()
        for name, wrong, command in found:
            print(f"benchmarks/results/{name}.json {wrong}; measure it with:\n    {command}")
        print(f"{len(found)} of {len(results.names())} results are to be measured again")
    elif asked.check:
        pages = differing()
        for name in pages:
            print(f"{name} is not what the files say; run python benchmarks/tables.py", file=sys.stderr)
        sys.exit(bool(pages))
    else:
        for path, text in PAGES.items():
            path.write_text(text())


if __name__ == "__main__":
    main()
