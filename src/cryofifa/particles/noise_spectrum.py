"""The noise's power spectrum, from what lies around the particles, and images in which the noise is white.

Least squares wants white noise, and that of real images is not: around apoferritin in crowded ice (EMPIAR-10146) its
power is 10 times that of white noise at 60 A, 3 at 30 A and 0.8 at 8 A, so that unweighted distances hear the lowest
frequencies only. With N(k) the noise's power per Fourier point,

    y / sqrt(N)  =  CTF / sqrt(N) . slice + white noise of sd 1

(RELION's sigma2_noise, here from the start and from the background alone: the power of whole images would hold the
signal too, and give the frequencies where it is strong too little weight.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.files.row_list import evenly_spread
from cryofifa.particles.preprocess import BACKGROUND_RING_SHARE, ParticleImages
from cryofifa.physics.fourier import fourier_2d, inverse_fourier_2d
from cryofifa.physics.mask import distance_from_centre, soft_edge
from cryofifa.physics.shells import radial_mean

MOST_PARTICLES = 1000  # each has thousands of background pixels; our choice
MARGIN = 1.1  # of the particle's radius, within which a pixel is not background; our choice
LOWEST_SHELL = 2  # the background's mean was taken out, so the shells below have less than the noise's power
# of white noise: images that were low-passed have next to none beyond, and it must not count without bound; our choice
LEAST_POWER = 0.05


@dataclass(frozen=True)
class NoiseSpectrum:
    """Noise power per Fourier point, which is 1 for white noise of sd 1, at 0, 1, ... cycles over the extent."""

    extent_angstrom: float
    power: tuple[float, ...]

    def at(self, frequency_per_angstrom: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
        """N at spatial frequencies' lengths, linear between shells, constant beyond the last."""
        power = _as_tensor(self.power, frequency_per_angstrom.dtype, frequency_per_angstrom.device)
        position = (frequency_per_angstrom * self.extent_angstrom).clamp(0, len(self.power) - 1)
        lower = position.floor().long()
        upper = (lower + 1).clamp_max(len(self.power) - 1)
        return torch.lerp(power[lower], power[upper], position - lower)

    def whitening_gain(self, frequency_per_angstrom: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
        """1 / sqrt(N)."""
        return self.at(frequency_per_angstrom).rsqrt()

    def whitened(self, image: Float[Tensor, "n y x"], pixel_size_angstrom: float) -> Float[Tensor, "n y x"]:
        """The images with noise of sd 1 and no colour."""
        if self == WHITE:
            return image
        size = image.shape[-1]
        frequency = distance_from_centre(size, 2, image.device) / (size * pixel_size_angstrom)
        return inverse_fourier_2d(fourier_2d(image) * self.whitening_gain(frequency))


@lru_cache(maxsize=8)
def _as_tensor(power: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Float[Tensor, " shells"]:
    """Once, for a GPU waits for what it is sent."""
    return torch.tensor(power, dtype=dtype, device=device)


WHITE = NoiseSpectrum(1.0, (1.0,))


def measure_noise(images: ParticleImages, rows: np.ndarray, particle_radius_angstrom: float) -> NoiseSpectrum:
    """Power per shell of the images with the particle cut out, of at most 1,000 of these rows.

    A particle that reaches the background ring is cut out as far as that ring.
    """
    some = rows[evenly_spread(len(rows), MOST_PARTICLES)]
    size, pixel_size, device = images.table.box_size, images.pixel_size_angstrom, images.device
    distance = distance_from_centre(size, 2, device)
    radius = min(MARGIN * particle_radius_angstrom / pixel_size, BACKGROUND_RING_SHARE * size)
    background = 1 - soft_edge(distance, radius, 0.1 * radius)
    total = torch.zeros(size, size, device=device)
    for block in images.blocks(some):
        total += fourier_2d(images.normalised(block) * background).abs().square().sum(dim=0)
    power = radial_mean(total) / (len(some) * float(background.square().sum()))
    power[:LOWEST_SHELL] = power[LOWEST_SHELL]
    return NoiseSpectrum(size * pixel_size, tuple(power.clip(LEAST_POWER).tolist()))
