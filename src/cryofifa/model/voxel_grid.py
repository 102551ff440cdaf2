"""A decoder of voxels learned by gradient: cheap, and with no prior but its support (after cryoDRGN 2, RELION).

Slices are read from the voxels' transform, sampled twice finer than the box's own Fourier pixels and cut to the present
radius. This transform is a product of the voxels with three small matrices, one per axis: cheaper than an FFT of the
padded box.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from cryofifa.model.volume_decoder import Spread, VolumeDecoder
from cryofifa.physics.central_slice import OVERSAMPLING, FourierGrid, trilinear_gridding
from cryofifa.physics.fourier import HalfPlane, centred_index
from cryofifa.physics.mask import distance_from_centre, spherical_mask


class VoxelGrid(VolumeDecoder):
    """Density on the working box, zero outside a soft ball.

    The parameters are of order one whatever the box: they are in units of the density whose Fourier values have
    magnitude one at all frequencies of the box.

    support_radius_pixel, edge_width_pixel: of the soft ball.
    """

    support: Tensor
    gridding: Tensor

    def __init__(self, *, box_size: int, support_radius_pixel: float, edge_width_pixel: float) -> None:
        super().__init__()
        support = spherical_mask(box_size, support_radius_pixel, edge_width_pixel)
        unit = 1 / math.sqrt(float(support.sum()))
        self.density = nn.Parameter(torch.zeros(box_size, box_size, box_size))
        self.register_buffer("support", support * unit, persistent=False)
        self.register_buffer("gridding", trilinear_gridding(box_size), persistent=False)

    def slices(
        self, rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
    ) -> Complex[Tensor, "*batch points"]:
        """Central slices at the points of `plane`, read from the sampled transform, with gradients."""
        return self._sampled_volume(plane.largest_radius).slices(rotation_volume_to_image, plane)

    def on_grid(
        self,
        size: int,
        spacing: float,
        radius: float,
        spread: Spread | None = None,  # noqa: ARG002
    ) -> Complex[Tensor, "z y x"]:
        """The voxels' transform on the grid, as in `VolumeDecoder.on_grid`; every process computes all of it."""
        inside = distance_from_centre(size, 3, self.density.device) * spacing <= radius
        return self._transform(self.density * self.support, size, spacing) * inside

    @torch.no_grad()
    def sampled(self, radius: float, spread: Spread | None = None) -> FourierGrid:  # noqa: ARG002
        """The voxels' transform, sampled twice finer than the box's Fourier pixels; without gradients."""
        return self._sampled_volume(radius)

    @torch.no_grad()
    def start_from(self, other: VolumeDecoder, radius: float) -> None:
        """Take over the other decoder's volume up to a radius in Fourier pixels, on this box's voxels."""
        volume = other.volume(self.density.shape[-1], radius)
        self.density.copy_(torch.where(self.support > 0, volume / self.support.clamp_min(1e-9), 0))

    def _sampled_volume(self, radius: float) -> FourierGrid:
        # divided by what interpolation multiplies the volume by, so that slices are those of the voxels
        density = self.density * self.support / self.gridding
        transform = self._transform(density, FourierGrid.size_for(radius), 1 / OVERSAMPLING)
        return FourierGrid.of_transform(transform, radius)

    @staticmethod
    def _transform(density: Float[Tensor, "z y x"], size: int, spacing: float) -> Complex[Tensor, "kz ky kx"]:
        """sum over r of density(r) exp(-2 pi i k r / N) on a centred grid of `size` frequencies `spacing` apart."""
        box = density.shape[-1]
        frequency = centred_index(size, density.device).double() * spacing
        position = centred_index(box, density.device).double() / box
        phase = -2 * math.pi * frequency[:, None] * position
        basis = torch.polar(torch.ones_like(phase), phase).to(torch.complex64)
        # axis by axis; each product moves its axis to the front: z y x -> kx z y -> ky kx z -> kz ky kx
        values = density.to(torch.complex64)
        for _ in range(3):
            values = torch.einsum("kx,zyx->kzy", basis, values)
        return values
