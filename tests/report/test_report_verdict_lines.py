"""What stands beside a verdict on pages and the terminal: equivalence, the least difference, edges of a search."""

import json
from dataclasses import asdict
from io import StringIO

import fake_study
import numpy as np
import pytest
from page_reading import Page, denies, says
from rich.console import Console

from smallvision.console import study as display
from smallvision.errors import BadInput
from smallvision.report.study import page
from smallvision.stats.verdict import compare_runs, judge
from smallvision.study.read import read_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    cases = ("cnn", "mlp", "mlp, wide")
    return fake_study.make(tmp_path_factory.mktemp("study"), cases, seeds=1, images=150, search=True, epochs=1)


def rewritten(made, *changes):
    """The study with its study.json changed, read again."""
    file = made.record.path / "study.json"
    kept = file.read_text()
    found = json.loads(kept)
    for change in changes:
        change(found)
    file.write_text(json.dumps(found))
    try:
        return read_study(made.record.path)
    finally:
        file.write_text(kept)


def terminal(record):
    out = StringIO()
    Console(width=300, file=out).print(display.result_table(record))
    return out.getvalue()


def test_what_stands_below_verdicts_and_a_search(made):
    """A verdict with a margin, one that is not distinguishable, and a search that took the highest of what it had."""
    answers = made.answers["validation"]
    right = np.tile(answers.correct("cnn"), (5, 1))
    (told,) = judge([compare_runs(answers.correct("cnn"), answers.correct("mlp"), ("cnn", "mlp"))], equivalence=0.2)
    (alike,) = judge([compare_runs(right, right, ("cnn", "mlp"))])

    def change(found):
        found["verdicts"][0] |= {"equivalence": json.loads(json.dumps(asdict(told.equivalence)))}
        one = {"pair": ["cnn", "mlp"], "split": "test", "differing": [], "confound": "", "sentence": alike.sentence}
        found["verdicts"] += [json.loads(json.dumps({**asdict(alike), **one}))]
        found["answer"] = {"sentence": alike.sentence, "pair": ["cnn", "mlp"], "split": "test"}
        found["table"][0]["settings"] = {"recipe.learning_rate": 0.1}

    record = rewritten(made, change)
    least = "On 150 images no difference below 1.85 points can be told (1.96 x sqrt(2) / 150)."
    (edge,) = record.edges
    assert (edge["case"], edge["side"], edge["natural"]) == ("cnn", "highest", False)
    assert edge["sentence"] == (
        "cnn: recipe.learning_rate = 0.1 is the highest of what was offered (0.001 to 0.1), so a higher one may be "
        "better: widen the search."
    )
    seen = Page(page.page(record, made.answers, made.pictures))
    says(seen.one("[data-about=equivalence]").text, "A difference of more than 20 points between cnn and mlp is")
    assert least in [one.text for one in seen.all("[data-about=least]")]
    says(seen.one("[data-about=edge]").text, edge["sentence"])
    says(seen.one("[data-about=together]").text, "not simultaneous")
    says(seen.one("[data-about=scope]").text, "one set of training images")
    shown = terminal(record)
    for line in (told.equivalence.sentence, least, f"at an edge: {edge['sentence']}"):
        says(shown, line)


def test_older_studies_know_none_of_it(made):
    assert made.record.edges == []

    def older(found):
        for one in found["verdicts"]:
            for key in ("least_difference", "equivalence", "mid_p"):
                del one[key]

    shown = terminal(rewritten(made, older))
    denies(shown, "at an edge", "no difference below", "ruled out")


def test_what_the_files_say_is_checked_and_shown(made):
    edge = {"case": "cnn", "key": "k", "side": "highest", "natural": True, "sentence": "As the file has it."}
    says(terminal(rewritten(made, lambda found: found.update(edges=[edge]))), "at an edge: As the file has it.")
    damaged = {"margin": 0.1, "interval": [0.1], "confidence": 0.9, "p": 0.5, "adjusted_p": 0.5, "ruled_out": False}
    with pytest.raises(BadInput, match=r"equivalence\.interval has 1 entries"):
        rewritten(made, lambda found: found["verdicts"][0].update(equivalence={**damaged, "sentence": ""}))
    with pytest.raises(BadInput, match="edges"):
        rewritten(made, lambda found: found.update(edges=[{**edge, "natural": "no"}]))
