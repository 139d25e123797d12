"""Make docs/results.md and the measured parts of README.md and the other pages from the committed result files.

    python benchmarks/tables.py           writes all pages
    python benchmarks/tables.py --check   names the pages that differ from what the files say; exit status 1 if any do
    python benchmarks/tables.py --stale   lists the results to measure again, with the command for each; exit status 0

A result that is missing, or of an older experiment, shows as "not measured". Only what the references report is typed
by hand (catalog_tables.py, study_tables.py). What the files are and when they are out of date is in results.py.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import catalog_tables
import convolution_tables
import results
import speed_tables
import study_tables
import verdict_tables
from campaign import page as reliability
from layout import not_measured

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

INTRODUCTION = """# Results

Made by `python benchmarks/tables.py` from the files in `benchmarks/results/`, \
each of which the command beside its table
writes anew. Accuracies are on the test split, which the last weights meet once, at the end of a run; entries whose
reference draws a test curve watch it besides, which nothing selects by ("looks" counts every time the split was \
scored).
Recipes of the `-fast` entries were tried on validation images alone, but see "What was seen before". CIFAR-10 is a copy
whose images went once through JPEG: compare its figures with one another, not with figures on the original images.
"""


def results_page() -> str:
    """docs/results.md, whole."""
    measured = [
        catalog_tables.catalog(),
        catalog_tables.autoencoders(),
        study_tables.studies(),
        catalog_tables.verifiers(),
        speed_tables.pairs(),
        speed_tables.representations(),
        speed_tables.time_to_accuracy(),
        speed_tables.throughput(),
        convolution_tables.convolution(),
        speed_tables.tuning(),
    ]
    return INTRODUCTION + "".join(measured) + SEEN


def readme() -> str:
    """README.md with its table as the files say."""
    return filled(ROOT / "README.md", {"results": catalog_tables.summary()})


def convolution_page() -> str:
    """docs/convolution.md with its measured parts as the files say."""
    made = {
        "epoch": ("convolution", convolution_tables.epoch),
        "equivariance": ("convolution", convolution_tables.equivariance),
        "ladder": ("conv_bench", convolution_tables.compared),
        "check": ("conv_check", convolution_tables.check),
    }
    parts = {
        part: make(found) if (found := results.read(name)) else not_measured(name)
        for part, (name, make) in made.items()
    }
    return filled(DOCS / "convolution.md", parts)


def comparing_page() -> str:
    """docs/comparing.md with its examples as the files say."""
    parts = {
        "published": study_tables.published(),
        "singles": study_tables.singles(),
        "recipes": study_tables.quoted("mnist-mlp-vs-cnn", ("cnn", "mlp"), "test"),
        "rotation": study_tables.quoted("mnist-augmentation", ("rotation", "none"), "test"),
        "mcnemar": verdict_tables.mcnemar(),
        "equivalence": verdict_tables.equivalence(),
        "planning": verdict_tables.planning(),
        "flip": study_tables.quoted("mnist-augmentation", ("flip", "none"), "validation"),
    }
    return filled(DOCS / "comparing.md", parts)


def representations_page() -> str:
    """docs/representations.md with its tables as the files say."""
    parts = {
        "kinds": study_tables.in_short("cifar10-autoencoders"),
        "sizes": study_tables.in_short("cifar10-representation-size"),
        "depth": study_tables.in_short("cifar10-depth"),
        "four": study_tables.in_short("cifar10-ae-vs-pca-tsne-vae"),
        "start": study_tables.in_short("fashion-encoder-classifier"),
        "probes": study_tables.probed("cifar10-knn"),
    }
    return filled(DOCS / "representations.md", parts)


def similarity_page() -> str:
    """docs/similarity.md with its tables as the files say."""
    parts = {
        "study": study_tables.in_short("cifar10-siamese"),
        "best": catalog_tables.verified("cifar10-siamese-fast"),
        "errors": catalog_tables.errors("cifar10-siamese-fast"),
        "unseen": catalog_tables.verified("fashion-siamese-unseen"),
    }
    return filled(DOCS / "similarity.md", parts)


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


SEEN = """
## What was seen before

These rows are not the first look at every test split, nor the first measurement:

- `cifar10-cnn` was first run with torchvision's default crop scale (from 8 % upwards) and stopped after 21 of 50 \
epochs, its
  watched test curve at 59 %. The scale of the row, from one half upwards, was chosen because of that curve, \
