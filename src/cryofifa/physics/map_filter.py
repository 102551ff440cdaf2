"""What stands between a map and the reference that particles are matched to: a filter, or later a prior.

A new one is a class with the methods of `MapFilter`, and a line in `train/map_filter_choice.py`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.local_wiener import local_wiener

Volume = Float[Tensor, "z y x"]


@runtime_checkable
class MapFilter(Protocol):
    """Makes references of maps.

    Attributes:
        shared_resolution_angstrom: down to it, what the filter knows is the same for both halves, so that their
            agreement says nothing there (a prior learned from known structures); None where each half's reference
            is made from that half alone.
    """

    shared_resolution_angstrom: float | None

    def references(
        self, half_1: Volume, half_2: Volume, mask: Volume, pixel_size_angstrom: float
    ) -> tuple[Volume, Volume]:
        """Make the references of both halves, on the maps' grid; mask: soft, 1 in the particle."""
        ...

    def sampled(self, grid: FourierGrid, extent_angstrom: float) -> FourierGrid:
        """Filter a decoder's sampled volume before candidates are scored with it; its radius stays.

        The volume is symmetric already, and must be so afterwards. A Fourier pixel is 1 / extent_angstrom wide, and the
        grid is finer than that by `central_slice.OVERSAMPLING`.
        """
        ...


class NoFilter:
    """The half maps as they are."""

    shared_resolution_angstrom: float | None = None

    def references(
        self,
        half_1: Volume,
        half_2: Volume,
        mask: Volume,  # noqa: ARG002
        pixel_size_angstrom: float,  # noqa: ARG002
    ) -> tuple[Volume, Volume]:
        """Take the half maps as they are for references."""
        return half_1, half_2

    def sampled(self, grid: FourierGrid, extent_angstrom: float) -> FourierGrid:  # noqa: ARG002
        """Take the sampled volume as it is."""
        return grid


class LocalWiener(NoFilter):
    """Each half filtered by place, by its own power over the noise's (physics/local_wiener.py)."""

    def references(
        self,
        half_1: Volume,
        half_2: Volume,
        mask: Volume,
        pixel_size_angstrom: float,  # noqa: ARG002
    ) -> tuple[Volume, Volume]:
        """Filter each half map by the signal and noise around every place."""
        return local_wiener(half_1, half_2, mask)
