"""A soft mask that follows the particle's shape, made from its map by low-pass and threshold."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.shells import scale_shells

LOW_PASS_ANGSTROM = 15.0  # RELION's mask creation; but no finer than twice the map's resolution
THRESHOLD = 0.15  # of the height of the low-passed map: its 99.9th percentile over the solvent's mean; our choice
SOLVENT_SD = 4.0  # the threshold is at least this many standard deviations over the solvent's mean; our choice
SMALLEST_SHARE = 0.02  # regions with less than this share of the largest one's voxels are noise; our choice


def mask_of_map(
    volume: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    resolution_angstrom: float,
    sphere_radius_pixel: float,
    sphere_edge_pixel: float,
) -> Float[Tensor, "z y x"]:
    """Low-pass the map, threshold it, extend the result and add a soft edge: 1 inside the particle, 0 in the solvent.

    resolution_angstrom: of the map; the low-pass lies at 15 A, or at twice this resolution if that is coarser.
    sphere_radius_pixel, sphere_edge_pixel: the mask never reaches beyond this soft sphere; the solvent's mean and
        standard deviation are measured outside it.

    The mask is extended by half a period of the low-pass and ends in a cosine edge one period wide, because a sharper
    mask would correlate two half maps by itself. Where nothing stands out from the solvent, or the sphere leaves no
    solvent to measure, the soft sphere itself is returned.
    """
    size = volume.shape[-1]
    period_pixel = max(LOW_PASS_ANGSTROM, 2 * resolution_angstrom) / pixel_size_angstrom
    sphere = spherical_mask(size, sphere_radius_pixel, sphere_edge_pixel, volume.device)
    smooth = _low_passed(volume, size / period_pixel)
    solvent = smooth[sphere == 0]
    inside = smooth[sphere > 0]
    if len(solvent) < 100:
        return sphere
    floor = float(solvent.mean())
    height = float(np.quantile(inside.cpu().numpy(), 0.999)) - floor
    threshold = floor + max(THRESHOLD * height, SOLVENT_SD * float(solvent.std()))
    particle = _large_islands(((smooth > threshold) & (sphere > 0)).cpu().numpy())
    if not particle.any():
        return sphere
    distance = torch.from_numpy(ndimage.distance_transform_edt(~particle)).to(sphere)
    edge = ((distance - period_pixel / 2) / period_pixel).clamp(0, 1)
    return torch.minimum(0.5 + 0.5 * torch.cos(torch.pi * edge), sphere)


def _low_passed(volume: Float[Tensor, "z y x"], radius: float) -> Float[Tensor, "z y x"]:
    """A Gaussian low-pass, exp(-1/2) at this radius in Fourier pixels: a sharp cut would ring."""
    shells = torch.arange(volume.shape[-1] // 2 + 1, device=volume.device)
    return scale_shells(volume, torch.exp(-0.5 * (shells / radius) ** 2))


def _large_islands(particle: Bool[np.ndarray, "z y x"]) -> Bool[np.ndarray, "z y x"]:
    """The connected regions that are not tiny beside the largest one."""
    label = np.empty(particle.shape, dtype=np.int32)
    if ndimage.label(particle, output=label) == 0:
        return particle
    sizes = np.bincount(label.ravel())[1:]
    return np.isin(label, 1 + np.flatnonzero(sizes >= SMALLEST_SHARE * sizes.max()))
