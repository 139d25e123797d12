"""Whatever a person writes is drawn as it stands, in every figure, also under matplotlib settings of the reader's own.

Class names, run names and names of cases are text: "$" begins no formula, "_" at the beginning hides no entry of a
legend, and letters that no font has give no warning.
"""

import ast
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fake_autoencoders
import fake_probe
import fake_run
import fake_study
import fake_verifier
import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

import smallvision
from smallvision.data.describe import grid
from smallvision.data.imageset import ImageSet
from smallvision.rendering import embed, image_grids, style
from smallvision.report.conv import bench, patches
from smallvision.report.probe import projections
from smallvision.report.probe import study as probe_study
from smallvision.report.run import page as run_page
from smallvision.report.study import figures as study_figures
from smallvision.report.study import page as study_page
from smallvision.runs import probes
from smallvision.runs.read import read_run
from smallvision.tasks.classification import resolution
from smallvision.tasks.reconstruction import figures as coder_figures

NAMES = ("$x_i$", "_hidden", "100 %", r"\alpha", "{a}^{b}", "<b>&amp;", "日本語", "عربي", "😀 face", "$\\frac{$")
READERS = {"text.parse_math": True, "axes.unicode_minus": True}


def svg_texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(embed.svg(figure, "$a < b$", "p"))
    assert root.attrib["aria-label"] == "$a < b$"
    return [
        "".join(element.itertext()).replace("\u00a0", " ")
        for element in root.iter()
        if element.tag.rpartition("}")[2] == "text"
    ]


def check(figure: Figure) -> set[str]:
    """The texts of a figure, once it is known that each is drawn as it is."""
    with matplotlib.rc_context(READERS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.draw_without_rendering()  # ticks are made now
    found = [one for one in figure.findobj(Text) if isinstance(one, Text) and one.get_text() and one.get_visible()]
    assert not [one.get_text() for one in found if "$" in one.get_text() and one.get_parse_math()]
    assert not [one.get_text() for one in found if one.get_usetex()]
    return {one.get_text() for one in found}


def photos() -> ImageSet:
    labels = torch.arange(len(NAMES))
    pixels = torch.arange(len(NAMES) * 64, dtype=torch.uint8).reshape(-1, 1, 8, 8)
    return ImageSet((pixels,), labels, torch.stack([labels, labels * 0], 1), NAMES, "a $folder$ train")


def a_map() -> projections.Map:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 1, 8, 8), dtype=np.uint8)
    return projections.Map("representation", rng.normal(0, 3, (60, 2)), np.arange(60) % 10, pixels, np.arange(4))


def moved() -> dict[str, Any]:
    x, y = np.zeros((8, 8)), np.zeros((6, 6))
    return {"name": "$a$", "input": x, "moved": x, "output_moved": y, "moved_output": y}


def studied() -> Figure:
    figure = style.blank(6, 3)
    study_figures.legend(figure, NAMES, 5)
    return figure


BENCH = {"rung": "$a$", "shape": "_b", "reason": None, "refused": False, "share": 1.0, "memory_bytes": [4, 8, 1]}
BENCH |= {"stated_bytes": [5, 7, 0], "ratio": {"forward": 0.5, "total": 1.0}}
DIRECT: dict[str, Callable[[], Figure]] = {
    "data info": lambda: style.styled(grid)(photos()),
    "gallery": lambda: image_grids.gallery(np.zeros((len(NAMES), 1, 8, 8), np.uint8), NAMES),
    "map": lambda: projections.draw([a_map()], NAMES),
    "errors of classes": lambda: coder_figures.per_class([{"class": one, "mse": 0.1} for one in NAMES], 0.15),
    "legend of a study": lambda: style.styled(studied)(),
}


