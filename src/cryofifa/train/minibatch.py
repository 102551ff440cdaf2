"""One minibatch as it travels through the loop."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.physics.fourier import HalfPlane

StepNumber = int | Int[Tensor, ""]  # of a minibatch in its epoch


@dataclass(frozen=True)
class Minibatch:
    """Particles of one step with all that the physics needs of them.

    measured: FT(M_R * X) / box at the points of the Fourier mask; the noise has the variance of the share of the image
        that M_R leaves.
    """

    particle: Int[Tensor, " n"]
    image: Float[Tensor, "n y x"]
    mask: Float[Tensor, "n y x"]
    measured: Complex[Tensor, "n points"]
    ctf: Float[Tensor, "n points"]
    plane: HalfPlane
    rotation: Float[Tensor, "n 3 3"]  # remembered pose, random at first
    shift_angstrom: Float[Tensor, "n 2"]
    shift_sd_angstrom: float  # spread of the particles' shifts along an axis, as known so far


@dataclass(frozen=True)
class InferredPoses:
    """The poses a minibatch is to be explained with.

    origin: where each winner came from, an index into WINNER_ORIGINS.
    teaching_loss: what the encoder learns besides the decoder's loss, by the winners (guided) and synthetic ones.
    """

    rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    origin: Int[Tensor, " n"]
    teaching_loss: Float[Tensor, ""]
