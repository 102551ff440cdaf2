"""Where two maps differ by more than their noise.

The halves of each map tell its noise: half of their difference is noise of the same strength as in half of their sum,
which is the map. With D = A - B, filtered as both maps allow,

    z(x) = D(x) / sqrt( var(noise of A) + var(noise of B) ),      var: mean square inside the mask

Noise alone reaches `threshold` anywhere inside the mask in one of a hundred pairs of maps: the level of one voxel is
divided by the number of voxels (Bonferroni), which is strict, because neighbouring voxels are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy.stats import norm
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import HalfMaps, combined_map_gain, half_map_gain
from cryofifa.physics.shells import scale_shells

FALSE_ALARMS = 0.01  # share of pairs of maps in which noise alone is taken for a difference anywhere; our choice
INSIDE = 0.5  # of the mask: what lies inside it


@dataclass(frozen=True)
class MapDifference:
    """One map less another.

    Attributes:
        density: the difference, filtered as both maps allow.
        deviations: the same over the standard deviation of its noise.
        threshold: in standard deviations; inside the mask, noise alone hardly ever reaches it.
        inside: the voxels that are judged.
    """

    density: Float[Tensor, "z y x"]
    deviations: Float[Tensor, "z y x"]
    threshold: float
    inside: Bool[Tensor, "z y x"]

    @property
    def gained(self) -> int:
        """Voxels in which the first map has more, significantly."""
        return int(((self.deviations > self.threshold) & self.inside).sum())

    @property
    def lost(self) -> int:
        """Voxels in which the first map has less, significantly."""
        return int(((self.deviations < -self.threshold) & self.inside).sum())


def difference(first: HalfMaps, second: HalfMaps, mask: Float[Tensor, "z y x"]) -> MapDifference:
    """The first map less the second, and where that is more than noise.

    Args:
        first, second: maps on one grid and in one frame, with their halves.
        mask: from 0 to 1, where differences are looked for.
    """
    gain = combined_map_gain(torch.minimum(half_map_gain(first.fsc), half_map_gain(second.fsc)))
    inside = mask > INSIDE
    (a1, a2), (b1, b2) = first.unfiltered, second.unfiltered
    density = scale_shells((a1 + a2 - b1 - b2) / 2, gain)
    noise = [scale_shells((one - other) / 2, gain)[inside] for one, other in ((a1, a2), (b1, b2))]
    variance = sum(float(values.square().mean()) for values in noise)
    voxels = max(1, int(inside.sum()))
    threshold = float(norm.isf(FALSE_ALARMS / (2 * voxels)))
    return MapDifference(density, density / max(variance, 1e-30) ** 0.5, threshold, inside)
