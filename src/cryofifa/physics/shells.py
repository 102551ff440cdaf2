"""Spherical shells of a volume's transform: one Fourier pixel wide (round |k|), numbered 0 .. N//2."""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre


def scale_shells(volume: Float[Tensor, "z y x"], gain: Float[Tensor, " shells"]) -> Float[Tensor, "z y x"]:
    """The volume with every shell times its gain; the corners beyond the last shell take its gain."""
    shell = distance_from_centre(volume.shape[-1], 3, volume.device).round().long().clamp(max=len(gain) - 1)
    return inverse_fourier_3d(fourier_3d(volume) * gain.to(volume)[shell])


def shell_amplitude(volume: Float[Tensor, "z y x"]) -> Float[Tensor, " shells"]:
    """Root mean square of |F| over each shell: squares, so that noise and signal add up."""
    shells = volume.shape[-1] // 2 + 1
    shell = distance_from_centre(volume.shape[-1], 3, volume.device).round().long()
    inside = shell < shells
    index, power = shell[inside], fourier_3d(volume.double())[inside].abs().square()
    total = torch.zeros(shells, dtype=torch.float64, device=volume.device).index_add_(0, index, power)
    return (total / torch.bincount(index, minlength=shells)).sqrt().float()
