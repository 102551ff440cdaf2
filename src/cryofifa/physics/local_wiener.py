"""A Wiener gain for every place, on top of the one per shell: noise is kept out where there is no particle.

A gain per shell weighs the whole box alike: noise of the solvent, and of parts that are blurred, goes into every
projection, and sharp parts are weighed down for it. In band k of frequency, with a_k of a half map, b_k of the other
one, the mask m and a Gaussian window w:

    N       = sum_s m(s) (a_k(s) - b_k(s))^2 / 2 / sum_s m(s)
    P(r)    = sum_s w(s - r) a_k(s)^2 / sum_s w(s - r)
    P_mean  = sum_s m(s) a_k(s)^2 / sum_s m(s)
    gain(r) = (1 - N / P(r)) / (1 - N / P_mean)

each of both terms with a floor. The second one is what the gain per shell did to the band already, and has its floor:
nothing is raised by more than the inverse.

A half's gain comes from its own power; from the other half it has one number per band and nothing that depends on
place. So the halves stay apart: a gain from what they agree on locally would keep what noise has in common by chance.

N is one number for the whole mask: noise must lie evenly, as that of symmetrised maps does not.

Unlike a mask that follows the map it has no threshold, and leaves soft outer parts what they are worth (LOG.md).
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
WINDOW_PERIODS = 1.0  # standard deviation; poses of gpcr, without the mean: 1.39, 1.40, 1.42 degrees at 0.6, 1, 1.5


def local_wiener(
    half_1: Float[Tensor, "z y x"], half_2: Float[Tensor, "z y x"], mask: Float[Tensor, "z y x"]
) -> tuple[Float[Tensor, "z y x"], Float[Tensor, "z y x"]]:
    """Both halves, filtered and cut at the box's last shell; they come with a gain per shell.

    mask: where the particle may be, and where noise is measured.
    """
    size, device = mask.shape[-1], mask.device
    share = mask / mask.sum()
    voxel = torch.arange(size, device=device)
    place = voxel[::WINDOW_STEP]
    everywhere = interpolation(voxel, place)
    radii = band_radii(size)
    coarser = torch.fft.ifftshift(distance_from_centre(size, 3, device) < radii[0])  # goes with the lowest band
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
    """N: all that a half learns of the other one."""
    return (share * (band_1 - band_2).square()).sum() / 2


def _wiener(power: Tensor, noise: Tensor) -> Tensor:
    return 1 - noise / power.clamp_min(torch.finfo(power.dtype).tiny)
