"""View directions over the whole sphere."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.colors import PowerNorm

from cryofifa.results.report.plots.ink import Ink
from cryofifa.results.report.plots.sphere import sphere_figure
from cryofifa.results.view_coverage import SphereBins

BINS, FINE_BINS = 192, 768
FINE_FROM_VIEWS = 20_000  # so many fill bins of half the width


def view_figure(view_direction: Float[np.ndarray, "views 3"], ink: Ink) -> bytes:
    """Draw how densely view directions lie on the sphere, 1 where they are even.

    Args:
        view_direction: unit vectors (x, y, z) in the frame of the volume.

    Returns:
        A PNG file.
    """
    bins = SphereBins.about(FINE_BINS if len(view_direction) >= FINE_FROM_VIEWS else BINS)
    density = bins.counts(view_direction) * (bins.count / max(1, len(view_direction)))
    return sphere_figure(
        lambda direction: density[bins.index(direction)],
        PowerNorm(0.5, 0, max(2.0, float(density.max()))),
        "views, even = 1 (square-root scale)",
        ink,
    )
