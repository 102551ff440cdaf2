"""From a central slice to the Fourier transform of a particle image, and the distance between the two.

predicted = M_F * FT( M_R * FT^-1( CTF * exp(2 pi i k.t) * slice ) )        (the paper's equation, left part)
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
    """CTF * T * slice: the projection as the microscope shows it, displaced as the particle is."""
    return central_slice * ctf * displacement_phase(shift_angstrom, plane.frequency_per_angstrom)


def mask_transform(
    values: Complex[Tensor, "n points"], mask: Float[Tensor, "n y x"], plane: HalfPlane
) -> Complex[Tensor, "n points"]:
    """M_F * FT( M_R * image ) of an image given by its Fourier values inside M_F."""
    return plane.gather(fourier_2d(inverse_fourier_2d(plane.fill(values)) * mask))


def squared_distance_over_shifts(
    centred: Complex[Tensor, "n points"],
    model: Complex[Tensor, "n candidates points"],
    shift_phase: Complex[Tensor, "shifts points"],
) -> Float[Tensor, "n candidates shifts"]:
    """sum_k |model|^2 - 2 Re( conj(model) y conj(phase) ), the squared distance less the image's own power.

    centred: images brought to the centre by the pose's shift so far; shift_phase: displacement phases of further
    shifts, shared by all images; model: CTF * slice of every candidate.
    """
    n, shifts = centred.shape[0], shift_phase.shape[0]
    moved = centred[:, None] * shift_phase.conj()
    # Re( conj(a) b ) is the dot product of (real, imaginary) pairs: one real batched matrix product
    model_pairs = torch.view_as_real(model).reshape(n, -1, 2 * centred.shape[-1])
    moved_pairs = torch.view_as_real(moved).reshape(n, shifts, -1)
    cross = torch.bmm(model_pairs, moved_pairs.mT)
    return model_pairs.square().sum(-1, keepdim=True) - 2 * cross
