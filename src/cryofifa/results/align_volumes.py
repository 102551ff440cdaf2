"""Turn, shift and, where the hand is wrong, mirror one map onto another.

    aligned(x) = V'(Q x + e),      V'(x, y, z) = V(x, y, -z) if mirrored else V
    F_aligned(k) = F_V'(Q k) exp(+2 pi i Q k . e)

Both maps are whitened per shell, so what is maximised is a weighted sum of the FSC over shells.  A coarse
search over all rotations (shifts by FFT) on the innermost shells, then Gauss-Newton on more and more shells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.physics.central_slice import OVERSAMPLING, FourierGrid
from cryofifa.physics.fourier import centred_index, inverse_fourier_3d
from cryofifa.physics.resample import low_pass_ball, resample_volume
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.results.fsc import in_soft_sphere

_COARSE_RADIUS = 8  # Fourier pixels: two thirds of a period at the rim between neighbours of the coarse grid
_COARSE_ROTATIONS = 4096  # about 15 degrees apart
_KEPT_PER_HAND = (12, 3)  # after the coarse search, after the first refinement
_MOST_POINTS = 40_000  # a random subset of a large ball places a map as well as all of it
_SEARCH_MASK_SHARE = 0.48

_MOST_STEPS = 15
_LAST_STEP_VOXEL = 1e-3
_DIFFERENCE_VOXEL = 0.1  # of the numerical derivative by the rotation
_LEAST_SHELL_WEIGHT = 0.02  # shells that do not correlate yet may begin to


@dataclass(frozen=True)
class AlignedVolume:
    """The volume on the reference's grid and in its frame.

    Attributes:
        mirrored: the volume was mirrored in z first.
        rotation_reference_to_volume: Q, acting on (x, y, z) columns.
        shift_angstrom: e (x, y, z), where the reference's origin lies in the (mirrored) volume.
        correlation: Pearson's, of both maps under a soft sphere of radius 0.48 box.
    """

    volume: Float[Tensor, "z y x"]
    mirrored: bool
    rotation_reference_to_volume: Float[Tensor, "3 3"]
    shift_angstrom: Float[Tensor, " 3"]
    correlation: float


@dataclass(frozen=True)
class _Placement:
    mirrored: bool
    rotation: Float[Tensor, "3 3"]
    shift_voxel: Float[Tensor, " 3"]
    score: float


def align_volumes(
    volume: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    reference: Float[Tensor, "z y x"],
    reference_pixel_size_angstrom: float,
    *,
    initial: Sequence[tuple[bool, Float[Tensor, "3 3"]]] | None = None,
) -> AlignedVolume:
    """Place `volume` in the frame of `reference`.

    initial: (mirrored, rotation_reference_to_volume) to start from instead of the search over all rotations
        and both hands; they may be off by some 10 degrees.  Shifts are always searched.

    Raises:
        InputError: if the fields of view differ by more than a factor of two, or a map is constant.
    """
    size = reference.shape[-1]
    field, reference_field = volume.shape[-1] * pixel_size_angstrom, size * reference_pixel_size_angstrom
    if not 0.5 <= field / reference_field <= 2.0:
        raise InputError(
            f"the map is {field:.0f} angstrom wide and the reference {reference_field:.0f}; "
            "they cannot show the same particle: check the voxel sizes of both"
        )
    volume = resample_volume(volume.float(), pixel_size_angstrom, reference_pixel_size_angstrom, size)
    masked = in_soft_sphere(reference.float(), _SEARCH_MASK_SHARE)
    if not (float(volume.std()) > 0 and float(masked.std()) > 0):
        raise InputError("a map to align is constant: there is nothing to align")
    target = FourierGrid.from_volume(masked, size // 2)
    # A voxel of the wrong hand is the mirror image: index N//2 + z -> N//2 - z.
    moving = {hand: _grid(mirror_z(volume) if hand else volume) for hand in (False, True)}

    if initial is None:
        bank = rotation_from_uniform(
            torch.quasirandom.SobolEngine(3).draw(_COARSE_ROTATIONS).clamp(1e-6, 1 - 1e-6)
        )
        banks = {False: bank, True: bank}
    else:
        banks = {
            hand: torch.stack([rotation.float() for mirrored, rotation in initial if mirrored == hand])
            for hand in {mirrored for mirrored, _ in initial}
        }
    last_radius = size // 2 - 1
    radii = [radius for radius in (1.5 * _COARSE_RADIUS, 2.25 * _COARSE_RADIUS) if radius < last_radius]
    finalists = []
    for hand, rotations in banks.items():
        coarse = _Comparison(moving[hand], target, size, min(_COARSE_RADIUS, last_radius))
        placements = coarse.search(hand, rotations)[: _KEPT_PER_HAND[0]]
        placements = sorted((coarse.refined(p) for p in placements), key=lambda p: -p.score)
        for radius in radii:
            comparison = _Comparison(moving[hand], target, size, radius)
            kept = placements[: _KEPT_PER_HAND[1]]
            placements = sorted((comparison.refined(p) for p in kept), key=lambda p: -p.score)
        finalists.append(placements[0])
    # Every finalist is judged on all shells; only the best needs the last word in precision.
    finished = []
    for placement in finalists:
        comparison = _Comparison(moving[placement.mirrored], target, size, last_radius)
        # Twice, for the second time weighs the shells by what the first time made of them.
        finished.append(comparison.refined(comparison.refined(placement)))
    best = max(finished, key=lambda p: p.score)
    whole = mirror_z(volume) if best.mirrored else volume
    aligned = turned_volume(whole, best.rotation, best.shift_voxel)
    a, b = in_soft_sphere(aligned, _SEARCH_MASK_SHARE), masked
    correlation = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
    return AlignedVolume(
        aligned,
        best.mirrored,
        best.rotation,
        best.shift_voxel * reference_pixel_size_angstrom,
        float(correlation),
    )


def mirror_z(volume: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
    """V'(x, y, z) = V(x, y, -z) about the origin N//2; with an even box the first plane maps onto itself."""
    flipped = volume.flip(0)
    return flipped.roll(1, 0) if volume.shape[0] % 2 == 0 else flipped


