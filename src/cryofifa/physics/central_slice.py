"""Central slices through a volume's transform, read by trilinear interpolation from a sampled grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.fourier import HalfPlane, centred_index, fourier_3d, window_centre

OVERSAMPLING = 2  # RELION's padding factor: the grid is twice finer than the box's own Fourier pixels
POINTS_AT_ONCE = 2**20  # points of a grid that are symmetrised together; bounds the memory, changes nothing else


def slice_coordinates(
    rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
) -> Float[Tensor, "*batch points 3"]:
    """Where the points of an image's half plane lie in the volume's transform: k_volume = A^T k_image.

    The paper's C R. Coordinates (x, y, z) in Fourier pixels of the box.
    """
    return plane.index_xy.to(rotation_volume_to_image.dtype) @ rotation_volume_to_image[..., :2, :]


@dataclass(frozen=True)
class FourierGrid:
    """A volume's transform sampled on a cubic grid, OVERSAMPLING samples per Fourier pixel, cut to a radius.

    real_imaginary: real and imaginary part, (2, size, size, size), axes (z, y, x), origin at size//2.
    radius: in Fourier pixels of the unpadded box; slices beyond it read zeros or the values at the grid's edge.
    """

    real_imaginary: Float[Tensor, "2 size size size"]
    radius: float

    @staticmethod
    def size_for(radius: float) -> int:
        """Samples per axis needed so that every slice up to `radius` Fourier pixels has all its eight neighbours."""
        return 2 * (math.ceil(OVERSAMPLING * radius) + 2)

    @classmethod
    def from_volume(cls, volume: Float[Tensor, "z y x"], radius: float) -> FourierGrid:
        """The grid of a real volume, up to `radius` Fourier pixels: pad in real space, transform, cut out the centre.

        The volume is first divided by the transform of trilinear interpolation (sinc^2 per axis), so that slices read
        by interpolation equal those of the volume itself.
        """
        size = volume.shape[-1]
        padded = window_centre(volume / trilinear_gridding(size, volume.device), OVERSAMPLING * size, 3)
        transform = window_centre(fourier_3d(padded), cls.size_for(radius), 3)
        return cls.of_transform(transform, radius)

    @classmethod
    def of_transform(cls, transform: Complex[Tensor, "size size size"], radius: float) -> FourierGrid:
        """The grid of a transform that is already sampled on it, up to `radius` Fourier pixels."""
        return cls(torch.stack([transform.real, transform.imag]), radius)

    def slices(
        self, rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
    ) -> Complex[Tensor, "*batch points"]:
        """Central slices at the points of `plane`; differentiable in the grid and in the rotation."""
        return self.at(slice_coordinates(rotation_volume_to_image, plane))

    def at(self, coordinate: Float[Tensor, "*batch 3"]) -> Complex[Tensor, "*batch"]:
        """Values at coordinates (x, y, z) in Fourier pixels of the box, by trilinear interpolation."""
        real, imaginary = read_trilinear(self.real_imaginary, coordinate)
        return torch.complex(real, imaginary)

    def symmetrised(self, members: Float[Tensor, "members 3 3"]) -> FourierGrid:
        """The mean over the turned copies of a point group's members g: slices at A and at A g then read the same."""
        if len(members) == 1:
            return self
        return FourierGrid(mean_over_members(self.real_imaginary, members, self.radius + 1), self.radius)


def read_trilinear(
    channels: Float[Tensor, "channels size size size"], coordinate: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "channels *batch"]:  # noqa: UP037
    """Read grids by trilinear interpolation at coordinates (x, y, z) in Fourier pixels of the box.

    channels: grids with OVERSAMPLING samples per Fourier pixel, axes (z, y, x), origin at size//2.
    """
    size = channels.shape[-1]
    normalised = (coordinate * OVERSAMPLING + size // 2) * (2 / (size - 1)) - 1
    sampled = torch.nn.functional.grid_sample(
        channels[None], normalised.reshape(1, 1, 1, -1, 3), mode="bilinear", align_corners=True
    )
    return sampled.reshape(-1, *coordinate.shape[:-1])


def mean_over_members(
    channels: Float[Tensor, "channels size size size"], members: Float[Tensor, "members 3 3"], radius: float
) -> Float[Tensor, "channels size size size"]:
    """Mean of grids read at g k over the members g of a point group; zero beyond `radius` Fourier pixels.

    channels: grids with OVERSAMPLING samples per Fourier pixel, as in `read_trilinear`.
    """
    size = channels.shape[-1]
    line = centred_index(size, channels.device).float() / OVERSAMPLING
    axes = torch.meshgrid(line, line, line, indexing="ij")
    z, y, x = (axis.flatten() for axis in axes)
    inside = (x.square() + y.square() + z.square() <= radius**2).nonzero()[:, 0]
    mean = torch.zeros_like(channels).flatten(1)
    for rows in inside.split(POINTS_AT_ONCE):
        point = torch.stack([x[rows], y[rows], z[rows]], dim=-1)
        total = torch.zeros(len(channels), len(rows), device=channels.device)
        for member in members:
            total += read_trilinear(channels, point @ member.mT)
        mean[:, rows] = total / len(members)
    return mean.reshape(channels.shape)


def trilinear_gridding(size: int, device: torch.device | None = None) -> Float[Tensor, "z y x"]:
    """What trilinear reading of the padded transform does to the volume: sinc^2(r / (OVERSAMPLING N)) per axis."""
    line = torch.sinc(centred_index(size, device).float() / (OVERSAMPLING * size)).square()
    return line[:, None, None] * line[:, None] * line
