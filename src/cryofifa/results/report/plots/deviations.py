"""Where a map differs from another by more than noise, in slices through the strongest difference."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from cryofifa.results.report.plots.canvas import blank_figure, dress_colour_bar, png_of
from cryofifa.results.report.plots.ink import Ink


def deviations_figure(
    deviations: Float[np.ndarray, "z y x"], inside: Bool[np.ndarray, "z y x"], threshold: float, ink: Ink
) -> bytes:
    """Draw a difference in standard deviations of its noise across z, y and x, with lines around what is significant.

    Args:
        deviations: the difference.
        inside: the voxels that are judged; the slices lie where the difference is strongest there.
        threshold: in standard deviations.

    Returns:
        A PNG file.
    """
    figure = blank_figure(2.9)
    judged = np.where(inside, np.abs(deviations), 0)
    peak = np.unravel_index(int(judged.argmax()), judged.shape)
    largest = max(2 * threshold, float(judged.max()))
    for axis, (axes, across) in enumerate(zip(figure.subplots(1, 3), "zyx", strict=True)):
        values = deviations.take(peak[axis], axis=axis)
        significant = np.where(inside.take(peak[axis], axis=axis), np.abs(values), 0) > threshold
        drawn = axes.imshow(values, cmap="RdBu", vmin=-largest, vmax=largest, interpolation="nearest")
        if significant.any():
            axes.contour(significant, levels=[0.5], colors=[ink.text], linewidths=0.8)
        axes.set_title(f"across {across}, at {peak[axis]}", color=ink.text, fontsize=9)
        axes.set_axis_off()
        if axis == 2:
            dress_colour_bar(figure.colorbar(drawn, ax=axes, shrink=0.8), "standard deviations", ink)
    return png_of(figure)
