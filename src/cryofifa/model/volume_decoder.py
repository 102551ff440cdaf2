"""What every decoder of a volume can do: central slices with gradients, and values on a grid without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_3d

# calls a function on rows of a tensor and returns its values; it may share the work between processes
Spread = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]


class VolumeDecoder(nn.Module, ABC):
    """A volume's Fourier transform, learned from images.

    Coordinates are (x, y, z) in Fourier pixels of the working box; values are those of the centred transform divided by
    the working box's size in pixels.
    """

    @abstractmethod
    def slices(
        self, rotation_volume_to_image: Float[Tensor, "*batch 3 3"], plane: HalfPlane
    ) -> Complex[Tensor, "*batch points"]:
        """Central slices D(C R) at the points of `plane`, with gradients."""

    @abstractmethod
    def on_grid(
        self, size: int, spacing: float, radius: float, spread: Spread | None = None
    ) -> Complex[Tensor, "z y x"]:
        """D on a centred cubic grid of `size` samples a side, zero beyond the radius.

        spacing, radius: in Fourier pixels of the working box.
        spread: shares the computation between processes (`Processes.map_sharded`).
        """

    @abstractmethod
    def sampled(self, radius: float, spread: Spread | None = None) -> FourierGrid:
        """The sampled volume that candidate poses are scored with, up to a radius in Fourier pixels; without gradients.

        spread: as in `on_grid`.
        """

    @abstractmethod
    def start_from(self, other: VolumeDecoder, radius: float) -> None:
        """Become the volume that another decoder of the same kind has learned in another box, up to a radius.

        Both boxes have the same field of view.

        radius: in Fourier pixels.
        """

    def fit_into(self, memory_bytes: int) -> None:
        """Use no more memory than this for a pass with gradients; by default there is nothing to choose."""

    @torch.no_grad()
    def volume(self, box_size: int, radius: float, spacing: float = 1.0) -> Float[Tensor, "z y x"]:
        """The decoder's volume in real space, up to the radius (in Fourier pixels) that it was trained to.

        box_size: voxels a side.
        spacing: of the volume's Fourier pixels, in those of the working box.

        Values are those of the inverse transform of D; `run.decoder_density` turns them into the scale of the run's
        maps.
        """
        return inverse_fourier_3d(self.on_grid(box_size, spacing, radius))
