"""Grey pictures of maps and particles, without axes: one pixel of the PNG file is one of the array."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float
from PIL import Image

LARGEST_PICTURE = 256  # pixels across; what is larger is averaged down


def central_slices(volume: Float[np.ndarray, "z y x"]) -> list[bytes]:
    """Slices through the origin N//2 across z, y and x as PNG files, in one grey scale."""
    return _in_one_scale([volume.take(volume.shape[axis] // 2, axis=axis) for axis in range(3)])


def projections(volume: Float[np.ndarray, "z y x"]) -> list[bytes]:
    """Sums along z, y and x as PNG files, in one grey scale."""
    return _in_one_scale([volume.sum(axis=axis) for axis in range(3)])


def grey_png(
    picture: Float[np.ndarray, "y x"],
    black_and_white: tuple[float, float] | None = None,
    largest: int = LARGEST_PICTURE,
) -> bytes:
    """An array as an 8-bit PNG file, large values bright.

    Args:
        black_and_white: the values that are drawn black and white; by default nearly all lie between them.
        largest: pixels that a side may have; an array that is larger is averaged down by a whole factor.
    """
    picture = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
    factor = -(-max(picture.shape) // largest)
    if factor > 1:
        y, x = (length // factor for length in picture.shape)
        picture = picture[: y * factor, : x * factor].reshape(y, factor, x, factor).mean(axis=(1, 3))
    black, white = _grey_scale(picture) if black_and_white is None else black_and_white
    grey = np.clip((picture - black) / (white - black), 0, 1)
    file = io.BytesIO()
    Image.fromarray(np.round(255 * grey).astype(np.uint8)).save(file, "PNG", optimize=True)
    return file.getvalue()


def _in_one_scale(pictures: list[np.ndarray]) -> list[bytes]:
    scale = _grey_scale(np.concatenate([picture.ravel() for picture in pictures]))
    return [grey_png(picture, scale) for picture in pictures]


def _grey_scale(values: np.ndarray) -> tuple[float, float]:
    """The values to be drawn black and white: nearly all finite ones lie between."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return 0.0, 1.0
    black, white = (float(value) for value in np.percentile(finite, (0.5, 99.8)))
    return (black, white) if white > black else (black - 0.5, black + 0.5)
