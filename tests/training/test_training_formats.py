"""Run directories of every format there ever was are read, shown and asked for predictions."""

from pathlib import Path

import numpy as np
import pytest

import smallvision as sv
from smallvision.report.run.page import page

OLD = sorted((Path(__file__).parent / "formats").iterdir())


def test_there_is_one_for_every_version():
    from smallvision.storage.files import FORMAT_VERSION

    assert [path.name for path in OLD] == [f"version-{number}" for number in range(1, FORMAT_VERSION + 1)]


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.name)
def test_an_old_run_is_read(path):
    run = sv.open_run(path)
    assert run.record.state["status"] == "finished"
    assert run.experiment.hash() == run.record.state["experiment"] == run.result["experiment"]
    assert run.result["test"]["accuracy"] == pytest.approx(
        (run.record.evidence["labels"] == run.record.evidence["predictions"]).mean()
    )
    assert run.result["test"]["count"] == 360
    assert len(run.metrics) == 3
    assert "<html" in page(run.record)


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.name)
def test_an_old_model_answers_as_it_did(path):
    run = sv.open_run(path)
    evidence = run.record.evidence
    np.testing.assert_allclose(run.predict(evidence["first_pixels"]), evidence["probabilities"][:20], atol=1e-4)
