"""B-factor sharpening and FSC weighting of a map (Rosenthal & Henderson 2003).

    F_sharp(s) = F(s) C_ref(s) exp(-B s^2 / 4) low_pass(s),      C_ref = sqrt(2 FSC / (1 + FSC))

s is the spatial frequency in cycles per angstrom. B is negative where it sharpens. In a Guinier plot (ln F against s^2)
an amplitude that decays as exp(-D s^2 / 4) is a straight line, which B = -D makes flat. Only beyond 10 A is a protein's
own amplitude flat (Wilson).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre, soft_edge
from cryofifa.physics.shells import scale_shells

GUINIER_COARSEST_ANGSTROM = 10.0  # Rosenthal & Henderson: at coarser resolution the shape and the solvent dominate
# A fit that ends at a coarser resolution than this takes the fall of a protein's own amplitudes for decay: gpcr's true
# map gives B = -257 when fitted to 6.8 A.
GUINIER_TRUSTED_ANGSTROM = 5.0
LEAST_GUINIER_SHELLS = 4  # fewer points do not define a line; our choice
LOW_PASS_EDGE = 2.0  # Fourier pixels over which the low-pass falls to 0, beyond the resolution; RELION's width


def fsc_weight(fsc: Float[Tensor, " shells"]) -> Float[Tensor, " shells"]:
    """C_ref per shell: the expected correlation with the true map of the map of all particles.

    Args:
        fsc: FSC of its two half maps.
    """
    positive = fsc.clamp(0.0, 1.0)
    return (2 * positive / (1 + positive)).sqrt()


def guinier_b_factor(
    amplitude: Float[Tensor, " shells"], box_angstrom: float, resolution_angstrom: float
) -> float | None:
    """B in square angstrom that flattens the amplitudes between 10 A and the resolution; None if shells are too few.

    Args:
        amplitude: mean amplitude in shells 0, 1, ...
        box_angstrom: width of the box that the shells belong to.
        resolution_angstrom: where the fit ends.
    """
    frequency = np.arange(len(amplitude)) / box_angstrom
    fitted = (frequency >= 1 / GUINIER_COARSEST_ANGSTROM) & (frequency <= 1 / resolution_angstrom)
    fitted &= amplitude.cpu().numpy() > 0
    fitted[-1] = False  # the shell at Nyquist is filled in part only, and its FSC falls (measured on gpcr)
    if fitted.sum() < LEAST_GUINIER_SHELLS:
        return None
    log_amplitude = np.log(amplitude.cpu().double().numpy()[fitted])
    slope, _ = np.polyfit(frequency[fitted] ** 2, log_amplitude, 1)
    return 4 * float(slope)


def sharpen_volume(
    volume: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    b_factor_square_angstrom: float,
    resolution_angstrom: float,
    weight: Float[Tensor, " shells"] | None = None,
) -> Float[Tensor, "z y x"]:
    """The volume weighted per shell, times exp(-B s^2 / 4), with a soft low-pass that begins at the resolution.

    Args:
        volume: the map, without any filter.
        pixel_size_angstrom: of the map.
        b_factor_square_angstrom: B, negative where it sharpens.
        resolution_angstrom: where the low-pass begins.
        weight: weight of every shell, such as `fsc_weight`; None leaves the shells as they are.
    """
    if weight is not None:
        volume = scale_shells(volume, weight)
    box_angstrom = volume.shape[-1] * pixel_size_angstrom
    radius = distance_from_centre(volume.shape[-1], 3, volume.device)
    low_pass = soft_edge(radius, box_angstrom / resolution_angstrom + LOW_PASS_EDGE / 2, LOW_PASS_EDGE)
    exponent = -b_factor_square_angstrom / 4 * (radius / box_angstrom).square()
    # a strong B would overflow even where the low-pass is 0
    gain = torch.exp(torch.where(low_pass > 0, exponent, 0.0)) * low_pass
    return inverse_fourier_3d(fourier_3d(volume) * gain)
