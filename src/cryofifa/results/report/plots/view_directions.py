"""View directions over the whole sphere."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.colors import PowerNorm

from cryofifa.results.report.plots.canvas import blank_figure, dress_colour_bar, png_of
from cryofifa.results.report.plots.ink import Ink
from cryofifa.results.view_coverage import SphereBins

BINS, FINE_BINS = 192, 768
FINE_FROM_VIEWS = 20_000  # so many fill bins of half the width


def view_figure(view_direction: Float[np.ndarray, "views 3"], ink: Ink) -> bytes:
    """Draw how densely view directions lie on the sphere, 1 where they are even, in Mollweide's map of equal areas.

    Args:
        view_direction: unit vectors (x, y, z) in the frame of the volume.

    Returns:
        A PNG file.
    """
    figure = blank_figure(4.0)
    axes = figure.add_subplot(projection="mollweide")
    bins = SphereBins.about(FINE_BINS if len(view_direction) >= FINE_FROM_VIEWS else BINS)
    longitude = np.linspace(-np.pi, np.pi, 361)
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 181)
    density = bins.counts(view_direction) * (bins.count / max(1, len(view_direction)))
    mesh = axes.pcolormesh(
        longitude,
        latitude,
        density[bins.index(_directions_between(longitude, latitude))],
        cmap="cividis",
        norm=PowerNorm(0.5, 0, max(2.0, float(density.max()))),
        rasterized=True,
    )
    bar = figure.colorbar(mesh, ax=axes, shrink=0.75, pad=0.03)
    dress_colour_bar(bar, "views, even = 1 (square-root scale)", ink)
    axes.set_xticks([])
    axes.set_yticks(np.radians([-60, -30, 0, 30, 60]))
    axes.tick_params(colors=ink.text, labelsize=8)
    axes.grid(visible=True, color="white", alpha=0.25, linewidth=0.5)
    return png_of(figure)


def _directions_between(
    longitude: Float[np.ndarray, " columns_and_1"], latitude: Float[np.ndarray, " rows_and_1"]
) -> Float[np.ndarray, "rows columns 3"]:
    """Unit vectors in the middle of each patch between neighbouring lines of longitude and latitude."""
    middle_longitude = (longitude[1:] + longitude[:-1]) / 2
    middle_latitude = ((latitude[1:] + latitude[:-1]) / 2)[:, None]
    return np.stack(
        np.broadcast_arrays(
            np.cos(middle_latitude) * np.cos(middle_longitude),
            np.cos(middle_latitude) * np.sin(middle_longitude),
            np.sin(middle_latitude),
        ),
        axis=-1,
    )
