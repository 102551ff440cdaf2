"""What all plots have in common: their size, their axes, and the PNG file on a transparent ground."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from cryofifa.results.report.plots.ink import Ink

DOTS_PER_INCH = 120
WIDTH_INCH = 7.6


def blank_figure(height_inch: float) -> Figure:
    """A figure of the report's width without axes; pyplot, which keeps every figure, takes no part."""
    return Figure(figsize=(WIDTH_INCH, height_inch), dpi=DOTS_PER_INCH, layout="constrained")


def figure_with_axes(ink: Ink, height_inch: float) -> tuple[Figure, Axes]:
    """A figure of the report's width with one pair of axes in the look of the report."""
    figure = blank_figure(height_inch)
    axes = figure.subplots()
    dress_axes(axes, ink)
    return figure, axes


def dress_axes(axes: Axes, ink: Ink) -> None:
    """Give axes the look of the report: a light grid, no frame, no ticks."""
    axes.set_facecolor("none")
    axes.grid(visible=True, color=ink.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=ink.text, labelsize=9, length=0)
    axes.xaxis.label.set_color(ink.text)
    axes.yaxis.label.set_color(ink.text)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(ink.grid)


def second_axes(axes: Axes, ink: Ink) -> Axes:
    """A second vertical axis on the right of the same plot, without a grid of its own."""
    second = axes.twinx()
    dress_axes(second, ink)
    second.grid(visible=False)
    return second


def dress_colour_bar(bar: Colorbar, label: str, ink: Ink) -> None:
    """Name what the colours mean, in the ink of the page."""
    bar.set_label(label, color=ink.text, fontsize=9)
    bar.ax.tick_params(colors=ink.text, labelsize=8)


def say(axes: Axes, text: str, ink: Ink) -> None:
    """Write in the middle of a plot why nothing is drawn there."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=ink.text)


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG file on a transparent ground."""
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", transparent=True)
    return file.getvalue()
