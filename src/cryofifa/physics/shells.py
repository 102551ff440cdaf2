"""Rings of images and shells of a volume's transform: one pixel wide (round of the radius), numbered 0 .. N//2."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre


def radial_mean(image: Float[Tensor, "y x"]) -> Float[np.ndarray, " rings"]:
    """Mean over rings, up to the edge of the box: 0 .. N//2 - 1."""
    size = image.shape[-1]
    ring = distance_from_centre(size, 2, image.device).round().long().clamp(max=size // 2).flatten()
    total = torch.zeros(size // 2 + 1, device=image.device).index_add_(0, ring, image.flatten())
    return (total / torch.bincount(ring)).cpu().numpy()[:-1]


LEAST_GAIN = 0.15  # of a Wiener filter; lower, it is so steep that a mask mixes shells, or bands; our choice


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
