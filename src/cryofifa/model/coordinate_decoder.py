"""Decoders that compute the volume's transform D(k) as a function of the coordinate k, whatever that function is.

A real volume has D(-k) = conj D(k). This holds exactly here: coordinates are folded into one half space, and the
imaginary part changes sign with them. The half space is x > 0; on the plane x = 0 it is y > 0, and on the line
x = y = 0 it is z > 0. At the origin the value is real.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cryofifa.model.volume_decoder import Spread, VolumeDecoder
from cryofifa.physics.central_slice import OVERSAMPLING, FourierGrid, slice_coordinates
from cryofifa.physics.fourier import HalfPlane, centred_index

POINTS_AT_ONCE = 1 << 20  # bounds the memory, changes nothing else
FEWEST_POINTS_AT_ONCE = 1 << 12  # fewer save next to no memory and take longer


def fold_to_half_space(
    coordinate: Float[Tensor, "*batch 3"],
) -> tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """Fold coordinates (x, y, z) into the half space whose first non-zero component is positive.

    Returns the folded coordinates, and which of them were turned from k to -k.
    """
    x, y, z = coordinate.unbind(-1)
    turned = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
    return torch.where(turned[..., None], -coordinate, coordinate), turned


class CoordinateDecoder(VolumeDecoder):
    """A decoder that is a function of the coordinate; a subclass says what that function is in one half space.

    points_at_once: coordinates computed together; only bounds the memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points_at_once = POINTS_AT_ONCE

    @abstractmethod
    def values_at(self, folded: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
        """Real and imaginary part of D at coordinates (x, y, z) in Fourier pixels, all in the half space."""

    @property
    @abstractmethod
    def numbers_per_point(self) -> int:
        """How many 32-bit numbers a pass with gradients holds in memory for every coordinate."""

    def fit_into(self, memory_bytes: int) -> None:
        """Compute passes with gradients in parts that need no more than this memory."""
        points = memory_bytes // (4 * self.numbers_per_point)
        self.points_at_once = min(POINTS_AT_ONCE, max(FEWEST_POINTS_AT_ONCE, points))

    def forward(self, coordinate: Float[Tensor, "*batch 3"]) -> Complex[Tensor, "*batch"]:
        """D at coordinates (x, y, z) in Fourier pixels of the working box, with D(-k) = conj D(k)."""
        folded, turned = fold_to_half_space(coordinate)
        real, imaginary = self.values_at(folded.reshape(-1, 3)).reshape(*turned.shape, 2).unbind(-1)
        sign = 1 - 2 * turned.to(imaginary.dtype)
        at_origin = (coordinate == 0).all(-1)
        return torch.complex(real, imaginary * sign * ~at_origin)

    def slices(
        self, rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
    ) -> Complex[Tensor, "*batch points"]:
        """Central slices, exact: D at the coordinates C R, with nothing interpolated.

        If they do not fit into the memory at once they are computed in parts, and every part again in the backward
        pass.
        """
        coordinate = slice_coordinates(rotation_volume_to_image, plane)
        if not torch.is_grad_enabled() or coordinate[..., 0].numel() <= self.points_at_once:
            return self(coordinate)
        parts = coordinate.reshape(-1, 3).split(self.points_at_once)
        values = torch.cat([checkpoint(self, part, use_reentrant=False, preserve_rng_state=False) for part in parts])
        return values.reshape(coordinate.shape[:-1])

    def on_grid(
        self, size: int, spacing: float, radius: float, spread: Spread | None = None
    ) -> Complex[Tensor, "z y x"]:
        """D on a centred cubic grid, as in `VolumeDecoder.on_grid`; one half is computed, the other mirrored."""
        line = centred_index(size, next(self.parameters()).device).float() * spacing
        z, y, x = torch.meshgrid(line, line, line[size // 2 :], indexing="ij")
        coordinate = torch.stack([x, y, z], dim=-1)
        wanted = coordinate.square().sum(-1) <= radius * radius
        half = torch.zeros(wanted.shape, dtype=torch.complex64, device=line.device)
        half[wanted] = (
            self._in_parts(coordinate[wanted]) if spread is None else spread(self._in_parts, coordinate[wanted])
        )
        grid = torch.zeros(size, size, size, dtype=torch.complex64, device=line.device)
        grid[:, :, size // 2 :] = half
        # D(-k) = conj D(k)
        grid[1:, 1:, 1 : size // 2] = half[1:, 1:, 1:].flip((0, 1, 2)).conj()
        return grid

    def start_from(self, other: VolumeDecoder, radius: float) -> None:  # noqa: ARG002
        """Take over the other decoder's parameters: a coordinate has the same value in any box."""
        self.load_state_dict(other.state_dict())

    def _in_parts(self, coordinate: Float[Tensor, "n 3"]) -> Complex[Tensor, " n"]:
        return torch.cat([self(part) for part in coordinate.split(self.points_at_once)])

    @torch.no_grad()
    def sampled(self, radius: float, spread: Spread | None = None) -> FourierGrid:
        """The sampled volume that candidates are scored with: D on a grid of OVERSAMPLING samples per Fourier pixel."""
        # one sample more than the radius, so that every interpolation has its neighbours
        transform = self.on_grid(FourierGrid.size_for(radius), 1 / OVERSAMPLING, radius + 1, spread)
        return FourierGrid.of_transform(transform, radius)
