"""A molecule in water: the water that it displaces takes most of its contrast away, at low frequency above all.

    F(s)  ->  F(s) [ 1 - c exp(-B s^2 / 4) ]            Babinet's principle (Moews and Kretsinger 1975)

c is the mean density of water over that of the molecule. The displaced water is the molecule again, blurred by B until
no atom can be told from the next.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre
from cryofifa.settings.sample import SolventSettings


def in_water(
    volume: Float[Tensor, "z y x"], pixel_size_angstrom: float, solvent: SolventSettings
) -> Float[Tensor, "z y x"]:
    """The density of a molecule over that of the water around it, in the unit of the density."""
    if solvent.contrast == 0:
        return volume
    size = volume.shape[-1]
    frequency = distance_from_centre(size, 3, volume.device) / (size * pixel_size_angstrom)
    gain = 1 - solvent.contrast * torch.exp(-0.25 * solvent.b_factor * frequency.square())
    return inverse_fourier_3d(fourier_3d(volume) * gain)
