"""The few forms of HTML that the page is made of. Every text is escaped here; parts that are HTML already are not."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable

from cryofifa.results.report.plots.ink import DARK, LIGHT, Ink


def section(name: str, heading: str, *parts: str) -> str:
    """A card of the page; `parts` are HTML, and empty ones are left out."""
    return (
        f'<section id="{html.escape(name)}"><h2>{html.escape(heading)}</h2>\n'
        + "\n".join(part for part in parts if part)
        + "\n</section>"
    )


def note(text: str) -> str:
    """A paragraph in small soft print."""
    return f'<p class="note">{html.escape(text)}</p>'


def tile(name: str, value: str, kind: str) -> str:
    """One fact in a box, `kind` as in the style sheet: "tile", or "tile key" for a large one."""
    return f'<div class="{kind}"><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>'


def table(rows: Iterable[tuple[str, str]], *, numbers: bool = False) -> str:
    """Rows of a name and a value, to the right if the values are numbers; nothing at all if there are no rows."""
    cell = '<td class="number">' if numbers else "<td>"
    lines = "".join(f"<tr><td>{html.escape(name)}</td>{cell}{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{lines}</table>" if lines else ""


def plot(draw: Callable[[Ink], bytes], description: str) -> str:
    """A plot in the ink of the reader's page, light or dark; `draw` makes the PNG file in the ink that it is given."""
    light, dark = (_data_address(draw(ink)) for ink in (LIGHT, DARK))
    return (
        f'<picture class="plot"><source srcset="{dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{html.escape(description)}"></picture>'
    )


def captioned_image(png: bytes, caption: str) -> str:
    """A picture with its caption below."""
    return f"<figure>{image(png, caption)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def image(png: bytes, description: str) -> str:
    """A picture that describes itself to whoever points at it or cannot see it."""
    text = html.escape(description)
    return f'<img src="{_data_address(png)}" alt="{text}" title="{text}">'


def _data_address(png: bytes) -> str:
    """The PNG file itself, written as an address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
