"""Pixels and figures as parts of one HTML file: PNG data URIs, inline SVG. Nothing is fetched from anywhere."""

import base64
import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from smallvision.rendering import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_SIDE = 112  # pixels; larger images are shown smaller, so that a page stays a page
LEGIBLE = 0.75  # of a figure's own width: below that its text is too small to read, and the page scrolls the figure

# Colours of a figure that follow the theme of the page it is in; see the variables in templates/style.css.
THEME = {
    style.INK: "ink",
    "#ffffff": "paper",
    style.FAINT: "line",
    "#999999": "muted",
    "#555555": "muted",
    style.BLUE: "blue",
    style.VERMILION: "vermilion",
    style.GREEN: "green",
}
COLOR = re.compile("|".join(THEME), re.IGNORECASE)
_THEME = {color.lower(): name for color, name in THEME.items()}


def displayable(image: np.ndarray) -> np.ndarray:
    """(C, H, W) as (H, W) gray or (H, W, 3) colour; any other number of channels as their mean."""
    if image.shape[0] == 3:
        return image.transpose(1, 2, 0)
    gray: np.ndarray = image[0] if image.shape[0] == 1 else image.mean(axis=0).round().astype(np.uint8)
    return gray


def data_uri(image: np.ndarray) -> str:
    """A uint8 image (C, H, W) as a PNG data URI, pixel for pixel; large ones made smaller."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(displayable(image)))
    if max(picture.size) > LARGEST_SIDE:
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def svg(figure: "Figure", alt: str, prefix: str) -> str:
    """A figure as inline SVG, the same bytes for the same figure.

    matplotlib's own file is for standing alone: its style would leak into the page, its ids would meet those of other
    figures, its size is in points. So the ids get a prefix, the style goes, the size becomes a view box. Its colours
    follow the theme of the page, except in what `style.CELLS` marks: a stylesheet inverts that as a whole.

    Parameters
    ----------
    alt : what the figure shows, for readers who do not see it.
    prefix : differs for every figure of a page.
    """
    out = io.StringIO()
    with style.drawing():
        figure.savefig(out, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", out.getvalue()))
    used = set(re.findall(r"#([\w-]+)", " ".join(v for e in root.iter() for v in e.attrib.values())))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    _follow_the_theme(root)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {}
        for key, value in element.attrib.items():
            key = key.rpartition("}")[2]
            if key == "id":
                if value not in used:
                    continue
                value = f"{prefix}-{value}"
            attributes[key] = re.sub(r"^#|(?<=url\()#", f"#{prefix}-", value) if key != "d" else value
        element.attrib.clear()
        element.attrib.update(attributes)
    width = float(root.attrib.pop("width").removesuffix("pt")) / 72 * 96
    root.attrib.pop("height")
    size = f"width:{width:.0f}px;min-width:{LEGIBLE * width:.0f}px"
    root.attrib.update({"role": "img", "aria-label": alt, "style": size})
    return ElementTree.tostring(root, encoding="unicode")


def _follow_the_theme(element: ElementTree.Element) -> None:
    """Replace the known colours by variables of the page, with the colour itself where a page does not set them."""
    if element.get("id", "").startswith(style.CELLS):
        element.set("class", style.CELLS)
        return
    if "style" in element.attrib:
        themed = COLOR.sub(lambda found: f"var(--{_THEME[found[0].lower()]},{found[0]})", element.attrib["style"])
        element.set("style", themed)
    for inner in element:
        _follow_the_theme(inner)
