"""How the particles' view directions cover the sphere, and what that means for Fourier space.

The view direction of a particle is the third row of `rotation_volume_to_image`: the image's z axis seen from the
volume.  A view and its antipode are different views here (they differ by a mirror of the image), so the whole sphere
counts; they sample the same Fourier plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cryofifa.particles.files.row_list import evenly_spread

VIEW_BINS = 192  # bins about 15 degrees wide
SLICE_BINS = 3072  # bins about 4 degrees wide, finer than the band below
MOST_VIEWS = 500_000  # a plot with more views looks the same
SLICE_BAND = math.sin(math.radians(7.5))  # a slice samples directions whose sine with its plane is less than this


def view_directions(
    rotation_volume_to_image: Float[np.ndarray, "views 3 3"],
) -> Float[np.ndarray, "finite 3"]:
    """The view directions, third rows of the rotations: unit vectors (x, y, z); those not finite are left out."""
    direction = np.asarray(rotation_volume_to_image, dtype=np.float64)[:, 2, :]
    return direction[np.isfinite(direction).all(axis=1)]


def with_equal_poses(
    rotations: Float[np.ndarray, "particles 3 3"], group: Float[np.ndarray, "members 3 3"]
) -> Float[np.ndarray, "views 3 3"]:
    """Every rotation A with its equivalents A g under a point group: a symmetric particle is seen from all of them.

    Where these would be more than 500,000, evenly chosen particles stand for all.
    """
    most = max(1, MOST_VIEWS // len(group))
    some = evenly_spread(len(rotations), most)
    return (rotations[some, None] @ group).reshape(-1, 3, 3)


@dataclass(frozen=True)
class SphereBins:
    """The sphere cut into bins of exactly equal area and nearly square shape.

    Latitude bands, each cut into equal sectors; a band's height in z is proportional to its number of sectors
    (Archimedes: area = 2 pi times height), as in Leopardi 2006, Electron. Trans. Numer. Anal. 25, 309.

    Attributes:
        sectors: number of sectors of every band, from z = -1 on.
    """

    sectors: Int[np.ndarray, " bands"]

    @classmethod
    def about(cls, count: int) -> SphereBins:
        """A division of the sphere into about `count` bins."""
        width = math.sqrt(4 * math.pi / count)
        bands = max(1, round(math.pi / width))
        latitude = (np.arange(bands) + 0.5) * math.pi / bands
        return cls(np.maximum(1, np.round(2 * math.pi * np.sin(latitude) / width)).astype(np.int64))

    @property
    def count(self) -> int:
        """How many bins the sphere is cut into."""
        return int(self.sectors.sum())

    @property
    def lower_z(self) -> Float[np.ndarray, " bands"]:
        """z at the lower edge of every band, rising from -1."""
        return -1 + 2 * (np.cumsum(self.sectors) - self.sectors) / self.count

    def index(self, direction: Float[np.ndarray, "*batch 3"]) -> Int[np.ndarray, "*batch"]:
        """The bin in which each unit vector (x, y, z) lies."""
        band = np.searchsorted(self.lower_z, direction[..., 2], side="right") - 1
        band = np.clip(band, 0, len(self.sectors) - 1)
        turn = np.mod(np.arctan2(direction[..., 1], direction[..., 0]) / (2 * math.pi), 1.0)
        sector = np.minimum((turn * self.sectors[band]).astype(np.int64), self.sectors[band] - 1)
        return (np.cumsum(self.sectors) - self.sectors)[band] + sector

    def counts(self, direction: Float[np.ndarray, "views 3"]) -> Int[np.ndarray, " bins"]:
        """How many of these unit vectors lie in each bin."""
        return np.bincount(self.index(direction), minlength=self.count)

    def centres(self) -> Float[np.ndarray, "bins 3"]:
        """The unit vector in the middle of every bin."""
        z = np.repeat(self.lower_z + self.sectors / self.count, self.sectors)
        sector = np.concatenate([np.arange(number) for number in self.sectors])
        longitude = 2 * math.pi * (sector + 0.5) / np.repeat(self.sectors, self.sectors)
        radius = np.sqrt(1 - z**2)
        return np.stack([radius * np.cos(longitude), radius * np.sin(longitude), z], axis=1)


def view_evenness(rotations: Float[np.ndarray, "views 3 3"]) -> float:
    """The share of the sphere that the views effectively cover: 1 if even, about 1/192 if all are one view.

        evenness = 1 / (B S),   S = sum_b n_b (n_b - 1) / (n (n - 1))

    with n_b of the n views in bin b of B bins of equal area.  S is the unbiased estimate of sum_b p_b^2, the chance
    that two particles share a bin (Simpson 1949, Nature 163, 688), so that few particles do not look uneven by chance;
    1 / S is the effective number of bins (Hill 1973, Ecology 54, 427).  Views spread evenly over a fraction f of the
    sphere give f. Cut at 1, which chance may exceed; NaN below two views.
    """
    direction = view_directions(rotations)
    views = len(direction)
    if views < 2:
        return math.nan
    bins = SphereBins.about(VIEW_BINS)
    counts = bins.counts(direction).astype(np.float64)
    pairs_in_a_bin = float((counts * (counts - 1)).sum()) / (views * (views - 1.0))
    return 1.0 if pairs_in_a_bin == 0 else min(1.0, 1 / (bins.count * pairs_in_a_bin))


def sampling_compensation_factor(rotations: Float[np.ndarray, "views 3 3"]) -> float:
    """SCF*, how well slices fill Fourier space: 1 if even, 8/pi^2 = 0.81 for side views only, near 0 for one view.

        SCF* = P / mean_u (1 / s(u))

    s(u) is the number of slices within 7.5 degrees of direction u, relative to that of even views; the harmonic mean of
    s over u is the factor by which the signal-to-noise ratio of a map falls (sampling compensation factor; Baldwin &
    Lyumkis 2020, Prog. Biophys. Mol. Biol. 150, 160).  The star: a direction that no slice reaches counts as if one
    did, and P is the share of those that some reach, as in these authors' own program, whose slices are thinner (half
    a Fourier pixel at radius 50) and want thousands of views.  NaN without views.
    """
    direction = view_directions(rotations)
    views = len(direction)
    if views == 0:
        return math.nan
    bins = SphereBins.about(SLICE_BINS)
    counts = bins.counts(direction)
    seen = bins.centres()[counts > 0]
    # a slice contains a direction and its antipode, so half of the sphere is enough
    probe = SphereBins.about(1000).centres()
    probe = probe[probe[:, 2] >= 0]
    in_slice = (np.abs(probe @ seen.T) < SLICE_BAND).astype(np.float64) @ counts[counts > 0]
    # |u.v| is uniform in [0, 1) where directions v are even, so even views give views * SLICE_BAND
    return float(np.mean(in_slice > 0) / np.mean(views * SLICE_BAND / np.maximum(in_slice, 1.0)))
