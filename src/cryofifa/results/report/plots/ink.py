"""The colours of the plots: those of Okabe and Ito, which colour-blind readers can tell apart.

Source: https://jfly.uni-koeln.de/color.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ink:
    """The colours of the plots on one page, as matplotlib takes them.

    text, grid: of words and of the lines behind the curves.
    first, second: of the curve that matters most, and of the one drawn against it.
    stack: of up to five things shown beside each other.
    """

    text: str
    grid: str
    first: str
    second: str
    stack: tuple[str, str, str, str, str]


LIGHT = Ink("#30363d", "#d9dde2", "#0072B2", "#D55E00", ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#999999"))
DARK = Ink("#c6ccd3", "#3a4048", "#56B4E9", "#E69F00", ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#999999"))
