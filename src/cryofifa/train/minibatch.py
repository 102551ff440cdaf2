"""One minibatch of particles as the training loop hands it on, and the poses that are found for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.particles.observed import observed
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses
from cryofifa.physics.ctf import CtfParameters
from cryofifa.physics.fourier import HalfPlane
from cryofifa.system.processes import Processes
from cryofifa.train.random_draws import RandomDraws

StepNumber = int | Int[Tensor, ""]  # number of a minibatch in its epoch, from 0


@dataclass(frozen=True)
class Minibatch:
    """The particles of one step with everything that image formation needs.

    Attributes:
        particle: rows of the working set.
        image: images as they are kept, with their noise made white, of standard deviation 1.
        mask: the soft circular mask M_R of each image.
        measured: FT(M_R * X) / box at the points of `plane`. The variance of its noise is the share of the image's
            power that M_R leaves.
        ctf: contrast transfer function over the noise's amplitude, at the same points.
        plane: the Fourier points inside the stage's Fourier mask.
        rotation, shift_angstrom: remembered poses, random at first.
        shift_sd_angstrom: standard deviation of the particles' shifts along an axis, as known so far.
        particle_radius_angstrom: the particle's radius, as known so far.
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


def seen_through(
    plane: HalfPlane,
    noise: NoiseSpectrum,
    image: Float[Tensor, "n y x"],
    ctf_parameters: CtfParameters,
    particle: Int[Tensor, " n"],
    poses: Poses,
    size: ParticleSize,
    shift_sd_angstrom: float,
) -> Minibatch:
    """A minibatch as a Fourier mask lets it through, with its noise made white and its particles masked.

    Args:
        plane: the Fourier points of the mask.
        noise: power spectrum of the images' noise.
        image: the images as they are kept.
        ctf_parameters: their optics.
        particle: rows of the working set.
        poses: remembered poses of these particles.
        size: the particle's size.
        shift_sd_angstrom: standard deviation of the particles' shifts along an axis.
    """
    image, shift = noise.whitened(image, plane.pixel_size_angstrom), poses.shift_angstrom
    seen = observed(image, ctf_parameters, shift, size.training_mask(plane.pixel_size_angstrom), plane)
    return Minibatch(
        particle=particle,
        image=image,
        mask=seen.mask,
        measured=seen.measured,
        ctf=seen.ctf * noise.whitening_gain(plane.frequency_per_angstrom.norm(dim=-1)),
        plane=plane,
        rotation=poses.rotation,
        shift_angstrom=shift,
        shift_sd_angstrom=shift_sd_angstrom,
        particle_radius_angstrom=size.radius_angstrom,
    )


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
    """The poses that explain a minibatch, and what teaches them to the encoder.

    Attributes:
        poses: one per particle, with the origin of each.
        training_loss: the encoder's loss in addition to the decoder's: on the winners (guided mode) and on synthetic
            particles.
    """

    poses: Poses
    training_loss: Float[Tensor, ""]
