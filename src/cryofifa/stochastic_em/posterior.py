"""The expectation step: what the images of a minibatch tell of their poses, given a map.

    p(A, t | y)  ~  exp( - sum_k |y - CTF s_A exp(2 pi i k.t)|^2 ) p(t)      over random orientations A and shifts t

Images have white noise of variance 1 per pixel, so the sum over half of the Fourier points is minus the logarithm of
the likelihood, that of masked images too. No orientation is chosen: the image counts at all of them, each with its
probability, as in RELION and cryoSPARC. Where images say little this keeps noise from being fitted as a pose, by which
a search for the best pose loses even a right map (measured: LOG.md).

As slices s and shifts are the same for all images, everything is three real matrix products per minibatch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.shift import displacement_phase, shift_grid
from cryofifa.train.candidates import clamp_length, shift_penalty
from cryofifa.train.minibatch import Minibatch
from cryofifa.train.orientation_set import SHIFT_STEP_CYCLES


@dataclass(frozen=True)
class Posterior:
    """What one minibatch adds to a map, and the poses that its images most likely have.

    Attributes:
        rotation_volume_to_image: the orientations that were compared.
        data: sum over images of probability times CTF times image, for every orientation.
        weight: sum over images of probability times CTF^2.
        best_rotation: of every image, its likeliest orientation.
        shift_angstrom: of every image, its mean shift.
        explained: of every image, how much nearer the map comes to it than no map, in units of the noise's power.
    """

    rotation_volume_to_image: Float[Tensor, "orientations 3 3"]
    data: Complex[Tensor, "orientations points"]
    weight: Float[Tensor, "orientations points"]
    best_rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    explained: Float[Tensor, " n"]


def posterior_of(
    batch: Minibatch,
    influence: Float[Tensor, " n"],
    grid: FourierGrid,
    rotation_volume_to_image: Float[Tensor, "orientations 3 3"],
    shift_range_angstrom: float,
) -> Posterior:
    """Compare every image with the map in every orientation, at shifts around the remembered one.

    Args:
        batch: the images.
        influence: how much each counts in `data` and `weight`.
        grid: the sampled map.
        rotation_volume_to_image: the orientations.
        shift_range_angstrom: the largest shift that a particle may be given.
    """
    plane, shift = batch.plane, batch.shift_angstrom
    slices = grid.slices(rotation_volume_to_image, plane)
    pairs = torch.view_as_real(slices).flatten(1)
    offset = shift_grid(SHIFT_STEP_CYCLES * plane.extent_angstrom / plane.largest_radius, 1, shift.device)
    phase = displacement_phase(shift[:, None] + offset, plane.frequency_per_angstrom)
    moved = torch.view_as_real((batch.measured * batch.ctf)[:, None] * phase.conj()).flatten(2)
    square = batch.ctf.square()
    # |CTF s|^2 - 2 Re <CTF s, y>: the distance less the image's own power
    distance = -2 * (moved.flatten(0, 1) @ pairs.mT).unflatten(0, moved.shape[:2])
    distance += (square @ slices.abs().square().mT)[:, None]
    penalised = distance + shift_penalty(shift, offset, batch.shift_sd_angstrom)[..., None]
    probability = torch.softmax(-penalised.flatten(1), dim=1).reshape(distance.shape)
    counted = probability * influence[:, None, None]
    data = (counted.flatten(0, 1).mT @ moved.flatten(0, 1)).unflatten(1, (-1, 2))
    best = probability.sum(dim=1).argmax(dim=1)
    return Posterior(
        rotation_volume_to_image=rotation_volume_to_image,
        data=torch.view_as_complex(data.contiguous()),
        weight=counted.sum(dim=1).mT @ square,
        best_rotation=rotation_volume_to_image[best],
        shift_angstrom=clamp_length(shift + probability.sum(dim=2) @ offset, shift_range_angstrom),
        explained=-(probability * distance).sum(dim=(1, 2)),
    )
