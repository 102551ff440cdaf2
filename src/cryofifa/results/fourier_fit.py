"""Fit one map's Fourier transform to another's over a ball of Fourier points: shift search, then Gauss-Newton."""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.physics.central_slice import OVERSAMPLING, FourierGrid
from cryofifa.physics.shift import shift_phase

_MOST_POINTS = 40_000  # a random subset of a large ball places a map as well as all of it
_MOST_STEPS = 8
_LEAST_GAIN = 1e-6  # relative gain of a step that is worth another step; about a thousandth of a voxel
_DIFFERENCE_VOXEL = 0.1  # step of the numerical derivative by the rotation
_LEAST_SHELL_WEIGHT = 0.02  # shells that do not correlate yet keep this weight, as they may begin to


@dataclass(frozen=True)
class Placement:
    """How a map is placed: aligned(x) = V'(Q (x + d)); `align_volumes` writes e = Q d.

    Attributes:
        mirrored: whether V' is the map mirrored in z, or the map itself.
        rotation: Q.
        shift_voxel: d (x, y, z), in the reference's frame.
        score: how well the maps agree; higher is better.
    """

    mirrored: bool
    rotation: Float[Tensor, "3 3"]
    shift_voxel: Float[Tensor, " 3"]
    score: float


def moved_values(
    grid: FourierGrid, points: Float[Tensor, "points 3"], rotation: Float[Tensor, "3 3"], phase: Tensor
) -> Complex[Tensor, " points"]:
    """The transform of V(Q (x + d)) at these points: F_V(Q k) exp(2 pi i k.d).

    Args:
        grid: F_V, the transform of V.
        points: the points k (x, y, z) in Fourier pixels.
        rotation: Q.
        phase: exp(2 pi i k.d) at each point, from `shift_phase`.
    """
    return grid.at(points @ rotation.mT) * phase


