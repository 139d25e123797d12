"""A section that a task adds to the page of a study.

It stands at its place, is listed among the contents, and has its style.
"""

from pathlib import Path

import fake_study
import pytest
from test_report_page import Page

from smallvision.report.study import page as study
from smallvision.tasks.base import PLACES, StudySection
from smallvision.tasks.classification.task import Classification

TEMPLATE = """{% macro style() %}.of-a-task { color: red; }{% endmacro %}
{% macro section(values) %}<p>{{ values.sentence }}</p>{% endmacro %}
{% macro table(values, caption, searched)
%}<p>{{ caption }} A table of its own, {{ values.rows | length }} rows.</p>{% endmacro %}
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    template = tmp_path / "own.html"
    template.write_text(TEMPLATE, encoding="utf-8")

    def sections(self: Classification, cases: list) -> list[StudySection]:
        added = [
            StudySection(f"own-{place}", f"Own, {place}", template, {"sentence": f"<at {place}>"}, place)
            for place in PLACES
            if place != "cases"
        ]
        return [StudySection("cases", "Cases", template, {"rows": cases}, "cases", "table"), *added]

    monkeypatch.setattr(Classification, "study_sections", sections)
    return study.page(*fake_study.make(tmp_path, ("a", "b", "c"), seeds=2, images=60))


def test_sections_stand_at_their_places(made: str) -> None:
    anchors = ["cases", "own-after-cases", "verdicts", "curves", "cost", "own-after-cost", "own-after-probes", "images"]
    places = [made.index(f'<section id="{anchor}">') for anchor in anchors]
    assert places == sorted(places)
    listed = [made.index(f'<a href="#{anchor}">') for anchor in anchors]
    assert listed == sorted(listed)
    assert [Page(made).text.count(f"<at {place}>") for place in PLACES] == [0, 1, 1, 1]


def test_a_table_of_cases_replaces_the_plain_one(made: str) -> None:
    assert "A table of its own, 3 rows." in made
    assert 'class="dense cases"' not in made


def test_the_style_of_a_template_is_there_once(made: str) -> None:
    assert made.count(".of-a-task { color: red; }") == 1


def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="after-cases"):
        StudySection("own", "Own", tmp_path / "own.html", {}, "before-cases")
