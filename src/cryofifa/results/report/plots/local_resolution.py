"""Central slices of a local resolution."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofifa.results.report.plots.canvas import blank_figure, dress_colour_bar, png_of
from cryofifa.results.report.plots.ink import Ink


def local_resolution_figure(local_resolution_angstrom: Float[np.ndarray, "z y x"], ink: Ink) -> bytes:
    """Draw the central slices across z, y and x in one colour scale, and nothing where the volume is NaN.

    The scale leaves out the finest and the coarsest hundredth of the voxels.

    Returns:
        A PNG file.
    """
    volume = local_resolution_angstrom
    figure = blank_figure(2.6)
    panels = figure.subplots(1, 3)
    known = volume[np.isfinite(volume)]
    finest, coarsest = (float(value) for value in np.percentile(known, (1, 99))) if len(known) else (0.0, 1.0)
    pictures = []
    for axis, panel in enumerate(panels):
        slice_ = np.ma.masked_invalid(volume.take(volume.shape[axis] // 2, axis=axis))
        pictures.append(panel.imshow(slice_, cmap="cividis_r", vmin=finest, vmax=coarsest, interpolation="nearest"))
        panel.set_axis_off()
    bar = figure.colorbar(pictures[-1], ax=panels, shrink=0.85, pad=0.02)
    dress_colour_bar(bar, "local resolution (Å)", ink)
    return png_of(figure)
