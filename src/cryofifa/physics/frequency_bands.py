"""Bands of spatial frequency of a volume, and Gaussian windows around its voxels."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.mask import distance_from_centre

BANDS_PER_OCTAVE = 4  # 20 bands for 256 voxels; our choice
LOWEST_SHELL = 5  # here a band is one Fourier pixel wide, and its window holds most of the particle; our choice
WINDOW_STEP = 2  # voxels from one window to the next: the narrowest window's deviation, of a period at Nyquist


def band_radii(size: int) -> list[float]:
    """Centres of the bands in Fourier pixels, in even steps of log frequency, the last at Nyquist."""
    lowest, nyquist = min(LOWEST_SHELL, size / 4), size // 2
    steps = math.ceil(BANDS_PER_OCTAVE * math.log2(nyquist / lowest))
    return [lowest * (nyquist / lowest) ** (step / steps) for step in range(steps)] + [float(nyquist)]


def band_weight(
    band_size: int, radius: float, ratio: float, last_shell: int, device: torch.device
) -> Float[Tensor, "kz ky kx"]:
    """A squared cosine of log frequency, 0 at the next bands' centres: the bands add up to 1.

    ratio: of one band's centre to the one before.
    """
    distance = distance_from_centre(band_size, 3, device)
    octave = (torch.log(distance / radius) / math.log(ratio)).clamp(-1, 1)
    return torch.cos(0.5 * torch.pi * octave).square() * (distance <= last_shell)


def gaussian_windows(place: Tensor, voxel: Tensor, deviation_voxel: float) -> Float[Tensor, "place voxel"]:
    """A window's weights along one axis; a window is the product over the axes, so it costs three small products."""
    return torch.exp(-0.5 * ((place[:, None] - voxel) / deviation_voxel).square())


def interpolation(at: Tensor, grid: Tensor) -> Float[Tensor, "at grid"]:
    """The matrix that interpolates values on an even grid; beyond its ends they go on as they are."""
    step = grid[1] - grid[0]
    weight = (1 - (at.clamp(grid[0], grid[-1])[:, None] - grid).abs() / step).clamp_min(0)
    return weight.float()


def along_axes(volume: Float[Tensor, "z y x"], matrix: Float[Tensor, "new old"]) -> Float[Tensor, "new new new"]:
    """The matrix applied along all three axes; each product moves the first axis to the end."""
    for _ in range(3):
        volume = torch.tensordot(volume, matrix, dims=([0], [1]))  # pyright: ignore[reportArgumentType]
    return volume
