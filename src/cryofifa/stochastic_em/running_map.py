"""The maximisation step: a map of the particles seen last, by back-projection that forgets.

    D <- (1 - n / m) D + data,   W <- (1 - n / m) W + weight        after n more particles, of which m are remembered
    V(k) = D(k) / ( W(k) + 1 / tau^2(k) )

tau^2 is the power that slices of the particle have, known from the images' spectrum before the first step
(`particles/signal_spectrum.py`); with it this is the Wiener filter that RELION calls regularised likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.fourier import HalfPlane

LEAST_SHARE = 1e-5  # of a minibatch's weight, under which an orientation is not worth adding; our choice


@dataclass(frozen=True)
class RunningMap:
    """The sums of one map.

    Attributes:
        sums: data and weights so far.
        slice_power: tau^2 of every shell of the box.
        ball: the soft ball that the particle lies in.
    """

    sums: BackProjector
    slice_power: Float[Tensor, " shells"]
    ball: Float[Tensor, "z y x"]

    @property
    def is_empty(self) -> bool:
        """Whether no particle was added yet."""
        return not bool(self.sums.weight.any())

    def forget(self, share: float) -> None:
        """Let everything that was added count less by this share."""
        for values in (self.sums.data_real, self.sums.data_imaginary, self.sums.weight):
            values.mul_(1 - share)

    def add(
        self,
        data: Complex[Tensor, "orientations points"],
        weight: Float[Tensor, "orientations points"],
        rotation_volume_to_image: Float[Tensor, "orientations 3 3"],
        plane: HalfPlane,
    ) -> None:
        """Add sums over images at their orientations; those without any image to speak of are left out."""
        seen = weight.sum(dim=1) > LEAST_SHARE * weight.sum()
        self.sums.spread(data[seen], weight[seen], rotation_volume_to_image[seen], plane)

    def volume(self) -> Float[Tensor, "z y x"]:
        """The map, in units in which CTF times its slice is an image's transform over its box."""
        return self.sums.volume_with_prior(self.slice_power) * self.ball
