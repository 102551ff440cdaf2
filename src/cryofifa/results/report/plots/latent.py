"""Where the particles lie along the first two components, coloured by state and by score."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from cryofifa.results.report.plots.canvas import blank_figure, dress_axes, dress_colour_bar, png_of
from cryofifa.results.report.plots.ink import Ink

MOST_POINTS = 5000  # more hide each other


def latent_figure(
    coordinate: Float[np.ndarray, "n components"],
    state: Int[np.ndarray, " n"],
    score: Float[np.ndarray, " n"],
    ink: Ink,
) -> bytes:
    """Draw the particles along components 1 and 2, left by state (from 0), right by score.

    With one component only, the vertical axis is the score.

    Returns:
        A PNG file.
    """
    if len(state) > MOST_POINTS:
        some = np.linspace(0, len(state) - 1, MOST_POINTS).astype(int)
        coordinate, state, score = coordinate[some], state[some], score[some]
    figure = blank_figure(3.4)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    only_one = coordinate.shape[1] == 1
    x, y = coordinate[:, 0], score if only_one else coordinate[:, 1]
    for axes in (left, right):
        dress_axes(axes, ink)
        axes.set_xlabel("component 1")
    left.set_ylabel("score" if only_one else "component 2")
    for one in np.unique(state):
        mine = state == one
        left.scatter(x[mine], y[mine], s=3, linewidths=0, color=ink.stack[one % 5], label=f"state {one + 1}")
    left.legend(frameon=False, fontsize=8, labelcolor=ink.text, markerscale=3)
    known = score[np.isfinite(score)]
    low, high = np.percentile(known, (2, 98)) if len(known) else (0.0, 1.0)
    drawn = right.scatter(x, y, s=3, linewidths=0, c=score, cmap="cividis", vmin=low, vmax=high)
    dress_colour_bar(figure.colorbar(drawn, ax=right), "score", ink)
    return png_of(figure)
