"""CTF-weighted Fourier back-projection of images into a volume: the adjoint of taking central slices.

    V(k) = sum_i CTF_i F_i / sum_i CTF_i^2      over all image points that fall on k

Points are spread onto a grid twice finer than the box (trilinear weights), the Hermitian mates are added, and the
volume is divided by the gridding function afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.physics.central_slice import OVERSAMPLING, FourierGrid, slice_coordinates, trilinear_gridding
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_3d, window_centre
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa.physics.shells import shell_means

LEAST_WEIGHT_SHARE = 1e-3  # of the shell's mean weight (RELION)
CORNER_EDGE = 3.0  # width in voxels of the soft edge of the ball that cuts the corners (RELION)


@dataclass
class BackProjector:
    """The running sums of CTF_i F_i and CTF_i^2 for one map or half map; add images, then ask for the volume.

    box_size: voxels along a side of the volume that is asked for.
    data_real, data_imaginary: sum of CTF_i F_i.
    weight: sum of CTF_i^2.

    The three arrays are flattened cubes with axes (z, y, x), OVERSAMPLING samples per Fourier pixel. They reach a
    little beyond the box's Nyquist shell, so that every point has its eight neighbours.
    """

    box_size: int
    data_real: Float[Tensor, " voxels"]
    data_imaginary: Float[Tensor, " voxels"]
    weight: Float[Tensor, " voxels"]

    @classmethod
    def empty(cls, box_size: int, device: torch.device | None = None) -> BackProjector:
        """Sums of no image yet, for a volume of `box_size` voxels a side."""
        voxels = FourierGrid.size_for(box_size / 2) ** 3
        return cls(box_size, *(torch.zeros(voxels, device=device) for _ in range(3)))

    def __add__(self, other: BackProjector) -> BackProjector:
        """The sums of both sets of images together."""
        return BackProjector(
            self.box_size,
            self.data_real + other.data_real,
            self.data_imaginary + other.data_imaginary,
            self.weight + other.weight,
        )

    def summed(self, over_processes: Callable[[Tensor], Tensor]) -> BackProjector:
        """The sums over several processes; `over_processes` adds up a tensor over them (`Processes.all_reduce`)."""
        sums = (self.data_real, self.data_imaginary, self.weight)
        return BackProjector(self.box_size, *(over_processes(values) for values in sums))

    def add(
        self,
        centred_transform: Complex[Tensor, "particles points"],
        ctf: Float[Tensor, "particles points"],
        rotation_volume_to_image: Float[Tensor, "particles 3 3"],
        plane: HalfPlane,
    ) -> None:
        """Add images at their rotations.

        centred_transform: the images' transforms at the points of `plane`, the particle already shifted to the centre.
        ctf: CTF of every image at the same points.
        """
        self.spread(centred_transform * ctf, ctf.square(), rotation_volume_to_image, plane)

    def spread(
        self,
        data: Complex[Tensor, "slices points"],
        weight: Float[Tensor, "slices points"],
        rotation_volume_to_image: Float[Tensor, "slices 3 3"],
        plane: HalfPlane,
    ) -> None:
        """Add sums of CTF_i F_i and of CTF_i^2 over images that have the same rotation, for each of these rotations.

        data: the sums of CTF_i F_i at the points of `plane`.
        weight: the sums of CTF_i^2 at the same points.
        """
        size = FourierGrid.size_for(self.box_size / 2)
        position = slice_coordinates(rotation_volume_to_image, plane) * OVERSAMPLING + size // 2
        corner = position.floor()
        upper = position - corner
        base = corner.long()
        base_index = (base[..., 2] * size + base[..., 1]) * size + base[..., 0]
        real, imaginary = data.real.contiguous(), data.imag.contiguous()
        for z in (0, 1):
            for y in (0, 1):
                for x in (0, 1):
                    share = torch.ones_like(weight)
                    for axis, bit in enumerate((x, y, z)):
                        share = share * (upper[..., axis] if bit else 1 - upper[..., axis])
                    index = (base_index + (z * size + y) * size + x).flatten()
                    self.data_real.index_add_(0, index, (share * real).flatten())
                    self.data_imaginary.index_add_(0, index, (share * imaginary).flatten())
                    self.weight.index_add_(0, index, (share * weight).flatten())

    def volume(self) -> Float[Tensor, "z y x"]:
        """The volume in real space, box_size voxels a side; a soft ball cuts off its corners.

        A weight below 1/1000 of its shell's mean is raised to that value, as in RELION. The ball is RELION's too: it
        ends at the box's edge and keeps out aliases of what lies beyond it.

        Apply a gain per shell (a Wiener filter) to the result, not to the sums: on their finer grid it would smear over
        neighbouring shells.
        """
        data, weight, shell, shells = self._whole_plane_sums()
        mean_weight = shell_means(weight, shell, shells)
        floor = (LEAST_WEIGHT_SHARE * mean_weight).clamp_min(1e-6 * mean_weight.max().clamp_min(1e-30))
        # data and weight were spread with the same trilinear weights: their ratio interpolates, as RELION's does
        transform = torch.where(shell < shells, data / torch.maximum(weight, floor[shell.clamp(max=shells - 1)]), 0)
        volume = self._volume_of(transform)
        return volume * spherical_mask(self.box_size, self.box_size / 2 + CORNER_EDGE / 2, CORNER_EDGE, volume.device)

    def volume_with_prior(self, slice_power: Float[Tensor, " shells"]) -> Float[Tensor, "z y x"]:
        """The volume that is likeliest given the images and the power tau^2 that its slices have in each shell.

            V(k) = sum_i CTF_i F_i / ( sum_i CTF_i^2 + 1 / tau^2(k) )       noise of variance 1 per point

        This is the map that RELION's regularised likelihood asks for. The sums of a Fourier pixel are spread over
        OVERSAMPLING^3 points of the grid, and so is the prior.

        slice_power: tau^2 of shells 0 .. box_size // 2.
        """
        data, weight, shell, shells = self._whole_plane_sums()
        prior = 1 / (OVERSAMPLING**3 * slice_power)
        transform = torch.where(shell < shells, data / (weight + prior[shell.clamp(max=shells - 1)]), 0)
        return self._volume_of(transform)

    def _whole_plane_sums(
        self,
    ) -> tuple[Complex[Tensor, "z y x"], Float[Tensor, "z y x"], Int[Tensor, "z y x"], int]:
        """Data and weights with their Hermitian mates, the shell of every point, and the number of shells."""
        size = FourierGrid.size_for(self.box_size / 2)
        data = add_hermitian_mate(torch.complex(self.data_real, self.data_imaginary).reshape(size, size, size))
        weight = add_hermitian_mate(self.weight.reshape(size, size, size))
        shell = (distance_from_centre(size, 3, weight.device) / OVERSAMPLING).round().long()
        return data, weight, shell, self.box_size // 2 + 1

    def _volume_of(self, transform: Complex[Tensor, "kz ky kx"]) -> Float[Tensor, "z y x"]:
        padded = inverse_fourier_3d(window_centre(transform, OVERSAMPLING * self.box_size, 3))
        return window_centre(padded, self.box_size, 3) / trilinear_gridding(self.box_size, padded.device)


def add_hermitian_mate(grid: Tensor) -> Tensor:
    """F(k) + conj F(-k) on a centred grid of even size: sums over half planes become sums over whole planes."""
    mate = grid.flip((0, 1, 2)).roll((1, 1, 1), (0, 1, 2))
    return grid + (mate.conj() if mate.is_complex() else mate)
