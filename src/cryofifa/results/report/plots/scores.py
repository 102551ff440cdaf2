"""How the scores of the particles are distributed, as a histogram."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofifa.results.report.plots.canvas import figure_with_axes, png_of, say
from cryofifa.results.report.plots.ink import Ink

FINE_FROM_SCORES = 600  # so many fill narrow bins


def score_figure(score: Float[np.ndarray, " particles"], ink: Ink) -> bytes:
    """Draw the histogram of the particles' scores and their median; scores that are not finite are left out.

    Returns:
        A PNG file.
    """
    figure, axes = figure_with_axes(ink, 2.8)
    score = np.asarray(score, dtype=np.float64)
    score = score[np.isfinite(score)]
    if len(score):
        axes.hist(score, bins=60 if len(score) > FINE_FROM_SCORES else 20, color=ink.first, edgecolor="none")
        median = float(np.median(score))
        axes.axvline(median, color=ink.second, linewidth=1.5, linestyle="--")
        axes.annotate(
            f"median {median:.3g}", (median, 1), (5, -11), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=ink.text, fontsize=9,
        )  # fmt: skip
    else:
        say(axes, "no scores", ink)
    axes.set_xlabel("score")
    axes.set_ylabel("particles")
    return png_of(figure)
