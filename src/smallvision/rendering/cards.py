"""Small HTML cards, and tables, by which results show themselves as the last value of a notebook's cell."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smallvision.errors import BadInput, printable

if TYPE_CHECKING:
    import pandas

CARD = "border:1px solid #8886;border-radius:6px;padding:.6em .9em;max-width:44em;display:inline-block"
CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top"
MOST_SHOWN = 60  # rows of a table in a notebook


def card(title: str, lines: Iterable[tuple[str, str]], notes: Iterable[str] = (), picture: str = "") -> str:
    """A card as HTML.

    Parameters
    ----------
    title, lines, notes : plain text; a line has a name and a value.
    picture : HTML that is taken as it is, such as an inline SVG.
    """
    rows = "".join(
        f'<tr><td style="{CELL};opacity:.7">{_text(name)}</td><td style="{CELL}">{_text(value)}</td></tr>'
        for name, value in lines
    )
    said = "".join(f'<div style="padding-top:.3em">{_text(note)}</div>' for note in notes)
    shown = f'<div style="max-width:30em;background:#fff;margin-top:.4em">{picture}</div>' if picture else ""
    return f'<div style="{CARD}"><strong>{_text(title)}</strong><table>{rows}</table>{said}{shown}</div>'


class Rows(list[dict[str, Any]]):
    """A list of dicts that shows itself as a table in a notebook and becomes a pandas DataFrame by `frame()`."""

    def frame(self) -> "pandas.DataFrame":
        """The rows as a pandas DataFrame.

        A dict in a cell becomes columns of its own, `validation.accuracy` for the key `accuracy` of `validation`; a
        list of numbers or of text becomes text.

        Raises
        ------
        BadInput : pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise BadInput("frame: pandas is not installed; install it with: pip install pandas") from None
        return pandas.DataFrame(self.flat())

    def flat(self) -> list[dict[str, Any]]:
        """The rows with the keys of nested dicts joined by dots, and no dict or list in any cell."""
        return [dict(_flat(row)) for row in self]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows beside the table, and stores in the notebook's file."""
        columns = dict.fromkeys(key for row in self for key in row)
        printer.text(f"{len(self):,} rows of {', '.join(columns)}; .frame() makes a pandas DataFrame of them")

    def _repr_html_(self) -> str:
        rows = self.flat()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        head = "".join(f'<th style="{CELL}">{_text(key)}</th>' for key in columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="{CELL}">{_text(_short(row.get(key)))}</td>' for key in columns) + "</tr>"
            for row in rows[:MOST_SHOWN]
        )
        more = f"<div>{len(rows) - MOST_SHOWN:,} more rows are not shown</div>" if len(rows) > MOST_SHOWN else ""
        return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"


def _flat(row: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield f"{before}{key}", ", ".join(_in_list(one) for one in value)
        else:
            yield f"{before}{key}", value


def _in_list(value: Any) -> str:
    """An element of a list in a cell; of a dict, its values."""
    return " ".join(str(one) for one in value.values()) if isinstance(value, Mapping) else str(value)


def _short(value: Any) -> str:
    """The text of a cell."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(text: object) -> str:
    return html.escape(printable(str(text)))


class LayerTable(dict[str, Any]):
    """A layer table, as `layers.json` has it, that shows itself in a notebook as a table with its totals."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows beside the table, and stores in the notebook's file."""
        printer.text(f"{len(self['rows'])} layers, {self['totals']['parameters']:,} parameters")

    def _repr_html_(self) -> str:
        totals = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in self["totals"].items())
        return f"{Rows(self['rows'])._repr_html_()}<div>{_text(totals)}</div>"
