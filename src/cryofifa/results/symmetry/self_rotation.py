"""A map compared with turned copies of itself, shell by shell in Fourier space.

The spherical mean of every shell is taken out first: it fits every rotation and tells nothing.  A shell with little
else is damped, so that what a voxel grid or rounding leaves of a round map does not count as signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.rotations import perturb_rotation
from cryofifa.physics.shift import shift_phase

_LEAST_REST = 0.01  # of a shell's power: damps shells that are spherical to within 10 % of the amplitude
_ROTATIONS_AT_ONCE = 48
_REFINEMENT_STEPS = 12
_LEAST_GAIN = 1e-4  # in FSC; the refinement ends at smaller ones
_SHIFT_PENALTY = 20.0  # a shift by 1/30 of the box costs 0.02 of FSC
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True)
class Frame:
    """Where a group's axes lie in a map: V(Q g Q^T (r - c) + c) = V(r) for every member g.

    rotation_group_to_map: Q.
    centre_voxel: c; r and c are (x, y, z) in voxels from N//2.
    """

    rotation_group_to_map: Float[Tensor, "3 3"]
    centre_voxel: Float[Tensor, " 3"]

    def turned(self, members: Float[Tensor, "members 3 3"]) -> Float[Tensor, "members 3 3"]:
        """The members as rotations in the map's frame, Q g Q^T."""
        return self.rotation_group_to_map @ members @ self.rotation_group_to_map.mT


def spread_directions(count: int, azimuth_radian: float | Tensor = 0.0) -> Float[Tensor, "*n count 3"]:
    """Unit vectors (x, y, z) spread evenly over the half sphere z > 0, on a golden spiral.

    azimuth_radian: turns the whole spiral about z; with shape (*n, 1) there are n spirals.
    """
    index = torch.arange(count, dtype=torch.float64)
    height = (index + 0.5) / count
    across = (1 - height.square()).sqrt()
    azimuth = _GOLDEN_ANGLE * index + azimuth_radian
    direction = [across * azimuth.cos(), across * azimuth.sin(), height.expand_as(azimuth)]
    return torch.stack(direction, dim=-1).float()


class SelfRotation:
    """FSC of a volume with its own turned copies, over shells 1 .. last_shell.

    directions: number of directions at which every shell is sampled.
    """

    def __init__(self, volume: Float[Tensor, "z y x"], last_shell: int, directions: int) -> None:
        self.size = volume.shape[-1]
        self.grid = FourierGrid.from_volume(volume, self.size // 2)
        # Half a sphere, for the map is real; turned from shell to shell, or all would miss the same directions.
        shell = torch.arange(1, last_shell + 1)
        direction = spread_directions(directions, _GOLDEN_ANGLE / last_shell * shell[:, None])
        self.points: Float[Tensor, "shells directions 3"] = direction * shell[:, None, None]

    def _values(
        self, rotation: Float[Tensor, "*n 3 3"], centre_voxel: Tensor
    ) -> Complex[Tensor, "*n shells directions"]:
        """The volume's transform, turned about the centre, at the sampled points."""
        points = torch.einsum("...ij,sdj->...sdi", rotation, self.points)
        return self.grid.at(points) * shift_phase(points, centre_voxel, self.size)

    def _map(self, centre_voxel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The map without its spherical mean, that mean, and the power that damps a shell; per shell."""
        values = self._values(torch.eye(3), centre_voxel)
        average = values.real.mean(-1, keepdim=True)
        return values - average, average, _LEAST_REST * values.abs().square().mean(-1)

    def power(self, centre_voxel: Tensor) -> tuple[Float[Tensor, " shells"], Float[Tensor, " shells"]]:
        """Power of the spherical mean and of all the rest, per shell."""
        rest, average, _ = self._map(centre_voxel)
        return average[:, 0].square(), rest.abs().square().mean(-1)

    def curves(self, rotation: Float[Tensor, "n 3 3"], centre_voxel: Tensor) -> Float[Tensor, "n shells"]:
        """FSC of the map and its copy turned by each rotation about the centre, both without their spherical mean."""
        rest, average, damping = self._map(centre_voxel)
        power = (rest.abs().square().mean(-1) + damping).clamp_min(1e-30)
        parts = []
        for some in rotation.split(_ROTATIONS_AT_ONCE):
            turned = self._values(some, centre_voxel) - average
            parts.append((turned * rest.conj()).real.mean(-1) / power)
        return torch.cat(parts)

    def curve_of_mean(self, rotation: Float[Tensor, "n 3 3"], centre_voxel: Tensor) -> Float[Tensor, " shells"]:
        """FSC of the map and the mean of its copies turned by all these rotations."""
        rest, average, damping = self._map(centre_voxel)
        total = torch.zeros_like(rest)
        for some in rotation.split(_ROTATIONS_AT_ONCE):
            total += (self._values(some, centre_voxel) - average).sum(0)
        mean = total / len(rotation)
        cross = (mean * rest.conj()).real.mean(-1)
        power = (rest.abs().square().mean(-1) + damping) * (mean.abs().square().mean(-1) + damping)
        return cross / power.sqrt().clamp_min(1e-30)

    def refined(
        self, start: Frame, members: Float[Tensor, "members 3 3"], shell_weight: Float[Tensor, " shells"]
    ) -> Frame:
        """Refine a group's frame (quasi-Newton) to where the members' weighted mean FSC is highest.

        members: one of each pair g, g^-1 without the identity.
        shell_weight: of shells 1 .. last_shell.

        The centre stays near the mass centre, and does not move along a lone axis, where the fit cannot place it: off
        the centre of a round map a spherical mean would remain, which fits everything.
        """
        step = torch.zeros(6, requires_grad=True)
        placed = torch.eye(3) - torch.cat([members, members.mT, torch.eye(3)[None]]).mean(0)
        optimiser = torch.optim.LBFGS(
            [step], max_iter=_REFINEMENT_STEPS, tolerance_change=_LEAST_GAIN, line_search_fn="strong_wolfe"
        )

        def moved() -> tuple[Tensor, Tensor]:
            # Turns are in voxels at a quarter of the box, so that they compare with shifts.
            rotation = perturb_rotation(start.rotation_group_to_map, step[:3] / (self.size / 4))
            return rotation, start.centre_voxel + rotation @ placed @ step[3:]

        def loss() -> Tensor:
            optimiser.zero_grad()
            rotation, centre = moved()
            turned = Frame(rotation, centre).turned(members)
            value = -weighted(self.curves(turned, centre), shell_weight).mean()
            value = value + _SHIFT_PENALTY * (step[3:] / self.size).square().sum()
            value.backward()
            return value

        optimiser.step(loss)
        with torch.no_grad():
            return Frame(*moved())


def weighted(curves: Float[Tensor, "n shells"], shell_weight: Float[Tensor, " shells"]) -> Float[Tensor, " n"]:
    """The weighted mean of every curve over its shells."""
    return curves @ shell_weight / shell_weight.sum()
