"""Values over the whole sphere of directions, in Mollweide's map of equal areas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from matplotlib.colors import Normalize

from cryofifa.results.report.plots.canvas import blank_figure, dress_colour_bar, png_of
from cryofifa.results.report.plots.ink import Ink


def sphere_figure(
    value_along: Callable[[Float[np.ndarray, "rows columns 3"]], Float[np.ndarray, "rows columns"]],
    norm: Normalize,
    label: str,
    ink: Ink,
) -> bytes:
    """Draw a value along every direction.

    Args:
        value_along: gives the values along unit vectors (x, y, z).
        norm: how values become colours.
        label: what the colours mean.

    Returns:
        A PNG file.
    """
    figure = blank_figure(4.0)
    axes = figure.add_subplot(projection="mollweide")
    longitude = np.linspace(-np.pi, np.pi, 361)
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 181)
    values = value_along(_directions_between(longitude, latitude))
    mesh = axes.pcolormesh(longitude, latitude, values, cmap="cividis", norm=norm, rasterized=True)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.75, pad=0.03)
    dress_colour_bar(bar, label, ink)
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
