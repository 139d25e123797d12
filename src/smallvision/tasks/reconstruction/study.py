"""The part of studies and comparisons that only autoencoders have: PCA, images, figures over size and depth."""

from collections.abc import Sequence
from pathlib import Path

from smallvision.tasks.base import StudyCase, StudySection
from smallvision.tasks.reconstruction import study_figures, study_images, study_samples, study_scores

TEMPLATE = Path(__file__).with_name("study.html")
THROUGH = "The same images through each"


def study_sections(cases: Sequence[StudyCase]) -> Sequence[StudySection]:
    """The table of cases, their reconstructions and new images, and the error against representation size and against
    depth.
    """
    sections = _scores(cases, study_scores.SPLITS)
    sheets, new_images = study_images.sheets(cases), study_samples.new_images(cases)
    if sheets:
        values = {"sheets": sheets, "new_images": new_images}
        title = THROUGH if new_images else "Reconstructions"
        sections.append(StudySection("reconstructions", title, TEMPLATE, values, macro="reconstructions"))
    for anchor, title, figure in (
        ("size", "Representation size", study_figures.of_representation(cases)),
        ("depth", "Depth", study_figures.of_depth(cases)),
    ):
        if figure is not None:
            sections.append(StudySection(anchor, title, TEMPLATE, {"figure": figure}, "after-cost", anchor))
    return sections


def comparison_sections(cases: Sequence[StudyCase], split: str) -> Sequence[StudySection]:
    """The table of cases and their reconstructions, on the split that they are compared on."""
    sections = _scores(cases, (split,))
    sheets = study_images.sheets(cases, (split,))
    if sheets:
        values = {"sheets": sheets, "new_images": None}
        sections.append(StudySection("reconstructions", "Reconstructions", TEMPLATE, values, macro="reconstructions"))
    return sections


def _scores(cases: Sequence[StudyCase], splits: Sequence[str]) -> list[StudySection]:
    rows = study_scores.rows(cases, splits)
    values = {"rows": rows, "cases": cases}
    return [StudySection("cases", "Cases", TEMPLATE, values, "cases", "scores")] if rows else []
