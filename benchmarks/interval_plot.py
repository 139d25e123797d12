"""Intervals as a small SVG figure that reads on light and on dark pages, byte for byte the same on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

ROW, TOP, AXIS, FONT = 22, 30, 34, 13
PLOT, NUMBERS, LETTER, LONGEST = 300, 150, 6.9, 68  # pixels, pixels, pixels a letter, letters of a label
STYLE = """<style>
.page { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 } .muted { fill: #59636e; font-size: 12px }
.zero { stroke: #59636e; stroke-dasharray: 3 3 } .grid { stroke: #d1d9e0 }
.told { stroke: #0969da; fill: #0969da } .open { stroke: #59636e; fill: none }
line.told, line.open { stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 }
text { fill: #e6edf3 } .muted { fill: #9198a1 } .zero { stroke: #9198a1 } .grid { stroke: #3d444d }
.told { stroke: #58a6ff; fill: #58a6ff } .open { stroke: #9198a1 }
}
</style>
"""


@dataclass(frozen=True)
class Interval:
    """By how much the first side is better than the second: above zero where it is."""

    first: str
    second: str
    value: float
    low: float
    high: float
    told: bool  # whether one is better
    name: str = ""  # of the row; by default both sides

    @property
    def label(self) -> str:
        text = self.name or f"{self.first} over {self.second}"
        return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

    @property
    def numbers(self) -> str:
        """ "2.3 (1.4 to 3.2)"."""
        return f"{self._text(self.value)} ({self._text(self.low)} to {self._text(self.high)})"

    def _text(self, value: float) -> str:
        decimals = 1 if abs(self.value) >= 1 else 2
        while decimals < 9 and any(end and not float(f"{end:.{decimals}f}") for end in (self.low, self.high)):
            decimals += 1
        text = f"{value:.{decimals}f}"
        return (text if float(text) else text.lstrip("-")).replace("-", "−")


@dataclass(frozen=True)
class Panel:
    """Intervals in one unit, below a title that names it."""

    title: str
    intervals: Sequence[Interval]


def svg(panels: Sequence[Panel]) -> str:
    """A figure of panels below one another; without any interval it says that nothing is measured."""
    panels = [panel for panel in panels if panel.intervals]
    rows = [one for panel in panels for one in panel.intervals]
    left = round(max((LETTER * len(one.label) for one in rows), default=300)) + 12
    parts, y = [], 0
    for panel in panels:
        parts.append(_panel(panel, left, y))
        y += TOP + ROW * len(panel.intervals) + AXIS
    if not panels:
        parts, y = ['<text x="12" y="20">Not measured</text>\n'], TOP
    width = left + PLOT + NUMBERS
    told = "; ".join(f"{one.label}: {one.numbers}" for one in rows) or "not measured"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" role="img">\n'
        f"<title>{escape(told, quote=False)}</title>\n{STYLE}"
        f'<rect class="page" width="{width}" height="{y}"/>\n'
        f"{''.join(parts)}</svg>\n"
    )


def _panel(panel: Panel, left: int, top: int) -> str:
    step, low, high = _scale(panel.intervals)
    bottom = top + TOP + ROW * len(panel.intervals)

    def x(value: float) -> str:
        return f"{left + PLOT * (value - low) / (high - low):.1f}"

    out = [f'<text class="title" x="12" y="{top + 18}">{escape(panel.title, quote=False)}</text>\n']
    for place in range(round((high - low) / step) + 1):
        at = low + place * step
        kind = "zero" if abs(at) < step / 2 else "grid"
        text = f"{at:.6g}".replace("-", "−") if kind == "grid" else "0"
        out.append(f'<line class="{kind}" x1="{x(at)}" y1="{top + TOP - 4}" x2="{x(at)}" y2="{bottom}"/>\n')
        out.append(f'<text class="muted" x="{x(at)}" y="{bottom + 15}" text-anchor="middle">{text}</text>\n')
    for place, one in enumerate(panel.intervals):
        y = top + TOP + ROW * place + ROW // 2 - 2
        kind = "told" if one.told else "open"
        label = escape(one.label, quote=False)
        out.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{label}</text>\n')
        out.append(f'<line class="{kind}" x1="{x(one.low)}" y1="{y}" x2="{x(one.high)}" y2="{y}"/>\n')
        out.append(f'<circle class="{kind}" cx="{x(one.value)}" cy="{y}" r="4"/>\n')
        out.append(f'<text class="muted" x="{left + PLOT + 12}" y="{y + 4}">{one.numbers}</text>\n')
    return "".join(out)


def _scale(intervals: Sequence[Interval]) -> tuple[float, float, float]:
    """The step of the axis, and its ends: multiples of the step that hold zero and every interval."""
    low = min(0.0, *(one.low for one in intervals))
    high = max(0.0, *(one.high for one in intervals))
    rough = (high - low) / 5 or 1.0
    unit = 10 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return step, step * floor(low / step), step * -floor(-high / step)
