"""Local resolution: how far the half maps agree around every voxel (local FSC; Cardone, Heymann & Steven 2013).

Both halves are cut into bands of spatial frequency. In each band, the products of the halves are summed under a window
around the voxel, inside the mask:

    FSC(r, k) = sum_s w(s - r) m(s) a_k(s) b_k(s) / sqrt(sum_s w m a_k^2  sum_s w m b_k^2)

and the resolution is where that curve first falls under the limit. Windows and mask are applied to maps that are
already band-passed, so that, unlike windows cut out before the transform, they cause no correlation by themselves.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.fourier import window_centre
from cryofifa.physics.frequency_bands import (
    WINDOW_STEP,
    along_axes,
    band_radii,
    band_weight,
    gaussian_windows,
    interpolation,
)
from cryofifa.physics.shells import shell_means, shell_numbers

LIMIT = 0.5  # the local FSC that counts as resolved; as in Cardone et al. 2013, blocres and SPHIRE
# Standard deviation of the Gaussian window in periods of the band; it is as wide as a box of 3.5 periods. It then holds
# about 50 independent Fourier coefficients of every band, and noise correlates by 0.1 at random. Bsoft's manual asks
# for boxes of 5 to 7 times the resolution, but for blocres, which cuts windows out before the transform.
WINDOW_PERIODS = 1.0
INSIDE = 0.5  # value of the mask above which a voxel belongs to the particle


def local_resolution(
    half_1: Float[Tensor, "z y x"],
    half_2: Float[Tensor, "z y x"],
    mask: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    limit: float = LIMIT,
    window_periods: float = WINDOW_PERIODS,
) -> Float[Tensor, "z y x"]:
    """Resolution in angstrom at every voxel, between the Nyquist resolution and that of the lowest band.

    It is interpolated linearly in frequency between the last band above the limit and the first one below. Where the
    mask is 0, and where nothing agrees, it is the lowest band's resolution.

    Args:
        half_1, half_2: half maps without any filter.
        mask: from 0 to 1.
        pixel_size_angstrom: of the maps.
        limit: value of the local FSC that decides.
        window_periods: standard deviation of the window, in periods of the band.
    """
    size, device = mask.shape[-1], mask.device
    # both real halves in one complex transform; brought to one scale, or the weaker one would be lost in rounding
    pair = torch.complex(*(half / half.std().clamp_min(1e-30) for half in (half_1, half_2)))
    pair = _white(torch.fft.fftshift(torch.fft.fftn(pair)))  # origin at voxel 0: any origin gives the same products
    radii = band_radii(size)
    place = torch.arange(0, size, WINDOW_STEP, device=device)
    reached = torch.full([len(place)] * 3, radii[0], device=device)
    agrees, before = torch.ones_like(reached, dtype=torch.bool), torch.ones_like(reached)
    for below, radius in zip([radii[0], *radii], radii, strict=False):
        curve = _windowed_fsc(pair, radius, radii[1] / radii[0], mask, place, window_periods)
        share = (before - limit) / (before - curve)
        fallen = agrees & (curve < limit)
        agrees &= ~fallen
        reached = torch.where(fallen, below + share * (radius - below), torch.where(agrees, radius, reached))
        before = curve
        if not agrees.any():
            break
    everywhere = along_axes(reached, interpolation(torch.arange(size, device=device), place))
    return size * pixel_size_angstrom / torch.where(mask > 0, everywhere, radii[0])


def quartiles_inside(
    resolution: Float[Tensor, "z y x"], mask: Float[Tensor, "z y x"]
) -> tuple[float, float, float] | None:
    """The quartiles (25, 50 and 75 %) of the local resolution over the particle's voxels; None if there are none."""
    inside = resolution[mask > INSIDE].cpu().numpy()
    if len(inside) == 0:
        return None
    lower, median, upper = (float(value) for value in np.percentile(inside, (25, 50, 75)))
    return lower, median, upper


def _white(pair: Complex[Tensor, "kz ky kx"]) -> Complex[Tensor, "kz ky kx"]:
    """Bring every shell to the same mean power, or the strong low end of a band would decide for all of it."""
    size = pair.shape[-1]
    shell = shell_numbers(size, 3, pair.device).clamp(max=size // 2)
    mean = shell_means(pair.abs().square(), shell, size // 2 + 1)
    # a shell that a low-pass has emptied holds nothing but rounding errors, which must not be amplified
    return pair * mean.clamp_min(1e-12 * float(mean.max())).rsqrt()[shell]


def _windowed_fsc(
    pair: Complex[Tensor, "kz ky kx"],
    radius: float,
    ratio: float,
    mask: Float[Tensor, "z y x"],
    place: Tensor,
    window_periods: float,
) -> Float[Tensor, "gz gy gx"]:
    """FSC of one band under windows at `place` (voxels, the same on every axis).

    pair: transform of half_1 + i half_2.
    radius, ratio: of the band, as in `band_weight`.

    A band is computed on a grid just fine enough that the aliases of the products lie where the window's own transform
    is zero, so most bands cost little. The window is Gaussian because it is then a product over the axes: three matrix
    products go from the band's grid to the places, without a transform, and powers cannot become negative.
    """
    size, device = mask.shape[-1], mask.device
    band_size = min(size, 2 * math.ceil(1.5 * radius))
    filtered = window_centre(pair, band_size, 3) * band_weight(band_size, radius, ratio, size // 2, device)
    filtered = torch.fft.ifftn(torch.fft.ifftshift(filtered))
    first, second = filtered.real, filtered.imag
    voxel = torch.arange(band_size, device=device) * (size / band_size)
    weight = along_axes(mask, interpolation(voxel, torch.arange(size, device=device)))
    window = gaussian_windows(place, voxel, window_periods * size / radius)
    cross, power_1, power_2 = (
        along_axes(weight * product, window) for product in (first * second, first * first, second * second)
    )
    return cross / (power_1.sqrt() * power_2.sqrt()).clamp_min(torch.finfo(cross.dtype).tiny)
