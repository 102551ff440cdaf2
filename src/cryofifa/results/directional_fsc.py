"""Directional FSC: how far two half maps agree along every direction, shell by shell within cones.

The Fourier points of a shell that lie within 20 degrees of a direction, or of its opposite, are correlated by
themselves (conical FSC, as Tan et al. 2017, Nat. Methods 14, 793, and cryoSPARC):

    FSC(u, s) = Re sum_{s, u} A B* / sqrt(sum_{s, u} |A|^2 sum_{s, u} |B|^2)

Directions are those of Fourier space: a particle seen along v fills the plane across v, so views along one axis alone
leave that axis without data. Curves are corrected for the mask as the FSC of all directions is: with the same phases
randomised in whole shells, and what still correlates taken out cone by cone, because a mask that is no sphere
correlates more along some directions than along others.

The summary figure is cryoSPARC's cFAR, the least area under a conical FSC over the greatest: 1 if all directions are
alike, under 0.5 where they are not.

A cone holds 6 % of a shell's points, so its curve is noisier than that of all directions. A single shell that dips
under the threshold is noise, so a shell counts as the mean of itself and the next one where that is higher. The worst
of some 200 directions errs to the coarse side all the same: measured with even views 9.6 A where 9.7 A is there, and
21.8 A where 16.9 A is there (docs/trust.md). Half maps know nothing of errors that they have in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d
from cryofifa.physics.shell_correlation import first_crossing_angstrom, fourier_shell_correlation
from cryofifa.results.gold_standard import corrected_for_mask
from cryofifa.results.view_coverage import SphereBins

HALF_ANGLE_DEGREE = 20.0  # of the cones; as 3DFSC and cryoSPARC
DIRECTIONS = 400  # on the whole sphere, of which half are used; about 10 degrees apart
FINE_BINS = 12288  # bins about 2 degrees wide, by which points are given to cones
LEAST_POINTS = 8  # up to the shell where some cone has fewer, the fourth, all points of a shell count
THRESHOLD = 0.143
RANDOMISATIONS = 12  # as in gold_standard, but cones are noisier


@dataclass(frozen=True)
class DirectionalFsc:
    """The FSC of two half maps along directions spread evenly over half of the sphere.

    Attributes:
        direction: unit vectors (x, y, z) in the frame of the map; the opposite ones are alike.
        curves: of the cone about each direction, corrected for the mask, over shells 0 .. N//2.
        box_angstrom: width of the box that the shells belong to.
    """

    direction: Float[np.ndarray, "directions 3"]
    curves: Float[Tensor, "directions shells"]
    box_angstrom: float

    @cached_property
    def resolution_angstrom(self) -> Float[np.ndarray, " directions"]:
        """Where the curve of each direction falls under 0.143, in angstrom, but for a single shell that dips."""
        curves = self.curves.cpu()
        with_next = torch.cat([(curves[:, :-1] + curves[:, 1:]) / 2, curves[:, -1:]], dim=1)
        without_dips = torch.maximum(curves, with_next)
        return np.array([first_crossing_angstrom(curve, THRESHOLD, self.box_angstrom) for curve in without_dips])

    @property
    def area(self) -> Float[np.ndarray, " directions"]:
        """The area under the curve of each direction up to Nyquist, as a share of what it would be at FSC 1."""
        return self.curves[:, 1:].mean(dim=1).double().cpu().numpy()

    @property
    def area_ratio(self) -> float:
        """The conical FSC area ratio (cFAR): the least area over the greatest, 0 where there is none at all."""
        area = self.area
        return max(0.0, float(area.min() / area.max())) if area.max() > 0 else 0.0


def directional_fsc(
    half_1: Float[Tensor, "z y x"],
    half_2: Float[Tensor, "z y x"],
    mask: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    shared_shell: int = 0,
    seed: int = 0,
) -> DirectionalFsc:
    """The FSC of two half maps along all directions inside a mask, corrected for what the mask correlates.

    Args:
        half_1, half_2: the half maps, without any filter.
        mask: from 0 to 1.
        pixel_size_angstrom: of the maps.
        shared_shell: the last shell in which the halves shared one model.
        seed: of the random phases.
    """
    size = mask.shape[-1]
    cones = Cones.of_box(size, mask.device)
    unmasked = fourier_shell_correlation(half_1, half_2)
    *_, corrected = corrected_for_mask(
        half_1, half_2, mask, unmasked, cones.correlation, shared_shell, seed, RANDOMISATIONS
    )
    return DirectionalFsc(cones.direction, corrected, size * pixel_size_angstrom)


@dataclass(frozen=True)
class Cones:
    """Double cones in the Fourier space of a box, cut into shells.

    Attributes:
        direction: the axes of the cones, unit vectors (x, y, z) over half of the sphere.
        inside: which Fourier points lie in a shell 0 .. N//2.
        cell: shell and fine bin of the sphere for each of these points, as one number.
        holds: 1 where a fine bin belongs to a cone.
        thin: the shells, up to this one, that have too few points in some cone.
    """

    direction: Float[np.ndarray, "directions 3"]
    inside: Bool[Tensor, "z y x"]
    cell: Int[Tensor, " points"]
    holds: Float[Tensor, "bins directions"]
    thin: int

    @classmethod
    def of_box(cls, size: int, device: torch.device | None = None) -> Cones:
        """The cones of a box of `size` voxels."""
        bins = SphereBins.about(FINE_BINS)
        axes = SphereBins.about(DIRECTIONS).centres()
        axes = axes[axes[:, 2] > 0]
        holds = np.abs(bins.centres() @ axes.T) >= math.cos(math.radians(HALF_ANGLE_DEGREE))
        line = np.arange(size) - size // 2
        y, x = np.meshgrid(line, line, indexing="ij")
        inside, cells = list[np.ndarray](), list[np.ndarray]()
        for z in line:  # plane by plane, or directions would take more memory than the maps
            radius = np.sqrt(x**2 + y**2 + z**2)
            shell = np.rint(radius).astype(np.int64)
            kept = shell <= size // 2
            unit = np.stack([x[kept], y[kept], np.full(kept.sum(), z)], axis=1) / np.maximum(radius[kept, None], 1)
            inside.append(kept)
            cells.append(shell[kept] * bins.count + bins.index(unit))
        cell = np.concatenate(cells)
        points = np.bincount(cell, minlength=(size // 2 + 1) * bins.count).reshape(-1, bins.count) @ holds
        return cls(
            axes,
            torch.from_numpy(np.stack(inside)).to(device),
            torch.from_numpy(cell).to(device),
            torch.from_numpy(holds.astype(np.float64)).to(device),
            int(np.flatnonzero(points.min(axis=1) < LEAST_POINTS).max()),
        )

    def correlation(self, a: Float[Tensor, "z y x"], b: Float[Tensor, "z y x"]) -> Float[Tensor, "directions shells"]:
        """The FSC of two maps within each cone; that of the whole shell up to the last shell that is `thin`."""
        first, second = fourier_3d(a.double()), fourier_3d(b.double())
        products = (first * second.conj()).real, first.abs().square(), second.abs().square()
        cross, power_a, power_b = (self._sums(values) for values in products)
        return (cross / (power_a * power_b).sqrt().clamp_min(torch.finfo(cross.dtype).tiny)).float()

    def _sums(self, values: Float[Tensor, "z y x"]) -> Float[Tensor, "directions shells"]:
        """Sums over the points of every cone, shell by shell from 0 on."""
        shells, bins = values.shape[-1] // 2 + 1, len(self.holds)
        total = torch.zeros(shells * bins, dtype=torch.float64, device=values.device)
        total = total.index_add_(0, self.cell, values[self.inside]).view(shells, bins)
        sums = total @ self.holds
        sums[: self.thin + 1] = total[: self.thin + 1].sum(dim=1, keepdim=True)
        return sums.T
