"""In Python: no warning or line of a library stands beside ours, and those of a person's own code stay."""

import logging
import subprocess
import sys
import warnings

import pytest

import smallvision as sv
from smallvision.api.quiet import quiet
from smallvision.rendering import style


def warned(file, own_code=False):
    """Whether a warning about a file is shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet(own_code):
            warnings.warn_explicit("about it", UserWarning, file, 7)
    return bool(caught)


def test_whose_warnings_are_shown(monkeypatch, tmp_path):
    import sklearn
    import torch

    monkeypatch.setattr(sys, "warnoptions", [])
    before = warnings.showwarning, warnings.filters[:], logging.getLogger("matplotlib").handlers[:]
    for file in (torch.__file__, sklearn.__file__, sv.__file__):
        assert not warned(file), file
    assert warned(torch.__file__, own_code=True)  # may be about their network
    for file in (str(tmp_path / "net.py"), "<stdin>", "/lib/site-packages/theirs/net.py", "torch/net.py"):
        assert warned(file), file
    assert (warnings.showwarning, warnings.filters, logging.getLogger("matplotlib").handlers) == before
    monkeypatch.setattr(sys, "warnoptions", ["default"])
    assert warned(torch.__file__)


def test_the_log_of_a_library_is_not_printed_but_reaches_whoever_handles_it(capfd, caplog):
    with quiet():
        logging.getLogger("matplotlib.font_manager").warning("findfont: Font family 'x' not found.")
        logging.getLogger("their_network").warning("theirs")
    assert [record.message for record in caplog.records][-1] == "theirs"
    assert "findfont: Font family 'x' not found." in caplog.text


LINES = """
import logging, sys
from smallvision.api.quiet import quiet
from smallvision.rendering import style
with quiet():
    logging.getLogger("matplotlib.font_manager").warning("of a font")
with style.drawing():
    logging.getLogger("matplotlib.font_manager").warning("of a font")
logging.getLogger("theirs").warning("theirs")
"""


def test_python_prints_no_line_of_a_font(tmp_path):
    ended = subprocess.run([sys.executable, "-c", LINES], capture_output=True, text=True, check=True)
    assert ended.stderr == "theirs\n"


def test_a_figure_is_drawn_without_matplotlibs_warnings():
    import matplotlib.pyplot as plt

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with style.drawing():
            warnings.warn_explicit("identical limits", UserWarning, style.__file__, 1, style.__name__)
            figure, axes = plt.subplots()
            axes.set_title("\U0001f9ff")
            figure.canvas.draw()
            warnings.warn_explicit("theirs", UserWarning, "net.py", 1, "net")
        plt.close(figure)
    assert [str(one.message) for one in caught] == ["theirs"]


def test_how_much_optuna_says_is_given_back():
    optuna = pytest.importorskip("optuna")
    from smallvision.study.plan.search import _quiet

    before = optuna.logging.get_verbosity()
    with _quiet(optuna):
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert optuna.logging.get_verbosity() == before


@pytest.mark.slow
def test_a_network_that_warns_is_heard_in_a_run(monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(sys, "warnoptions", [])

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Linear(64, 10)

        def forward(self, pixels):
            warnings.warn("from their network", UserWarning, stacklevel=1)
            return self.last(pixels.flatten(1))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sv.run("digits", "recipe.epochs=1", "data.limit=40", model=Net, out=tmp_path / "run", device="cpu")
    assert "from their network" in {str(one.message) for one in caught}
