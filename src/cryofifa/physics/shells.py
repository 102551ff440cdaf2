"""Rings of images and shells of volumes: one sample wide (radius rounded), numbered 0 .. N//2; corners lie beyond."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre

LEAST_GAIN = 0.15  # floor of a Wiener filter: a steeper one lets a mask mix neighbouring shells or bands; our choice


def shell_numbers(size: int, dimensions: int, device: torch.device | None = None) -> Int[Tensor, "*axes"]:
    """Number of the ring or shell that every sample of a centred array lies in; more than N//2 in the corners."""
    return distance_from_centre(size, dimensions, device).round().long()


def shell_sums(values: Float[Tensor, "*axes"], shell: Int[Tensor, "*axes"], shells: int) -> Float[Tensor, " shells"]:
    """Sums over the samples of shells 0 .. shells - 1, in 64-bit numbers because a shell has many samples."""
    total = torch.zeros(shells + 1, dtype=torch.float64, device=values.device)
    return total.index_add_(0, shell.clamp(max=shells).flatten(), values.flatten().double())[:-1]


def shell_counts(shell: Int[Tensor, "*axes"], shells: int) -> Int[Tensor, " shells"]:
    """Number of samples in each of shells 0 .. shells - 1."""
    return torch.bincount(shell.clamp(max=shells).flatten(), minlength=shells + 1)[:-1]


def shell_means(values: Float[Tensor, "*axes"], shell: Int[Tensor, "*axes"], shells: int) -> Float[Tensor, " shells"]:
    """Means over the samples of shells 0 .. shells - 1; 0 where a shell has no sample."""
    return (shell_sums(values, shell, shells) / shell_counts(shell, shells).clamp_min(1)).float()


def radial_mean(image: Float[Tensor, "y x"]) -> Float[np.ndarray, " rings"]:
    """Mean of an image over rings 0 .. N//2 - 1, that is up to the edge of the box."""
    size = image.shape[-1]
    return shell_means(image, shell_numbers(size, 2, image.device), size // 2).cpu().numpy()


def scale_shells(volume: Float[Tensor, "z y x"], gain: Float[Tensor, " shells"]) -> Float[Tensor, "z y x"]:
    """Multiply every Fourier shell of the volume by its gain; the corners take the gain of the last shell."""
    shell = shell_numbers(volume.shape[-1], 3, volume.device).clamp(max=len(gain) - 1)
    return inverse_fourier_3d(fourier_3d(volume) * gain.to(volume)[shell])


def shell_amplitude(volume: Float[Tensor, "z y x"]) -> Float[Tensor, " shells"]:
    """Root mean square of |F| over each shell 0 .. N//2: squares, because signal and noise add up in power."""
    size = volume.shape[-1]
    power = fourier_3d(volume.double()).abs().square()
    return shell_means(power, shell_numbers(size, 3, volume.device), size // 2 + 1).sqrt()
