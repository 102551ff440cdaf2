"""How well each component of variability is confirmed by images that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cryofifa.results.report.plots.canvas import figure_with_axes, png_of
from cryofifa.results.report.plots.ink import Ink


def spectrum_figure(gain_over_error: Sequence[float], least: float, real: int, ink: Ink) -> bytes:
    """Draw the gain of every component as a bar, real ones in the first colour, and the line that they have to reach.

    Args:
        gain_over_error: gain in log-likelihood of images that were left out, in standard errors.
        least: what a real component has to reach.
        real: how many are real, from the first on.

    Returns:
        A PNG file.
    """
    figure, axes = figure_with_axes(ink, 2.6)
    number = np.arange(1, len(gain_over_error) + 1)
    colours = [ink.first if one <= real else ink.stack[4] for one in number]
    axes.bar(number, gain_over_error, color=colours, width=0.6)
    axes.axhline(least, color=ink.second, linewidth=1.2, linestyle="--")
    axes.axhline(0, color=ink.text, linewidth=0.8)
    axes.set_xticks(number)
    axes.set_xlabel("component")
    axes.set_ylabel("gain (standard errors)")
    return png_of(figure)
