"""One grid for all images: where boxes or pixel sizes differ, images are cropped and resampled to one of each.

The pixel size is that of the optics group with most particles. The box is even, and no larger than any image's field of
view, so that no image has a margin without noise. Images keep their centre, which is pixel N // 2 of theirs: of an odd
box the last row and column are cut off.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from cryofifa.particles.files.table import ParticleTable
from cryofifa.physics.fourier import centred_index, inverse_fourier_2d

SAME_PIXEL_SIZE = 1e-4  # relative difference of pixel sizes that counts as none
# A field of view may be smaller by this share: groups often differ by their calibrated pixel size alone; our choice.
LEAST_FIELD_SHARE = 0.98


def common_box_size(table: ParticleTable, box_sizes: Int64[np.ndarray, " n"]) -> int:
    """Side in pixels of the box that all images are brought to.

    Args:
        table: the particles.
        box_sizes: side of each image in pixels, as its stack has it.
    """
    pixel_size, size = table.reference_pixel_size_angstrom, int(box_sizes[table.reference_row])
    fields = np.unique(box_sizes * table.pixel_size_angstrom) / pixel_size
    if fields[0] < LEAST_FIELD_SHARE * size:
        size = int(fields[0] + 1e-3)
    return size - size % 2


def brought_to_one_box(table: ParticleTable, box_sizes: Int64[np.ndarray, " n"], box_size: int) -> str:
    """A line that says which boxes there are, and what is done with them; arguments as in `common_box_size`."""
    kinds = np.unique(np.column_stack([box_sizes, table.pixel_size_angstrom]), axis=0)
    named = " and ".join(f"{box:g} px of {pixel:.4g} A" for box, pixel in kinds)
    what = "are cropped" if len(np.unique(kinds[:, 1])) == 1 else "are cropped and resampled"
    return f"images of {named} {what} to {box_size} px of {table.reference_pixel_size_angstrom:.4g} A"


def resample_pixel_size(image: Float[Tensor, "n y x"], ratio: float, size: int) -> Float[Tensor, "n size size"]:
    """Images of `size` pixels at another pixel size: `ratio` is the old pixel size over the new one.

    The transform is evaluated directly at the new grid's frequencies (a matrix product per axis), so nothing is
    interpolated; frequencies beyond the old Nyquist are zero.
    """
    old, new = (centred_index(length, image.device).double() for length in (image.shape[-1], size))
    frequency = new / size * ratio  # new grid's frequencies in cycles per old pixel
    angle = -2 * torch.pi * frequency[:, None] * old
    kernel = torch.complex(angle.cos(), angle.sin()) * (frequency.abs() <= 0.5)[:, None]
    # where the new field of view is the smaller one, pixels outside of it must not wrap around to the other side
    kernel = kernel * (old.abs() <= size / (2 * ratio))
    transform = kernel @ image.to(kernel.dtype) @ kernel.mT
    return (inverse_fourier_2d(transform) * ratio**2).to(image.dtype)