class FourierFit:
    """Two maps compared over one ball of Fourier points, of which half is enough because the maps are real.

    Args:
        moving: transform of the map that is placed.
        target: transform of the reference.
        size: voxels along a side of both maps.
        radius: of the ball, in Fourier pixels.
        most_points: a random subset of this size stands for a ball with more points.
    """

    def __init__(
        self,
        moving: FourierGrid,
        target: FourierGrid,
        size: int,
        radius: float,
        most_points: int = _MOST_POINTS,
    ) -> None:
        self.moving, self.size = moving, size
        reach = int(radius)
        line = torch.arange(-reach, reach + 1)
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        square = x.square() + y.square() + z.square()
        half = (z > 0) | ((z == 0) & (y > 0)) | ((z == 0) & (y == 0) & (x > 0))
        keep = half & (square <= radius * radius)
        self.index_xyz: Int[Tensor, "points 3"] = torch.stack([x[keep], y[keep], z[keep]], dim=-1)
        if len(self.index_xyz) > most_points:
            chosen = torch.randperm(len(self.index_xyz), generator=torch.Generator().manual_seed(0))[:most_points]
            self.index_xyz = self.index_xyz[chosen]
        self.points = self.index_xyz.float()
        self.shell = self.points.square().sum(-1).sqrt().round().long()
        self.count = torch.bincount(self.shell).float()
        self.whitened_target = self._whitened(target.at(self.points))
        # The moving map's power per shell is read once, because it hardly changes with the rotation.
        self.moving_power = self._shell_mean(moving.at(self.points).abs().square()).clamp_min(1e-30)

    def _shell_mean(self, values: Tensor) -> Tensor:
        total = torch.zeros_like(self.count).index_add_(0, self.shell, values)
        return total / self.count.clamp_min(1)

    def _whitened(self, values: Tensor) -> Tensor:
        """The values with mean power 1 in every shell."""
        return values / self._shell_mean(values.abs().square()).clamp_min(1e-30).sqrt()[self.shell]

    def search(self, mirrored: bool, rotations: Float[Tensor, "n 3 3"]) -> list[Placement]:
        """The placement of every rotation at its best shift, found by FFT; the best placement comes first.

        Args:
            mirrored: whether the moving map is the mirror image; it is noted in the placements.
            rotations: the rotations Q to try.
        """
        reach = int(self.points.abs().max())
        cube = 2 * reach + 4
        weight = self._weight_per_radius()
        x, y, z = (self.index_xyz % cube).unbind(-1)
        placements = []
        for batch in rotations.split(128):
            turned = self.points @ batch.mT
            product = self.moving.at(turned) * self.whitened_target.conj() * weight
            transform = torch.zeros(len(batch), cube, cube, cube, dtype=torch.complex64)
            transform[:, z, y, x] = product
            score, place = torch.fft.ifftn(transform, dim=(1, 2, 3), norm="forward").real.flatten(1).max(dim=1)
            step = torch.stack([place % cube, place // cube % cube, place // cube**2], dim=-1)
            step = torch.where(step >= cube / 2, step - cube, step)
            shift = step.float() * (self.size / cube)
            placements += [Placement(mirrored, q, d, float(s)) for q, d, s in zip(batch, shift, score, strict=True)]
        return sorted(placements, key=lambda p: -p.score)

    def ranked(
        self, mirrored: bool, rotations: Float[Tensor, "n 3 3"], centre_voxel: Float[Tensor, " 3"]
    ) -> list[Placement]:
        """The placement of every rotation about one known centre of the moving map; the best placement comes first.

        Args:
            mirrored: whether the moving map is the mirror image; it is noted in the placements.
            rotations: the rotations Q to try.
            centre_voxel: the centre (x, y, z), from the middle of the box.
        """
        # The grid is moved once, which spares every rotation its own phases.
        grid_size = self.moving.real_imaginary.shape[-1]
        line = (torch.arange(grid_size) - grid_size // 2) / OVERSAMPLING
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        transform = torch.complex(*self.moving.real_imaginary)
        transform = transform * shift_phase(torch.stack([x, y, z], dim=-1), centre_voxel, self.size)
        centred = FourierGrid.of_transform(transform, self.moving.radius)
        target = self.whitened_target.conj() * self._weight_per_radius()
        placements = []
        for batch in rotations.split(64):
            score = (centred.at(self.points @ batch.mT) * target).real.sum(-1)
            shift = batch.mT @ centre_voxel
            placements += [Placement(mirrored, q, d, float(s)) for q, d, s in zip(batch, shift, score, strict=True)]
        return sorted(placements, key=lambda p: -p.score)

    def _weight_per_radius(self) -> Float[Tensor, " points"]:
        """Weights that count every radius alike, as the many points of outer shells suffer from coarse rotations."""
        per_shell = 1 / self.moving_power.sqrt() / self.shell.max() / self.count.clamp_min(1).sqrt()
        return per_shell[self.shell]

    def curve(self, rotation: Tensor, shift_voxel: Tensor) -> Tensor:
        """The FSC of both maps over shells 0, 1, ... of the ball, with the moving one placed by Q and d."""
        phase = shift_phase(self.points, shift_voxel, self.size)
        values = moved_values(self.moving, self.points, rotation, phase)
        cross = (values * self.whitened_target.conj()).real
        return self._shell_mean(cross) / self.moving_power.sqrt()

    def refined(self, start: Placement) -> Placement:
        """Refine a placement by Gauss-Newton steps with Levenberg's damping; its score is the mean FSC over all points.

        The steps lower the squared whitened difference, each shell weighted by the FSC that it has at the start.
        """
        curve = self.curve(start.rotation, start.shift_voxel)
        shell_weight = self.count * curve.clamp_min(_LEAST_SHELL_WEIGHT)
        point_weight = (shell_weight / self.count.clamp_min(1))[self.shell]
        rotation, shift, damping = start.rotation, start.shift_voxel, 1e-3
        for _ in range(_MOST_STEPS):
            normal, gradient = self._normal_equations(rotation, shift, point_weight)
            value, gain = float((shell_weight * curve).sum()), 0.0
            for _ in range(3):
                damped = normal + damping * torch.diag(normal.diagonal())
                step = torch.linalg.lstsq(damped, gradient).solution
                trial = roma.rotvec_to_rotmat(step[:3] / (self.size / 4)) @ rotation, shift + step[3:]
                trial_curve = self.curve(*trial)
                gain = float((shell_weight * trial_curve).sum()) - value
                if gain > 0:
                    (rotation, shift), curve, damping = trial, trial_curve, damping / 10
                    break
                damping *= 10
            if gain < _LEAST_GAIN * abs(value):
                break
        score = float((self.count * curve).sum() / self.count.sum())
        rotation = roma.special_gramschmidt(rotation)  # products of many float32 rotations drift
        return Placement(start.mirrored, rotation, shift, score)

    def _normal_equations(self, rotation: Tensor, shift_voxel: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """J^H W J and J^H W (target - values) for turns and shifts.

        A turn is given by how far it moves a point at a quarter of the box from the centre, in voxels.
        """
        lever, phase = self.size / 4, shift_phase(self.points, shift_voxel, self.size)
        scale = (1 / self.moving_power.sqrt())[self.shell]

        def values(turn: Tensor) -> Tensor:
            return moved_values(self.moving, self.points, turn @ rotation, phase) * scale

        columns = []
        for axis in torch.eye(3):
            step = axis * (_DIFFERENCE_VOXEL / lever)
            ahead, behind = (values(roma.rotvec_to_rotmat(turn)) for turn in (step, -step))
            columns.append((ahead - behind) / (2 * _DIFFERENCE_VOXEL))
        here = values(torch.eye(3))
        columns += [here * (2j * torch.pi / self.size) * self.points[:, axis] for axis in range(3)]
        jacobian = torch.stack(columns, dim=-1)
        weighted = jacobian.conj() * weight[:, None]
        return (weighted.mT @ jacobian).real, (weighted.mT @ (self.whitened_target - here)).real
