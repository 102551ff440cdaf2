"""Where the poses that particles took came from, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from cryofifa.results.report.plots.canvas import figure_with_axes, png_of, say
from cryofifa.results.report.plots.epoch_axis import count_epochs
from cryofifa.results.report.plots.ink import Ink
from cryofifa.train.epoch_record import WINNER_ORIGINS

OTHER = "other"


def winner_figure(
    epoch: Float[np.ndarray, " epochs"], shares: Mapping[str, Float[np.ndarray, " epochs"]], ink: Ink
) -> bytes:
    """Draw the shares of the winning poses by origin, stacked; no share at all is said in words.

    Args:
        shares: by origin, each one of `WINNER_ORIGINS` or `OTHER`, from the bottom up.

    Returns:
        A PNG file.
    """
    figure, axes = figure_with_axes(ink, 2.8)
    if shares:
        if len(epoch) == 1:  # a band needs two edges
            epoch = epoch + np.array([-0.5, 0.5])
            shares = {origin: np.repeat(share, 2) for origin, share in shares.items()}
        colours: dict[str, str] = dict(zip((*WINNER_ORIGINS, OTHER), ink.stack, strict=True))
        axes.stackplot(
            epoch,
            *shares.values(),
            labels=list(shares),
            colors=[colours[origin] for origin in shares],
            edgecolor="white",
            linewidth=0.4,
        )
        axes.set_xlim(epoch[0], epoch[-1])
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=5,
            frameon=False,
            labelcolor=ink.text,
            fontsize=9,
        )
    else:
        say(axes, "no values", ink)
    axes.set_ylim(0, 1)
    count_epochs(axes)
    axes.set_ylabel("share of winners")
    axes.set_xlabel("epoch")
    return png_of(figure)
