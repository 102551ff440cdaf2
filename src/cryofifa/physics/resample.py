"""Bring a volume onto another grid: another pixel size and box, with its centre kept at the box centre."""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d, rescale_volume, window_centre
from cryofifa.physics.mask import distance_from_centre

# Relative error of the pixel size we accept; over 64 voxels from the centre 1e-4 is 0.006 voxel.
_ACCEPTED_ERROR = 1e-4


def resample_volume(
    volume: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    new_pixel_size_angstrom: float,
    new_box_size: int,
) -> Float[Tensor, "new_z new_y new_x"]:
    """Fourier-rescale to the new pixel size, then crop or zero-pad to the new box; densities keep their value.

    Fourier rescaling only reaches pixel sizes that keep the field of view a whole number of voxels, so the volume is
    first zero-padded to an even box whose rescaled size is even to within 1e-4 (or the best found).
    """
    ratio = pixel_size_angstrom / new_pixel_size_angstrom
    if abs(ratio - 1) > _ACCEPTED_ERROR:
        padded_size, rescaled_size = padded_sizes(volume.shape[-1], ratio)
        volume = rescale_volume(window_centre(volume, padded_size, 3), rescaled_size)
    return window_centre(volume, new_box_size, 3)


def padded_sizes(box_size: int, ratio: float) -> tuple[int, int]:
    """Even box sizes before and after rescaling whose ratio is nearest to `ratio`, with the least padding."""
    first = box_size + box_size % 2
    best, best_error = (first, first), float("inf")
    for before in range(first, 2 * first + 64, 2):
        after = max(2, 2 * round(before * ratio / 2))
        error = abs(after / (before * ratio) - 1)
        if error < best_error:
            best, best_error = (before, after), error
        if error <= _ACCEPTED_ERROR:
            break
    return best


def low_pass_ball(volume: Float[Tensor, "z y x"], radius: float) -> Float[Tensor, "z y x"]:
    """Remove everything beyond `radius` Fourier pixels, so that the volume can be turned without aliasing."""
    inside = distance_from_centre(volume.shape[-1], 3, volume.device) <= radius
    return inverse_fourier_3d(fourier_3d(volume) * inside.to(torch.float32))


def gaussian_low_pass(volume: Float[Tensor, "z y x"], sd_pixel: float) -> Float[Tensor, "z y x"]:
    """Convolve with a Gaussian of this standard deviation in voxels; the volume is taken to be periodic."""
    size = volume.shape[-1]
    radius = distance_from_centre(size, 3, volume.device) / size
    return inverse_fourier_3d(fourier_3d(volume) * torch.exp(-2 * (torch.pi * sd_pixel * radius).square()))