def turned_volume(
    volume: Float[Tensor, "z y x"], rotation: Float[Tensor, "3 3"], shift_voxel: Float[Tensor, " 3"]
) -> Float[Tensor, "z y x"]:
    """V(Q x + e), by trilinear interpolation of the oversampled transform, up to the Nyquist shell."""
    size = volume.shape[-1]
    line = centred_index(size, volume.device).float()
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    inside = x.square() + y.square() + z.square() <= (size // 2) ** 2
    points = torch.stack([x[inside], y[inside], z[inside]], dim=-1)
    grid = FourierGrid.from_volume(low_pass_ball(volume, size / 2), size // 2)
    transform = torch.zeros_like(volume, dtype=torch.complex64)
    transform[inside] = _moved_values(grid, points, rotation, shift_voxel / size)
    return inverse_fourier_3d(transform)


def _grid(volume: Tensor) -> FourierGrid:
    return FourierGrid.from_volume(in_soft_sphere(volume, _SEARCH_MASK_SHARE), volume.shape[-1] // 2)


def _values_at(grid: FourierGrid, points_xyz: Float[Tensor, "*batch 3"]) -> Complex[Tensor, "*batch"]:
    """The transform at points in Fourier pixels of the box, trilinear."""
    size = grid.real_imaginary.shape[-1]
    normalised = (points_xyz * OVERSAMPLING + size // 2) * (2 / (size - 1)) - 1
    sampled = torch.nn.functional.grid_sample(
        grid.real_imaginary[None], normalised.reshape(1, 1, 1, -1, 3), mode="bilinear", align_corners=True
    ).reshape(2, *points_xyz.shape[:-1])
    return torch.complex(sampled[0], sampled[1])


def _moved_values(grid: FourierGrid, points: Tensor, rotation: Tensor, shift_per_box: Tensor) -> Tensor:
    turned = points @ rotation.mT
    angle = 2 * torch.pi * (turned @ shift_per_box)
    return _values_at(grid, turned) * torch.complex(angle.cos(), angle.sin())


class _Comparison:
    """Two grids compared over one ball of Fourier points (half of it: the maps are real)."""

    def __init__(self, moving: FourierGrid, target: FourierGrid, size: int, radius: float) -> None:
        self.moving, self.size = moving, size
        reach = int(radius)
        line = torch.arange(-reach, reach + 1)
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        square = x.square() + y.square() + z.square()
        half = (z > 0) | ((z == 0) & (y > 0)) | ((z == 0) & (y == 0) & (x > 0))
        keep = half & (square <= radius * radius)
        self.index_xyz: Int[Tensor, "points 3"] = torch.stack([x[keep], y[keep], z[keep]], dim=-1)
        if len(self.index_xyz) > _MOST_POINTS:
            chosen = torch.randperm(len(self.index_xyz), generator=torch.Generator().manual_seed(0))[
                :_MOST_POINTS
            ]
            self.index_xyz = self.index_xyz[chosen]
        self.points = self.index_xyz.float()
        self.shell = self.points.square().sum(-1).sqrt().round().long()
        self.count = torch.bincount(self.shell).float()
        self.whitened_target = self._whitened(_values_at(target, self.points))
        # The moving map's power per shell, read once: it hardly changes with the rotation.
        self.moving_power = self._shell_mean(_values_at(moving, self.points).abs().square()).clamp_min(1e-30)

    def _shell_mean(self, values: Tensor) -> Tensor:
        total = torch.zeros_like(self.count).index_add_(0, self.shell, values)
        return total / self.count.clamp_min(1)

    def _whitened(self, values: Tensor) -> Tensor:
        return values / self._shell_mean(values.abs().square()).clamp_min(1e-30).sqrt()[self.shell]

    def search(self, mirrored: bool, rotations: Float[Tensor, "n 3 3"]) -> list[_Placement]:
        """The best shift of every rotation by FFT; best rotation first."""
        reach = int(self.points.abs().max())
        cube = 2 * reach + 4
        # Equal weight per radius: the many points of outer shells do not tolerate the grid's coarseness.
        weight = (1 / self.moving_power.sqrt() / self.shell.max() / self.count.clamp_min(1).sqrt())[
            self.shell
        ]
        x, y, z = (self.index_xyz % cube).unbind(-1)
        placements = []
        for batch in rotations.split(128):
            turned = self.points @ batch.mT
            product = _values_at(self.moving, turned) * self.whitened_target.conj() * weight
            transform = torch.zeros(len(batch), cube, cube, cube, dtype=torch.complex64)
            transform[:, z, y, x] = product
            score, place = (
                torch.fft.ifftn(transform, dim=(1, 2, 3), norm="forward").real.flatten(1).max(dim=1)
            )
            step = torch.stack([place % cube, place // cube % cube, place // cube**2], dim=-1)
            step = torch.where(step >= cube / 2, step - cube, step)
            shift_reference = step.float() * (self.size / cube)  # e = Q d
            shift = (batch @ shift_reference[..., None])[..., 0]
            placements += [
                _Placement(mirrored, q, e, float(s)) for q, e, s in zip(batch, shift, score, strict=True)
            ]
        return sorted(placements, key=lambda p: -p.score)

    def curve(self, rotation: Tensor, shift_voxel: Tensor) -> Tensor:
        """The FSC over shells at a placement."""
        values = _moved_values(self.moving, self.points, rotation, shift_voxel / self.size)
        cross = (values * self.whitened_target.conj()).real
        return self._shell_mean(cross) / self.moving_power.sqrt()

    def refined(self, start: _Placement) -> _Placement:
        """Gauss-Newton steps from a placement (Levenberg's damping); the score is the mean FSC over the points.

        Least squares of whitened differences, each shell weighted by the FSC it has at the start.
        """
        placement = self._judged(start.mirrored, start.rotation, start.shift_voxel)
        fsc = self.curve(start.rotation, start.shift_voxel).clamp_min(_LEAST_SHELL_WEIGHT)
        weight = fsc[self.shell]
        best_value, damping = self._value(placement, fsc), 1e-3
        for _ in range(_MOST_STEPS):
            normal, gradient = self._normal_equations(placement, weight)
            accepted = False
            for _ in range(4):
                damped = normal + damping * torch.diag(normal.diagonal())
                step = torch.linalg.lstsq(damped, gradient).solution
                rotation = roma.rotvec_to_rotmat(step[:3] / (self.size / 4)) @ placement.rotation
                trial = self._judged(start.mirrored, rotation, placement.shift_voxel + step[3:])
                value = self._value(trial, fsc)
                if accepted := value > best_value:
                    placement, best_value, damping = trial, value, damping / 10
                    break
                damping *= 10
            if not accepted or float(step.abs().max()) < _LAST_STEP_VOXEL:
                break
        return placement

    def _judged(self, mirrored: bool, rotation: Tensor, shift_voxel: Tensor) -> _Placement:
        curve = self.curve(rotation, shift_voxel)
        return _Placement(mirrored, rotation, shift_voxel, float((self.count * curve).sum() / self.count.sum()))

    def _value(self, placement: _Placement, shell_weight: Tensor) -> float:
        curve = self.curve(placement.rotation, placement.shift_voxel)
        return float((self.count * shell_weight * curve).sum())

    def _normal_equations(self, placement: _Placement, weight: Tensor) -> tuple[Tensor, Tensor]:
        """J^H W J and J^H W (target - values) for turns (in voxels at a quarter of the box) and shifts (voxels)."""
        lever, shift_per_box = self.size / 4, placement.shift_voxel / self.size
        scale = (1 / self.moving_power.sqrt())[self.shell]

        def values(rotation: Tensor) -> Tensor:
            return _moved_values(self.moving, self.points, rotation, shift_per_box) * scale

        columns = []
        for axis in torch.eye(3):
            step = axis * (_DIFFERENCE_VOXEL / lever)
            ahead, behind = (values(roma.rotvec_to_rotmat(s) @ placement.rotation) for s in (step, -step))
            columns.append((ahead - behind) / (2 * _DIFFERENCE_VOXEL))
        here = values(placement.rotation)
        turned = self.points @ placement.rotation.mT
        columns += [here * (2j * torch.pi / self.size) * turned[:, axis] for axis in range(3)]
        jacobian = torch.stack(columns, dim=-1)
        weighted = jacobian.conj() * weight[:, None]
        return (weighted.mT @ jacobian).real, (weighted.mT @ (self.whitened_target - here)).real
