"""The particle cut out of its map, in a box small enough to be turned many times, and the noise around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import rescale_volume, window_centre
from cryofifa.physics.mask import distance_from_centre, soft_edge
from cryofifa.physics.shells import shell_amplitude
from cryofifa.results.fsc import MASK_EDGE_PIXEL

LARGEST_BOX = 64  # voxels
_MASS_BOX = 32  # voxels of the map in which the mass centre is found: coarse, so that noise averages out
_SPHERE_SHARE = 0.45  # radius of the sphere around the particle, as a share of the box that is cut out
_RADII_OF_GYRATION = 2.0  # the sphere's radius; a solid ball ends at 1.3 radii of gyration, a thin rod at 1.7
_LEAST_RADIUS = 6.0  # voxels


@dataclass(frozen=True)
class CentredParticle:
    """A box around a particle, at most 64 voxels across, zero outside a soft sphere.

    volume: (z, y, x).
    centre_voxel: (x, y, z) of the particle's mass centre from N//2 of this box.
    box_centre_voxel: (x, y, z) of this box's N//2 from that of the map, in voxels of this box.
    voxel_ratio: width of a voxel of this box in voxels of the map.
    noise_power: mean of |F|^2, per shell 0 .. N//2, that the noise around the particle has inside the sphere; 0 for a
        map that is masked already.
    """

    volume: Float[Tensor, "z y x"]
    centre_voxel: Float[Tensor, " 3"]
    box_centre_voxel: Float[Tensor, " 3"]
    voxel_ratio: float
    noise_power: Float[Tensor, " shells"]

    def in_map_voxel(self, centre_voxel: Float[Tensor, " 3"]) -> Float[Tensor, " 3"]:
        """The position (x, y, z) in the map, in its voxels from its N//2, of a position in this box."""
        return (centre_voxel + self.box_centre_voxel) * self.voxel_ratio


def centred_particle(volume: Float[Tensor, "z y x"]) -> CentredParticle:
    """Cut out a sphere of two radii of gyration around the particle's mass centre, sampled more coarsely where needed.

    Mass is what stands out of the background, whatever its sign: it turns with the map, so that its centre lies on
    every axis of symmetry.
    """
    size = volume.shape[-1]
    centre, gyration = _mass_centre(volume)
    room = 0.5 - 1 / size - float(centre.abs().max())
    radius = max(min(_RADII_OF_GYRATION * gyration, room), _LEAST_RADIUS / size)
    # An even size of the whole map for which the particle's box is small enough.
    small_size = min(size, 2 * int(LARGEST_BOX * _SPHERE_SHARE / radius / 2))
    small = rescale_volume(volume, small_size)
    radius, centre = radius * small_size, centre * small_size
    corner = centre.round()
    moved = small.roll([-int(step) for step in corner.flip(0)], (0, 1, 2))
    box_size = min(2 * math.ceil(radius / _SPHERE_SHARE / 2), LARGEST_BOX)

    around = window_centre(moved, 2 * box_size, 3)
    distance = distance_from_centre(2 * box_size, 3)
    reach = min(small_size / 2 - float(corner.abs().max()), box_size) - MASK_EDGE_PIXEL
    outside = soft_edge(distance, reach, MASK_EDGE_PIXEL) * (1 - soft_edge(distance, radius, MASK_EDGE_PIXEL))
    background = (around * outside).sum() / outside.sum().clamp_min(1e-30)
    sphere = soft_edge(distance_from_centre(box_size, 3), radius, MASK_EDGE_PIXEL)
    # measured in twice the box, of which every second shell is a shell of the box
    noise = shell_amplitude((around - background) * outside).square()[::2] / outside.square().sum().clamp_min(1)
    return CentredParticle(
        (window_centre(moved, box_size, 3) - background) * sphere,
        centre - corner,
        corner,
        size / small_size,
        noise * sphere.square().sum(),
    )


def _mass_centre(volume: Tensor) -> tuple[Float[Tensor, " 3"], float]:
    """Mass centre (x, y, z) from N//2, and radius of gyration, both as shares of the box."""
    size = min(volume.shape[-1], _MASS_BOX)
    coarse = rescale_volume(volume, size)
    outside = coarse[distance_from_centre(size, 3) > 0.48 * size]
    excess = (coarse - outside.mean()).abs()
    mass = (excess - torch.maximum(3 * outside.std(), 0.1 * excess.max())).clamp_min(0)
    line = (torch.arange(size) - size // 2) / size
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    place = torch.stack([x, y, z], dim=-1)
    share = (mass / mass.sum().clamp_min(1e-30))[..., None]
    centre = (share * place).sum((0, 1, 2))
    return centre, float((share * (place - centre).square()).sum().sqrt())
