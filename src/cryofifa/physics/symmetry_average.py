"""Averages over a point group: of a volume's turned copies, and of the sums of back-projection."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.central_slice import (
    OVERSAMPLING,
    POINTS_AT_ONCE,
    FourierGrid,
    mean_over_members,
    trilinear_gridding,
)
from cryofifa.physics.fourier import centred_index, inverse_fourier_3d
from cryofifa.physics.resample import low_pass_ball
from cryofifa.physics.shift import shift_phase


def mean_of_turned(
    volume: Float[Tensor, "z y x"],
    rotation: Float[Tensor, "members 3 3"],
    centre_voxel: Float[Tensor, " 3"] | None = None,
) -> Float[Tensor, "z y x"]:
    """Mean over the rotations R of V(R x + c), up to the Nyquist shell; x and c are (x, y, z) in voxels from N//2.

    With the members of a point group about c this is the symmetrised volume; with Q times the members the volume is
    also turned from a frame Q into the group's own.  In Fourier space: F(k) = mean of F_V(R k) exp(2 pi i R k.c).

    rotation: the rotations R.
    centre_voxel: c; the box centre by default.

    F_V is read by cubic interpolation. Trilinear reading is right on average only: where R carries the grid onto itself
    nothing is interpolated, and the volume would come out divided by the gridding function.  Cubic reading differs by
    less than 0.1 % up to half of the radius that the box holds.
    """
    size = volume.shape[-1]
    line = centred_index(size, volume.device).float()
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    half = (z > 0) | ((z == 0) & (y > 0)) | ((z == 0) & (y == 0) & (x >= 0))
    # At -N/2 a frequency and its mate are one sample.
    inside = half & (x.square() + y.square() + z.square() <= (size / 2) ** 2) & (torch.minimum(x, y) > -size / 2)
    points = torch.stack([x[inside], y[inside], z[inside]], dim=-1)
    del x, y, z, half
    smooth = low_pass_ball(volume, size / 2) / trilinear_gridding(size, volume.device)
    grid = FourierGrid.from_volume(smooth, size // 2 + 1)
    shift = volume.new_zeros(3) if centre_voxel is None else centre_voxel
    transform = torch.zeros_like(volume, dtype=torch.complex64)
    blocks = []
    for block in points.split(POINTS_AT_ONCE):
        total = torch.zeros(len(block), dtype=torch.complex64, device=volume.device)
        for member in rotation.to(volume):
            turned = block @ member.mT
            total += _read_cubic(grid, turned) * shift_phase(turned, shift, size)
        blocks.append(total / len(rotation))
    transform[inside] = torch.cat(blocks)
    # The real part of half a transform is half of the volume, but for the origin, which is its own mate.
    transform[size // 2, size // 2, size // 2] /= 2
    return 2 * inverse_fourier_3d(transform)


def symmetrised_sums(sums: BackProjector, members: Float[Tensor, "members 3 3"]) -> BackProjector:
    """The sums of back-projection as if every particle had been added at all its equivalent poses A g, averaged.

    D'(k) = mean of D(g k), the same for the weights.  Exact where the members carry the grid onto itself (C2, C4, D2,
    D4, O); elsewhere the sums are read by trilinear interpolation, as in RELION, which blurs a little more than adding
    the
    images would: the volume falls off by up to sinc^2(r / 2N), 5 % at half of the radius that the box holds.
    """
    size = FourierGrid.size_for(sums.box_size / 2)
    channels = torch.stack([sums.data_real, sums.data_imaginary, sums.weight])
    # A point spreads to less than two samples, or one Fourier pixel, around it.
    mean = mean_over_members(channels.reshape(3, size, size, size), members.to(channels), sums.box_size / 2 + 1)
    return BackProjector(sums.box_size, *mean.flatten(1))


def _read_cubic(grid: FourierGrid, coordinate: Float[Tensor, "points 3"]) -> Complex[Tensor, " points"]:
    """Cubic B-spline interpolation in eight trilinear reads, each for two neighbours per axis (Sigg & Hadwiger 2005).

    The spline's transform, sinc^4, is that of trilinear interpolation squared.
    """
    corner = (coordinate * OVERSAMPLING).floor()
    upper = coordinate * OVERSAMPLING - corner
    weights = [
        (1 - upper) ** 3 / 6,
        (3 * upper**3 - 6 * upper**2 + 4) / 6,
        (-3 * upper**3 + 3 * upper**2 + 3 * upper + 1) / 6,
        upper**3 / 6,
    ]
    below, above = weights[0] + weights[1], weights[2] + weights[3]
    place_below = (corner - 1 + weights[1] / below) / OVERSAMPLING
    place_above = (corner + 1 + weights[3] / above) / OVERSAMPLING
    total = torch.zeros(len(coordinate), dtype=torch.complex64, device=coordinate.device)
    for bits in itertools.product((False, True), repeat=3):
        choice = torch.tensor(bits, device=coordinate.device)
        share = torch.where(choice, above, below).prod(dim=-1)
        total += share * grid.at(torch.where(choice, place_above, place_below))
    return total
