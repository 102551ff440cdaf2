"""Decoders that are functions of the coordinate: folding, sampling and computing in parts, whatever the function is.

D(-k) = conj D(k) holds exactly: coordinates are folded into one half space and the imaginary part changes sign with
them. On the plane x = 0 the fold goes on with y, and on the line x = y = 0 with z; at the origin the value is real.
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
FEWEST_POINTS_AT_ONCE = 1 << 12  # fewer gain next to no memory and take longer


def fold_to_half_space(
    coordinate: Float[Tensor, "*batch 3"],
) -> tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """Coordinates turned to the half space whose first non-zero component is positive, and which were turned."""
    x, y, z = coordinate.unbind(-1)
    turned = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
    return torch.where(turned[..., None], -coordinate, coordinate), turned


class CoordinateDecoder(VolumeDecoder):
    """Of a folded coordinate, the subclass says real and imaginary part."""

    def __init__(self) -> None:
        super().__init__()
        self.points_at_once = POINTS_AT_ONCE

    @abstractmethod
    def values_at(self, folded: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
        """Real and imaginary part in the half space, at coordinates in Fourier pixels."""

    @property
    @abstractmethod
    def numbers_per_point(self) -> int:
        """What a pass with gradients keeps and needs for every point."""

    def fit_into(self, memory_bytes: int) -> None:
        """Compute with gradients in parts that take no more than this."""
        points = memory_bytes // (4 * self.numbers_per_point)
        self.points_at_once = min(POINTS_AT_ONCE, max(FEWEST_POINTS_AT_ONCE, points))

    def forward(self, coordinate: Float[Tensor, "*batch 3"]) -> Complex[Tensor, "*batch"]:
        """Fourier values at coordinates (x, y, z)."""
        folded, turned = fold_to_half_space(coordinate)
        real, imaginary = self.values_at(folded.reshape(-1, 3)).reshape(*turned.shape, 2).unbind(-1)
        sign = 1 - 2 * turned.to(imaginary.dtype)
        at_origin = (coordinate == 0).all(-1)
        return torch.complex(real, imaginary * sign * ~at_origin)

    def slices(
        self, rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
    ) -> Complex[Tensor, "*batch points"]:
        """Exact central slices: D(C R); in parts, each computed again on the way back, if they do not fit at once."""
        coordinate = slice_coordinates(rotation_volume_to_image, plane)
        if not torch.is_grad_enabled() or coordinate[..., 0].numel() <= self.points_at_once:
            return self(coordinate)
        parts = coordinate.reshape(-1, 3).split(self.points_at_once)
        values = torch.cat([checkpoint(self, part, use_reentrant=False, preserve_rng_state=False) for part in parts])
        return values.reshape(coordinate.shape[:-1])

    def on_grid(
        self, size: int, spacing: float, radius: float, spread: Spread | None = None
    ) -> Complex[Tensor, "z y x"]:
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
        # D(-k) = conj D(k): the other half is the mirror image of this one
        grid[1:, 1:, 1 : size // 2] = half[1:, 1:, 1:].flip((0, 1, 2)).conj()
        return grid

    def start_from(self, other: VolumeDecoder, radius: float) -> None:  # noqa: ARG002
        """The same coordinates have the same values in any box."""
        self.load_state_dict(other.state_dict())

    def _in_parts(self, coordinate: Float[Tensor, "n 3"]) -> Complex[Tensor, " n"]:
        return torch.cat([self(part) for part in coordinate.split(self.points_at_once)])

    @torch.no_grad()
    def sampled(self, radius: float, spread: Spread | None = None) -> FourierGrid:
        """The sampled_volume that candidates are scored with: the function, OVERSAMPLING times finer than the box's."""
        # one sample more than the radius, so that every interpolation has its neighbours
        transform = self.on_grid(FourierGrid.size_for(radius), 1 / OVERSAMPLING, radius + 1, spread)
        return FourierGrid(torch.stack([transform.real, transform.imag]), radius)
