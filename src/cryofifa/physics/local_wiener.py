"""A local Wiener filter of two half maps, on top of their gain per shell: it keeps noise out of the solvent.

A gain per shell treats the whole box alike: noise of the solvent, and of blurred parts, goes into every projection, and
sharp parts are weakened on their account. In frequency band k, with a_k of one half map, b_k of the other, the mask m
and a Gaussian window w:

    N       = sum_s m(s) (a_k(s) - b_k(s))^2 / 2 / sum_s m(s)
    P(r)    = sum_s w(s - r) a_k(s)^2 / sum_s w(s - r)
    P_mean  = sum_s m(s) a_k(s)^2 / sum_s m(s)
    gain(r) = (1 - N / P(r)) / (1 - N / P_mean)

Numerator and denominator each have a floor. The denominator is what the gain per shell has already done to the band,
and has the same floor: nothing is raised by more than the inverse of that gain.

A half map's gain comes from its own power; of the other half it uses one number per band, nothing that depends on
place. This keeps the halves independent: a gain from their local agreement would keep what their noise has in common
by chance.

N is one number for the whole mask: the noise must be even over it, which that of symmetrised maps is not.

Unlike a mask that follows the map this has no threshold, and soft outer parts keep their weight (LOG.md).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.frequency_bands import (
    WINDOW_STEP,
    along_axes,
    band_radii,
    band_weight,
    gaussian_windows,
    interpolation,
)
from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.shells import LEAST_GAIN

LEAST_LOCAL_GAIN = 0.02  # where there is nothing but noise; our choice
# standard deviation of the window, in periods of the band; poses of gpcr, without the mean: 1.39, 1.40 and 1.42 degrees
# at 0.6, 1 and 1.5
WINDOW_PERIODS = 1.0


def local_wiener(
    half_1: Float[Tensor, "z y x"], half_2: Float[Tensor, "z y x"], mask: Float[Tensor, "z y x"]
) -> tuple[Float[Tensor, "z y x"], Float[Tensor, "z y x"]]:
    """Filter both half maps, which have been filtered by a gain per shell before; cut off beyond the Nyquist shell.

    mask: where the particle may be; the noise power is measured inside it.
    """
    size, device = mask.shape[-1], mask.device
    share = mask / mask.sum()
    voxel = torch.arange(size, device=device)
    place = voxel[::WINDOW_STEP]
    everywhere = interpolation(voxel, place)
    radii = band_radii(size)
    coarser = torch.fft.ifftshift(distance_from_centre(size, 3, device) < radii[0])  # belongs to the lowest band
    transforms = [torch.fft.rfftn(half) for half in (half_1, half_2)]
    filtered = (torch.zeros_like(half_1), torch.zeros_like(half_2))
    for which, radius in enumerate(radii):
        weight = torch.fft.ifftshift(band_weight(size, radius, radii[1] / radii[0], size // 2, device))
        if which == 0:
            weight = torch.where(coarser, 1, weight)
        weight = weight[..., : size // 2 + 1]
        bands = [torch.fft.irfftn(transform * weight, s=half_1.shape) for transform in transforms]
        noise = noise_power(bands[0], bands[1], share)
        window = gaussian_windows(place, voxel, WINDOW_PERIODS * size / radius)
        window = window / window.sum(dim=1, keepdim=True)
        for band, total in zip(bands, filtered, strict=True):
            gain = _wiener(along_axes(band.square(), window), noise).clamp_min(LEAST_LOCAL_GAIN)
            mean_gain = _wiener((share * band.square()).sum(), noise).clamp_min(LEAST_GAIN)
            total.add_(along_axes(gain / mean_gain, everywhere) * band)
    return filtered


def noise_power(
    band_1: Float[Tensor, "z y x"], band_2: Float[Tensor, "z y x"], share: Float[Tensor, "z y x"]
) -> Float[Tensor, ""]:
    """N of the module's equations: mean noise power of a band inside the mask, from the difference of the halves.

    share: the mask divided by its sum.
    """
    return (share * (band_1 - band_2).square()).sum() / 2


def _wiener(power: Tensor, noise: Tensor) -> Tensor:
    """1 - noise / power, the Wiener gain of a signal with noise in it."""
    return 1 - noise / power.clamp_min(torch.finfo(power.dtype).tiny)
