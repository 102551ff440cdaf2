"""The horizontal axis of plots over epochs."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cryofifa.names import HALF_MAP_REFINEMENT
from cryofifa.results.report.plots.ink import Ink


def count_epochs(axes: Axes) -> None:
    """Put ticks at whole epochs only."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))


def shade_refinement(axes: Axes, refinement_epochs: Sequence[int], ink: Ink) -> None:
    """Shade and name the epochs of half-map refinement, from the first of them to the last; none leaves no shade."""
    if not refinement_epochs:
        return
    start, end = min(refinement_epochs) - 0.5, max(refinement_epochs) + 0.5
    axes.axvspan(start, end, color=ink.text, alpha=0.08, linewidth=0)
    axes.annotate(
        HALF_MAP_REFINEMENT, (start, 1), (4, -11), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=ink.text, fontsize=8,
    )  # fmt: skip
