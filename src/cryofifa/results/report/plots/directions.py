"""How far two half maps agree along every direction: FSC curves within cones, and their means over the sphere."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.colors import Normalize

from cryofifa.results.report.plots.canvas import figure_with_axes, png_of
from cryofifa.results.report.plots.fsc import dress_fsc_axes
from cryofifa.results.report.plots.ink import Ink
from cryofifa.results.report.plots.sphere import sphere_figure

THRESHOLD = 0.143


def cone_figure(
    curves: Float[np.ndarray, "directions shells"], box_angstrom: float, nyquist_angstrom: float, ink: Ink
) -> bytes:
    """Draw the spread of the curves of all directions: from the least to the greatest, the middle half, and the mean.

    Shell i lies at the spatial frequency i / `box_angstrom`.

    Returns:
        A PNG file.
    """
    figure, axes = figure_with_axes(ink, 3.2)
    frequency = np.arange(curves.shape[1]) / box_angstrom
    lower, upper = np.percentile(curves, (25, 75), axis=0)
    axes.fill_between(
        frequency, curves.min(axis=0), curves.max(axis=0), color=ink.first, alpha=0.2, linewidth=0, label="all"
    )
    axes.fill_between(frequency, lower, upper, color=ink.first, alpha=0.35, linewidth=0, label="middle half")
    axes.plot(frequency, curves.mean(axis=0), color=ink.first, linewidth=2, label="mean")
    worst, best = curves[:, 1:].mean(axis=1).argmin(), curves[:, 1:].mean(axis=1).argmax()
    axes.plot(frequency, curves[best], color=ink.stack[1], linewidth=1, label="greatest area")
    axes.plot(frequency, curves[worst], color=ink.second, linewidth=1, label="least area")
    axes.axhline(THRESHOLD, color=ink.text, linewidth=0.8, linestyle="--", alpha=0.7)
    axes.legend(frameon=False, fontsize=8, labelcolor=ink.text, loc="lower left")
    dress_fsc_axes(axes, nyquist_angstrom)
    return png_of(figure)


def area_figure(
    direction: Float[np.ndarray, "directions 3"], area: Float[np.ndarray, " directions"], ink: Ink
) -> bytes:
    """Draw the mean FSC along every direction, which is the area under its curve; opposite directions are alike.

    Args:
        direction: unit vectors (x, y, z) over half of the sphere.
        area: for each of them.

    Returns:
        A PNG file.
    """
    return sphere_figure(
        lambda wanted: area[np.abs(wanted @ direction.T).argmax(axis=-1)],
        Normalize(0, 1),
        "mean FSC up to Nyquist",
        ink,
    )
