"""Figures as inline SVG for Jinja templates."""

from typing import TYPE_CHECKING

from smallvision.rendering import embed

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


def inline(figure: "Figure", alt: str, prefix: str) -> "Markup":
    """A figure as inline SVG that a template takes as it is; `alt` and `prefix` as of `embed.svg`."""
    from markupsafe import Markup

    return Markup(embed.svg(figure, alt, prefix))
