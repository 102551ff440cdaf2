"""One minibatch as it travels through the loop."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.particles.poses import Poses
from cryofifa.physics.fourier import HalfPlane

StepNumber = int | Int[Tensor, ""]  # of a minibatch in its epoch


@dataclass(frozen=True)
class Minibatch:
    """Particles of one step with all that the physics needs of them.

    Attributes:
        particle: rows of the working set.
        image: images as kept, with white noise of sd 1.
        mask: the soft circular mask M_R of each.
        measured: FT(M_R * X) / box at the points of the Fourier mask; the noise has the variance of the share of the
            image that M_R leaves.
        ctf: contrast transfer function over the noise's amplitude at the same points.
        plane: those points.
        rotation, shift_angstrom: remembered poses, random at first.
        shift_sd_angstrom: spread of the particles' shifts along an axis, as known so far.
        particle_radius_angstrom: likewise.
    """

    particle: Int[Tensor, " n"]
    image: Float[Tensor, "n y x"]
    mask: Float[Tensor, "n y x"]
    measured: Complex[Tensor, "n points"]
    ctf: Float[Tensor, "n points"]
    plane: HalfPlane
    rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    shift_sd_angstrom: float
    particle_radius_angstrom: float


@dataclass(frozen=True)
class Inference:
    """What a minibatch is to be explained with.

    Attributes:
        poses: one per particle, with the origin of each.
        training_loss: what the encoder learns besides the decoder's loss: from the winners (guided) and from synthetic
            particles.
    """

    poses: Poses
    training_loss: Float[Tensor, ""]