not on validation.
- `mnist-cnn-fast` ran two epochs first; five seeds of that met the test split (about 99.1 %). \
It was cut to one epoch, a
  setting already tried on validation, to be ten times sooner than the reference. \
`cifar10-cnn-fast` was cut from 14 epochs to 10
  for the same reason, before it met the test split.
- `mnist-cnn` was run twice with the same seed and the same answer (98.66 %), since other work had slowed the first.
- Throughput was measured three times to the end of a case or further. \
The plain loop's transforms were leaner at first (69 to 88
  microseconds an image for `mnist-cnn`) and were then made to do, step for step, \
what torchvision's ToTensor and Normalize do, which
  slows that arm. The run before the one shown had a floor over 100 batches again and again, \
which can stay in the cache:
  (engine − augment) / floor was then 1.23 and 1.08 (R3, fp32 and bf16), 1.11 and 1.06 (R5). \
The floor now sees each batch once.
- The test split of `mnist-varres` was met once, by a network trained on 6 000 of its images for four epochs while \
the code for
  several sizes was tried (91.7 %); nothing was chosen by it. Epochs, \
rates to be tried and comparisons of the studies were written
  down before the first of their runs, but for what follows. \
Two epochs for `mnist-resolution` and four for `cifar10-activations`
  are what time allowed: a network that learns slowly is judged by how far it has come then.
- `mnist-resolution` was begun once before, with a cosine from the full rate and three rates searched. At 1e-2, \
which the search's one
  seed chose, mean pooling at true sizes came to 11, 93, 92, 43 and 11 % on validation images with five seeds. \
It was stopped before any
  run met the test split; for all cases alike a warm-up and a limit on the gradient's norm were added, \
and two rates are searched.
- `digits`, `digits-autoencoder`, `digits-encoder-classifier` and `digits-smoke` met their 360 test images many times \
while the code was
  built; nothing was chosen by them. The recipe of `cifar10-autoencoder` was chosen among tries on
  validation images (below).
- The autoencoders' test splits were met before by rows that are gone: \
`fashion-autoencoder` on all 30 000 images (test MSE 0.00930),
  `cifar10-autoencoder` with 3x3 kernels (0.01128). The recipes of today were not chosen by these. \
An equal run serves every study that
  asks for it: cases of `cifar10-representation-size`, `cifar10-knn` and `cifar10-ae-vs-pca-tsne-vae` met the test \
split in one another,
  once each, and the probes of the last two once more. `cifar10-depth` was begun with three seeds and cut to two for \
want of time, before
  any of its runs met the test split.
- `mnist-siamese` and `fashion-siamese-unseen` were run once before in bf16, with one seed (99.29 %; \
92.65 and 67.86 %), on another machine
  that computes it; they are in fp32 now because a processor without bf16 takes many times as long to emulate it \
(`smallvision run
  cifar10-autoencoder data.limit=4000 data.validation=1000 recipe.epochs=1 protocol.test=never`: \
2 152 microseconds an image, and 291 with
  `recipe.precision=fp32`, one run each on AVX2). Nothing else was changed.
  The verifiers and `cifar10-siamese` are of a processor with AVX2; the rows of bf16 of one with wider instructions. \
Their
  seconds are not to be compared.
- `cifar10-siamese` was first finished with seeds 0 to 2, of which the winner and the baseline (the same two as now) \
met the test split;
  then seeds 4 and 5 were added to all cases, so that its verdicts speak of recipes. Nothing else was changed; \
each run met it once.
- The training images nearest to the galleries of `cifar10-siamese-fast` were looked for anew, \
among all training images instead of a
  fifth of them, after its run, by the function that writes them and from its own representations; no figure changed. \
The three tries of
  its recipe were run from a file of the same content before the entry had its name.
- In the time to accuracy the reference's seconds were computed again from the throughput shown, \
our runs were not repeated.
"""

PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "results.md": results_page,
    ROOT / "README.md": readme,
    DOCS / "convolution.md": convolution_page,
    DOCS / "comparing.md": comparing_page,
    DOCS / "representations.md": representations_page,
    DOCS / "similarity.md": similarity_page,
    DOCS / "reliability.md": reliability_page,
}


def differing() -> list[str]:
    """The pages that are not what the files say."""
    return [str(path.relative_to(ROOT)) for path, text in PAGES.items() if path.read_text() != text()]


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
