"""Figures as inline SVG for Jinja templates."""

from typing import TYPE_CHECKING

from smallvision.rendering import embed

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


def inline(figure: "Figure", alt: str, prefix: str) -> "Markup":
    """A figure as inline SVG that a template takes as it is, in a box that scrolls where the figure is wider than it.

    `alt` and `prefix` are as of `embed.svg`.
    """
    from markupsafe import Markup

    return Markup('<div class="drawing">' + embed.svg(figure, alt, prefix) + "</div>")
