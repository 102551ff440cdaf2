"""From a central slice to the Fourier transform of a particle image, and the distance between the two.

predicted = M_F * FT( M_R * FT^-1( CTF * exp(2 pi i k.t) * slice ) )        (the paper's equation, left part)

M_F is a circular mask in Fourier space, M_R a disc around the particle in real space.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.fourier import HalfPlane, fourier_2d, inverse_fourier_2d
from cryofifa.physics.shift import displacement_phase


def form_image(
    central_slice: Complex[Tensor, "n points"],
    ctf: Float[Tensor, "n points"],
    shift_angstrom: Float[Tensor, "n 2"],
    plane: HalfPlane,
) -> Complex[Tensor, "n points"]:
    """CTF * exp(2 pi i k.t) * slice: the projection as the microscope shows it, displaced as the particle is.

    shift_angstrom: t (x, y), which brings the particle to the centre; the particle itself lies at -t.
    plane: the points at which slice, CTF and result are given.
    """
    return central_slice * ctf * displacement_phase(shift_angstrom, plane.frequency_per_angstrom)


def mask_transform(
    values: Complex[Tensor, "n points"], mask: Float[Tensor, "n y x"], plane: HalfPlane
) -> Complex[Tensor, "n points"]:
    """M_F * FT( M_R * image ): multiply images, given by their Fourier values inside M_F, by masks in real space."""
    return plane.gather(fourier_2d(inverse_fourier_2d(plane.fill(values)) * mask))


def squared_distance_over_shifts(
    centred: Complex[Tensor, "n points"],
    model: Complex[Tensor, "n candidates points"],
    shift_phase: Complex[Tensor, "shifts points"],
) -> Float[Tensor, "n candidates shifts"]:
    """Squared distances of images to candidate models over a grid of shifts, less each image's own power.

        sum_k |model|^2 - 2 Re( conj(model) image conj(phase) )

    centred: images brought to the centre by the shift found so far.
    model: CTF * slice of every candidate orientation.
    shift_phase: displacement phases (`displacement_phase`) of further shifts, the same ones for all images.
    """
    n, shifts = centred.shape[0], shift_phase.shape[0]
    moved = centred[:, None] * shift_phase.conj()
    # Re( conj(a) b ) is the dot product of (real, imaginary) pairs: one real batched matrix product
    model_pairs = torch.view_as_real(model).reshape(n, -1, 2 * centred.shape[-1])
    moved_pairs = torch.view_as_real(moved).reshape(n, shifts, -1)
    cross = torch.bmm(model_pairs, moved_pairs.mT)
    return model_pairs.square().sum(-1, keepdim=True) - 2 * cross
