"""Bands of spatial frequency, and Gaussian windows around the voxels of a volume."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.mask import distance_from_centre

BANDS_PER_OCTAVE = 4  # 20 bands for 256 voxels; our choice
LOWEST_SHELL = 5  # here a band is one Fourier pixel wide, and its window holds most of the particle; our choice
WINDOW_STEP = 2  # voxels from one window to the next: the deviation of the narrowest window, one period at Nyquist


def band_radii(size: int) -> list[float]:
    """Centres of the bands in Fourier pixels, in even steps of log frequency, the last one at Nyquist.

    size: voxels along a side of the volume.
    """
    lowest, nyquist = min(LOWEST_SHELL, size / 4), size // 2
    steps = math.ceil(BANDS_PER_OCTAVE * math.log2(nyquist / lowest))
    return [lowest * (nyquist / lowest) ** (step / steps) for step in range(steps)] + [float(nyquist)]


def band_weight(
    band_size: int, radius: float, ratio: float, last_shell: int, device: torch.device
) -> Float[Tensor, "kz ky kx"]:
    """The weight of one band at every Fourier point of a centred cube: all bands together add up to 1.

    A squared cosine of log frequency, 1 at the band's centre and 0 at the centres of the bands next to it.

    band_size: samples along a side of the cube.
    radius: centre of the band, in Fourier pixels.
    ratio: of one band's centre to the one before.
    last_shell: the weight is 0 beyond this distance from the origin, in Fourier pixels.
    """
    distance = distance_from_centre(band_size, 3, device)
    octave = (torch.log(distance / radius) / math.log(ratio)).clamp(-1, 1)
    return torch.cos(0.5 * torch.pi * octave).square() * (distance <= last_shell)


def gaussian_windows(place: Tensor, voxel: Tensor, deviation_voxel: float) -> Float[Tensor, "place voxel"]:
    """Weights along one axis of Gaussian windows centred at `place`, at the positions `voxel` (both in voxels).

    A window in 3-D is the product over the axes, so that weighing a volume by it costs three small matrix products.
    """
    return torch.exp(-0.5 * ((place[:, None] - voxel) / deviation_voxel).square())


def interpolation(at: Tensor, grid: Tensor) -> Float[Tensor, "at grid"]:
    """The matrix that interpolates linearly from the points of an even grid to the positions `at`.

    Beyond the ends of the grid the value at the end goes on.
    """
    step = grid[1] - grid[0]
    weight = (1 - (at.clamp(grid[0], grid[-1])[:, None] - grid).abs() / step).clamp_min(0)
    return weight.float()


def along_axes(volume: Float[Tensor, "z y x"], matrix: Float[Tensor, "new old"]) -> Float[Tensor, "new new new"]:
    """Apply the matrix along all three axes of the volume."""
    for _ in range(3):  # each product moves the first axis to the end
        volume = torch.tensordot(volume, matrix, dims=([0], [1]))  # pyright: ignore[reportArgumentType]
    return volume
