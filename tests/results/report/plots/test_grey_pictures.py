"""Grey pictures show an array as it lies, the right way round."""

import io

import numpy as np
from PIL import Image

from cryofifa.results.report.plots.grey_pictures import central_slices, grey_png, projections


def test_slices_and_projections_show_the_bright_voxel_where_it_is() -> None:
    """Row and column of the picture are the two axes that are left, in the order of the array."""
    volume = np.zeros((16, 16, 16))
    z, y, x = 8, 3, 12
    volume[z, y, x] = 1.0
    for axis, place in enumerate(((y, x), (z, x), (z, y))):
        picture = np.asarray(Image.open(io.BytesIO(projections(volume)[axis])))
        assert np.unravel_index(picture.argmax(), picture.shape) == place
    picture = np.asarray(Image.open(io.BytesIO(central_slices(volume)[0])))
    assert np.unravel_index(picture.argmax(), picture.shape) == (y, x)


def test_large_pictures_are_averaged_down() -> None:
    picture = Image.open(io.BytesIO(grey_png(np.random.default_rng(0).normal(size=(600, 600)))))
    assert picture.size == (200, 200)
