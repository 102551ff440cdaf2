"""Fourier shell correlation against spatial frequency."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from cryofifa.results.report.plots.canvas import figure_with_axes, png_of, say
from cryofifa.results.report.plots.ink import Ink

OTHER_COLOURS = (1, 4, 3, 2, 0)  # of the ink's stack, for the curves after the first; then from the beginning again


def fsc_figure(
    curves: Mapping[str, Float[np.ndarray, " shells"]],
    box_angstrom: float,
    nyquist_angstrom: float,
    crossings: Mapping[float, float | None],
    shared_resolution_angstrom: float,
    ink: Ink,
) -> bytes:
    """Draw correlation curves up to Nyquist, with their thresholds and where these are crossed.

    Shell i of a curve lies at the spatial frequency i / `box_angstrom`. The first curve is the one that counts and is
    drawn bold; where it has no value at all, the plot says that there are no half maps.

    Args:
        curves: by the name that the legend gives them.
        crossings: for each threshold, such as 0.143, the resolution in angstrom at which the first curve crosses it;
            None or NaN where it does not.
        shared_resolution_angstrom: a dotted line: down to it both half maps come from one model.

    Returns:
        A PNG file.
    """
    figure, axes = figure_with_axes(ink, 3.2)
    for threshold, resolution in crossings.items():
        axes.axhline(threshold, color=ink.text, linewidth=0.8, linestyle="--", alpha=0.7)
        axes.annotate(
            str(threshold), (1, threshold), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            color=ink.text, fontsize=8, va="center",
        )  # fmt: skip
        if resolution is not None and np.isfinite(resolution) and resolution > 0:
            axes.plot(1 / resolution, threshold, "o", color=ink.second, markersize=6, zorder=3)
            axes.annotate(
                f"{resolution:.1f} Å", (1 / resolution, threshold), (8, 6), textcoords="offset points",
                color=ink.text, fontsize=9,
            )  # fmt: skip
    first = next(iter(curves.values()), np.zeros(0))
    if np.isfinite(first).any():
        axes.axvline(1 / shared_resolution_angstrom, color=ink.text, linewidth=0.8, linestyle=":")
        for number, (name, curve) in enumerate(curves.items()):
            colour = ink.first if number == 0 else ink.stack[OTHER_COLOURS[(number - 1) % len(OTHER_COLOURS)]]
            frequency = np.arange(len(curve)) / box_angstrom
            axes.plot(frequency, curve, color=colour, linewidth=2 if number == 0 else 1, label=name)
        axes.legend(frameon=False, fontsize=8, labelcolor=ink.text)
    else:
        say(axes, "no half maps", ink)
    dress_fsc_axes(axes, nyquist_angstrom)
    return png_of(figure)


def dress_fsc_axes(axes: Axes, nyquist_angstrom: float) -> None:
    """Scale the axes of correlation curves: frequencies up to Nyquist, written as resolutions, and the FSC."""
    nyquist = 1 / nyquist_angstrom
    axes.set_xlim(0, nyquist)
    axes.set_ylim(-0.1, 1.05)
    ticks = np.linspace(0, nyquist, 7)[1:]
    axes.set_xticks([0, *ticks], ["∞", *(f"{1 / tick:.1f}" for tick in ticks)])
    axes.set_xlabel("resolution (Å), up to Nyquist")
    axes.set_ylabel("FSC")
