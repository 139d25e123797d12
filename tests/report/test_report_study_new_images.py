"""A study of plain and variational autoencoders.

The rows of pictures are those of the evidence, PCA's are scikit-learn's, and none is missing.
"""

import base64
import io
import re
from pathlib import Path

import fake_autoencoders
import numpy as np
import pytest
from fake_study import Made
from page_reading import Page, check_self_contained, says
from PIL import Image

from smallvision.rendering import embed
from smallvision.report.study import costs, figures, page, score_points
from smallvision.study.read import read_study
from smallvision.tasks.reconstruction import study_samples

CASES = {"plain": {"representation": 8}, "variational": {"representation": 8}, "small": {"representation": 2}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return fake_autoencoders.make(tmp_path_factory.mktemp("through"), CASES, seeds=1, variational=True, pictured=True)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take the most time, and are tested elsewhere."""
    for room, name in ((figures, "forest"), (figures, "curves"), (costs, "scatter"), (score_points, "points")):
        monkeypatch.setattr(room, name, lambda *_: None)
    monkeypatch.setattr(embed, "svg", lambda _, alt, prefix: f"<p>{prefix}: {alt}</p>")


def shown(text: str, alt: str) -> np.ndarray:
    """The pictures whose description matches, decoded by Pillow: (n, 8, 8)."""
    found = [one for one in Page(text).find("img") if re.fullmatch(alt, one["alt"])]
    return np.array(
        [np.asarray(Image.open(io.BytesIO(base64.b64decode(one["src"].partition(",")[2])))) for one in found]
    )


def arrays(made: Made, case: str, split: str) -> dict[str, np.ndarray]:
    files = (made.record.folder / f"{case}-s0").glob("evidence*.npz")
    return next(dict(found) for file in files if str((found := np.load(file))["split"]) == split)


def test_each_row_is_what_it_is_said_to_be(made: Made) -> None:
    text = page.page(*made)
    seen = Page(text)
    check_self_contained(seen, text)
    assert seen.has("#reconstructions [data-about=new-images]")
    for case in CASES:
        own = arrays(made, case, "validation")
        np.testing.assert_array_equal(shown(text, rf"sample of {case}, \d+"), own["samples"][:10, 0])
        walked = shown(text, rf"from \d to \d by {case}, \d+")
        np.testing.assert_array_equal(walked, own["interpolations"][:2].reshape(-1, 8, 8))
    for size in (2, 8):
        own = arrays(made, "plain" if size == 8 else "small", "validation")
        name = f"PCA, {size} components"
        np.testing.assert_array_equal(
            shown(text, rf"from \d to \d by {name}, \d+"), own["pca_interpolations"][:2].reshape(-1, 8, 8)
        )
        np.testing.assert_array_equal(
            shown(text, rf"sample of {name}, \d+"), own["pca_samples"][:10, 0]
        )  # once for two networks
    labels, ends = arrays(made, "plain", "validation")["labels"], [[3, 7], [20, 2]]
    for title, (a, b) in zip(seen.all("#reconstructions [data-about=between]"), ends, strict=True):
        says(title.text, *(str(one) for one in (labels[a], labels[b], a, b)))
    drawn = [
        panel for panel in seen.all("#reconstructions .panel") if panel.all("img")[0]["alt"].startswith("sample of")
    ]
    codes = {panel.one(".key b").text: panel.one(".key .under").text for panel in drawn}
    assert codes["variational"] == codes["small"] != codes["plain"]
    assert codes["PCA, 2 components"] == codes["PCA, 8 components"] != codes["variational"]


def test_pcas_reconstructions_stand_between_originals_and_networks(made: Made) -> None:
    text, known = page.page(*made), fake_autoencoders.splits()
    for split in ("test", "validation"):
        labels = [str(label) for label in known[split].labels[:10]]
        for size in (2, 8):
            images = known[split].pca(size)[:10]
            errors = ((images - known[split].images[:10]) ** 2).mean(1)
            for label, image, error in zip(labels, images, errors, strict=True):
                found = shown(text, f"{label} as PCA, {size} components makes it, MSE {error:.5f}")
                assert (np.abs(found[0] - 255 * image.clip(0, 1).reshape(8, 8)) <= 0.51).all()
    order = [one["alt"] for one in Page(text).find("img")]
    places = [
        next(place for place, alt in enumerate(order) if words in alt)
        for words in ("as PCA, 2 components", "as PCA, 8 components", "as plain makes", "as small makes")
    ]
    assert places == sorted(places)


def test_old_runs_are_shown_without(tmp_path: Path) -> None:
    old = fake_autoencoders.make(tmp_path, CASES, seeds=1, variational=True)
    seen = Page(page.page(*old))
    assert "reconstructions" in seen.sections
    for absent in ("[data-about=new-images]", "[data-about=between]"):
        assert not seen.has(absent)
    assert not [one["alt"] for one in seen.all("#reconstructions img") if "PCA" in one["alt"]]


def test_a_case_that_goes_between_other_images_is_left_out_of_that(tmp_path: Path) -> None:
    both = fake_autoencoders.make(tmp_path, CASES, seeds=1, variational=True, pictured=True)
    file = next(
        path
        for path in (both.record.folder / "small-s0").glob("evidence*.npz")
        if str(np.load(path)["split"]) == "validation"
    )
    changed = dict(np.load(file))
    np.savez_compressed(file, **{**changed, "interpolation_index": changed["interpolation_index"][::-1]})
    found = study_samples.new_images(page._cases(read_study(both.record.path)))
    assert found is not None
    assert [[row.name for row in one.rows] for one in found.between] == [
        ["PCA, 8 components", "plain", "variational"]
    ] * 2
    assert "small" in [row.name for row in found.samples]


def test_without_a_variational_or_a_plain_network_there_is_no_such_section(tmp_path: Path) -> None:
    for number, (variational, cases) in enumerate(((False, ("plain", "small")), (True, ("variational", "small")))):
        alike = fake_autoencoders.make(
            tmp_path / str(number),
            {name: CASES[name] for name in cases},
            seeds=1,
            variational=variational,
            pictured=True,
        )
        seen = Page(page.page(*alike))
        assert not seen.has("[data-about=new-images]")
        says(seen.one("#reconstructions").text, "PCA, 8 components")
