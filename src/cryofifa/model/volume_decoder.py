"""What any decoder of a volume can do: central slices with gradients, and samples on a grid without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_3d

# a function and what it is computed of -> its values; a computation may be spread over processes
Spread = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]


class VolumeDecoder(nn.Module, ABC):
    """A volume's transform, learned: coordinates in Fourier pixels of the working box, values as FT / working box."""

    @abstractmethod
    def slices(
        self, rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
    ) -> Complex[Tensor, "*batch points"]:
        """Central slices D(C R), with gradients."""

    @abstractmethod
    def on_grid(
        self, size: int, spacing: float, radius: float, spread: Spread | None = None
    ) -> Complex[Tensor, "z y x"]:
        """Values on a centred cubic grid (spacing and radius in Fourier pixels), zero beyond the radius."""

    @abstractmethod
    def sampled(self, radius: float, spread: Spread | None = None) -> FourierGrid:
        """The sampled_volume that candidates are scored with; no gradients."""

    @abstractmethod
    def start_from(self, other: VolumeDecoder, radius: float) -> None:
        """Become the volume that another decoder of the same kind has learned up to a radius, in another box.

        Both boxes' fields of view are the same.
        """

    def fit_into(self, memory_bytes: int) -> None:
        """Take no more than this for a pass with gradients; by default there is nothing to choose."""

    @torch.no_grad()
    def volume(self, box_size: int, radius: float, spacing: float = 1.0) -> Float[Tensor, "z y x"]:
        """What the decoder itself believes, in real space, up to the radius it was trained to.

        spacing: of the volume's Fourier pixels, in those of the working box; values are FT / working box.
        """
        return inverse_fourier_3d(self.on_grid(box_size, spacing, radius))