@pytest.mark.parametrize("name", DIRECT)
def test_every_name_is_drawn_as_it_is(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = DIRECT[name]()
        texts = svg_texts(figure)
    assert check(figure) >= set(NAMES)
    for wanted in NAMES:
        assert any(wanted in text for text in texts), wanted


def test_a_direct_call_of_grid_needs_no_style() -> None:
    with matplotlib.rc_context(READERS):
        assert check(grid(photos())) >= set(NAMES)


def test_a_png_is_written_without_warnings_under_any_settings(tmp_path: Path) -> None:
    with matplotlib.rc_context({"text.usetex": True, "font.family": "no such font"}), warnings.catch_warnings():
        warnings.simplefilter("error")
        style.save_png(style.styled(grid)(photos()), tmp_path / "a.png", dpi=40)
    from PIL import Image

    with Image.open(tmp_path / "a.png") as picture:
        assert picture.info["Software"] == "smallvision"


def test_what_stands_in_no_text_is_replaced() -> None:
    @style.styled
    def draw() -> Figure:
        figure = style.blank(2, 2)
        figure.suptitle("a\x00b\x1b[31m\nc")
        return figure

    assert check(draw()) == {"a?b?[31m\nc"}
    assert "a?b?[31m" in "".join(svg_texts(draw()))


def styled_functions() -> set[str]:
    """module.function of every function of the package that makes a figure."""
    root = Path(smallvision.__file__).parent
    found = set()
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            decorators = [ast.unparse(one) for one in getattr(node, "decorator_list", ())]
            if "style.styled" in decorators:
                module = ".".join(file.relative_to(root.parent).with_suffix("").parts)
                found.add(f"{module}.{node.name}")  # type: ignore[attr-defined]
    return found


def test_every_figure_is_made_in_the_one_style() -> None:
    """A figure is begun by style.blank in a function that is styled, or in one that such a function calls."""
    root = Path(smallvision.__file__).parent
    for file in root.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name != "style.py" and file.relative_to(root) != Path(
            "data/describe.py"
        ):  # which may not import rendering
            tree = ast.parse(text)
            calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and ast.unparse(one.func) == "Figure"]
            assert "pyplot import" not in text, file
            assert "import matplotlib.pyplot" not in text, file
            assert not calls, file
        if "style.blank(" in text:
            assert "@style.styled" in text, file


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Figure]]:
    """The last figure that each function has made, under the reader's settings."""
    made: dict[str, Figure] = {}
    literal = style.literal

    def noted(figure: Figure, draw: Callable[..., Figure]) -> Figure:
        made[f"{draw.__module__}.{draw.__name__}"] = literal(figure, draw)
        return figure

    monkeypatch.setattr(style, "literal", noted)
    with matplotlib.rc_context(READERS):
        yield made


@pytest.mark.slow
def test_every_figure_function_draws_text_as_it_is(
    drawn: dict[str, Figure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    run = fake_run.make(
        tmp_path / "run",
        classes=NAMES,
        shape=(1, 8, 8),
        epochs=3,
        steps_per_epoch=20,
        count=60,
        about="$a_b$ <i>",
    )
    fake_probe.make(run, classes=NAMES)
    pages.append(run_page.page(read_run(run)))
    verifier = fake_verifier.make(tmp_path / "verifier", classes=NAMES, unseen=NAMES[:3])
    pages.append(run_page.page(read_run(verifier)))
    pages.append(study_page.page(*fake_study.make(tmp_path / "study", NAMES[:4], seeds=2, images=60)))
    monkeypatch.setattr(fake_autoencoders, "CLASSES", NAMES)
    for number, changes in enumerate(("representation", "depth")):
        cases = {NAMES[place]: {changes: size} for place, size in enumerate((2, 5, 8))}
        made = fake_autoencoders.make(tmp_path / f"coders{number}", cases, seeds=1)
        pages.append(study_page.page(*made))
    coder = next(iter((tmp_path / "coders0").rglob("result.json"))).parent
    pages.append(run_page.page(read_run(coder)))
    records = [
        (name, [probes.read(fake_probe.make(_folder(tmp_path / f"p{i}"), size=2 + i))])
        for i, name in enumerate(NAMES[:2])
    ]
    probe_study.section(records)
    for make in DIRECT.values():
        make()
    row = {"text": "$a$", "count": 9, "right": 5, "accuracy": 0.5, "interval": [0.3, 0.7], "x": 8.0}
    resolution.curve([row], "$size$ _x")
    patches.overlap_figure({"$k_1$": np.zeros((3, 3), int)})
    patches.equivariance_figure([moved()])
    patches.patches_figure(np.zeros((5, 6)), np.zeros((3, 3)), np.zeros((12, 9)), np.zeros((3, 4)))
    bench.bench_figure([BENCH], {"_b": "$about$"})
    assert styled_functions() - set(drawn) == set()
    for figure in drawn.values():
        check(figure)
    for text in pages:
        assert "<b>&amp;" not in text
        assert "$a_b$ <i>" not in text
    assert "$a_b$ &lt;i&gt;" in pages[0]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
