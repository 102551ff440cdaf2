"""Rings of images and shells of volumes: one pixel wide (round of the radius), 0 .. N//2, and the corners beyond."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre

LEAST_GAIN = 0.15  # of a Wiener filter; lower, it is so steep that a mask mixes shells, or bands; our choice


def shell_numbers(size: int, dimensions: int, device: torch.device | None = None) -> Int[Tensor, "*axes"]:
    """The ring or shell of every sample; in the corners more than N//2."""
    return distance_from_centre(size, dimensions, device).round().long()


def shell_sums(values: Float[Tensor, "*axes"], shell: Int[Tensor, "*axes"], shells: int) -> Float[Tensor, " shells"]:
    """Sums over the first `shells` of them, in 64 bits: a shell has many samples."""
    total = torch.zeros(shells + 1, dtype=torch.float64, device=values.device)
    return total.index_add_(0, shell.clamp(max=shells).flatten(), values.flatten().double())[:-1]


def shell_counts(shell: Int[Tensor, "*axes"], shells: int) -> Int[Tensor, " shells"]:
    """Samples of each."""
    return torch.bincount(shell.clamp(max=shells).flatten(), minlength=shells + 1)[:-1]


def shell_means(values: Float[Tensor, "*axes"], shell: Int[Tensor, "*axes"], shells: int) -> Float[Tensor, " shells"]:
    """Means over the first `shells` of them; 0 where there is no sample."""
    return (shell_sums(values, shell, shells) / shell_counts(shell, shells).clamp_min(1)).float()


def radial_mean(image: Float[Tensor, "y x"]) -> Float[np.ndarray, " rings"]:
    """Mean over rings, up to the edge of the box: 0 .. N//2 - 1."""
    size = image.shape[-1]
    return shell_means(image, shell_numbers(size, 2, image.device), size // 2).cpu().numpy()


def scale_shells(volume: Float[Tensor, "z y x"], gain: Float[Tensor, " shells"]) -> Float[Tensor, "z y x"]:
    """The volume with every shell times its gain; the corners beyond the last shell take its gain."""
    shell = shell_numbers(volume.shape[-1], 3, volume.device).clamp(max=len(gain) - 1)
    return inverse_fourier_3d(fourier_3d(volume) * gain.to(volume)[shell])


def shell_amplitude(volume: Float[Tensor, "z y x"]) -> Float[Tensor, " shells"]:
    """Root mean square of |F| over each shell: squares, so that noise and signal add up."""
    size = volume.shape[-1]
    power = fourier_3d(volume.double()).abs().square()
    return shell_means(power, shell_numbers(size, 3, volume.device), size // 2 + 1).sqrt()
