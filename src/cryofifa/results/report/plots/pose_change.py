"""How far poses still move, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from cryofifa.results.report.plots.canvas import blank_figure, dress_axes, png_of, say, second_axes
from cryofifa.results.report.plots.epoch_axis import count_epochs, shade_refinement
from cryofifa.results.report.plots.ink import Ink

LOG_SCALE_FROM_RATIO = 20  # of the largest change to the smallest


def pose_change_figure(
    epoch: Float[np.ndarray, " epochs"],
    rotation_change_degree: Float[np.ndarray, " epochs"],
    shift_change_angstrom: Float[np.ndarray, " epochs"],
    resolution_angstrom: Float[np.ndarray, " epochs"],
    refinement_epochs: Sequence[int],
    ink: Ink,
) -> bytes:
    """Draw the change of rotations above that of shifts, each against the resolution that images were used to.

    Args:
        rotation_change_degree, shift_change_angstrom: against the epoch before, NaN where not known.
        resolution_angstrom: of the mask in Fourier space, dashed, NaN or infinite where there is none.
        refinement_epochs: those of half-map refinement, to be shaded.

    Returns:
        A PNG file.
    """
    figure = blank_figure(4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    panels = ((upper, rotation_change_degree, "pose change (°)"), (lower, shift_change_angstrom, "shift change (Å)"))
    for axes, change, label in panels:
        dress_axes(axes, ink)
        if np.isfinite(change).any():
            _scale_to(axes, change)
            axes.plot(epoch, change, "o-", color=ink.first, linewidth=2, markersize=4)
        else:
            say(axes, "no values", ink)
        axes.set_ylabel(label, color=ink.first)
        second = second_axes(axes, ink)
        if np.isfinite(resolution_angstrom).any():
            second.step(epoch, resolution_angstrom, where="mid", color=ink.second, linewidth=1.3, linestyle="--")
            second.set_ylim(0, 1.1 * float(resolution_angstrom[np.isfinite(resolution_angstrom)].max()))
        second.set_ylabel("mask (Å)", color=ink.second)
        count_epochs(axes)
        shade_refinement(axes, refinement_epochs, ink)
    lower.set_xlabel("epoch")
    return png_of(figure)


def _scale_to(axes: Axes, change: Float[np.ndarray, " epochs"]) -> None:
    """Scale the vertical axis by logarithms where changes differ much, else from zero on."""
    if np.nanmin(change) > 0 and np.nanmax(change) > LOG_SCALE_FROM_RATIO * np.nanmin(change):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, max(1e-6, 1.1 * float(np.nanmax(change))))
