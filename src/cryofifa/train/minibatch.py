"""One minibatch as it travels through the loop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.particles.poses import Poses
from cryofifa.physics.fourier import HalfPlane
from cryofifa.system.processes import Processes
from cryofifa.train.random_draws import RandomDraws

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


def random_minibatches(
    particles: Int[Tensor, " n"], size: int, draws: RandomDraws, processes: Processes
) -> list[Int[Tensor, " some"]]:
    """All particles in random order, in minibatches of this size, of each of which every process has a share.

    A last one that is too small for batch statistics, or for every process to have a particle, joins the one before.
    """
    minibatches = list(processes.balanced(draws.order(particles)).split(size))
    if len(minibatches) > 1 and len(minibatches[-1]) < max(2, processes.count):
        minibatches[-2:] = [torch.cat(minibatches[-2:])]
    return minibatches


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
