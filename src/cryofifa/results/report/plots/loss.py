"""How the losses of the networks fall over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from cryofifa.results.report.plots.canvas import figure_with_axes, png_of, say, second_axes
from cryofifa.results.report.plots.epoch_axis import count_epochs, shade_refinement
from cryofifa.results.report.plots.ink import Ink


def loss_figure(
    epoch: Float[np.ndarray, " epochs"],
    loss: Float[np.ndarray, " epochs"],
    encoder_loss: Float[np.ndarray, " epochs"],
    refinement_epochs: Sequence[int],
    ink: Ink,
) -> bytes:
    """Draw the loss of the images and, dashed, that of the encoder, each on its own axis; NaN leaves a gap.

    Args:
        refinement_epochs: those of half-map refinement, to be shaded.

    Returns:
        A PNG file.
    """
    figure, axes = figure_with_axes(ink, 2.8)
    second = second_axes(axes, ink)
    if np.isfinite(loss).any():
        axes.plot(epoch, loss, "o-", color=ink.first, linewidth=2, markersize=4)
    else:
        say(axes, "no values", ink)
    if np.isfinite(encoder_loss).any():
        second.plot(epoch, encoder_loss, "s--", color=ink.second, linewidth=1.3, markersize=3)
    axes.set_ylabel("loss", color=ink.first)
    second.set_ylabel("encoder loss", color=ink.second)
    axes.set_xlabel("epoch")
    count_epochs(axes)
    shade_refinement(axes, refinement_epochs, ink)
    return png_of(figure)
