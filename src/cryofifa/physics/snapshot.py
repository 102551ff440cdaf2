"""Small maps of one moment of a run, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import rescale_volume

SNAPSHOT_PIXEL = 40  # 250 KB each; our choice: enough to tell shapes, and a film of a whole run is some MB


@dataclass(frozen=True)
class Snapshot:
    """A map of at most `SNAPSHOT_PIXEL` voxels across."""

    volume: Float[Tensor, "z y x"]
    pixel_size_angstrom: float

    @classmethod
    def of_map(cls, volume: Float[Tensor, "z y x"], pixel_size_angstrom: float) -> Snapshot:
        """A map, low-passed by Fourier cropping where it is larger than that."""
        size = volume.shape[-1]
        if size <= SNAPSHOT_PIXEL:
            return cls(volume, pixel_size_angstrom)
        return cls(rescale_volume(volume, SNAPSHOT_PIXEL), pixel_size_angstrom * size / SNAPSHOT_PIXEL)
