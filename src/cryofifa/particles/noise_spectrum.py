"""The power spectrum of the noise, measured around the particles, and images in which the noise is white.

Least squares assumes white noise, which that of real images is not: around apoferritin in crowded ice (EMPIAR-10146)
its power is 10 times that of white noise at 60 A, 3 at 30 A and 0.8 at 8 A, so that unweighted distances depend on the
lowest frequencies only. With N(k) the noise's power per Fourier point,

    y / sqrt(N)  =  CTF / sqrt(N) . slice + white noise of sd 1

This is RELION's sigma2_noise, but known from the start and from the background alone: the power of whole images would
hold the signal too, and give too little weight to the frequencies where it is strong.
"""

from __future__ import annotations

from collections.abc import Iterable
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

MOST_PARTICLES = 1000  # enough, for each has thousands of background pixels; our choice
MARGIN = 1.1  # times the particle's radius; pixels farther out are background; our choice
LOWEST_SHELL = 2  # shells below have less than the noise's power, for the background's mean was taken out
# share of white noise's power: images that were low-passed have next to no noise at high frequency, which must not be
# raised without bound; our choice
LEAST_POWER = 0.05


@dataclass(frozen=True)
class NoiseSpectrum:
    """Noise power per Fourier point, relative to white noise of sd 1, at frequencies 0, 1, 2, ... cycles per extent.

    extent_angstrom: the field of view; power[n] is that at n / extent_angstrom cycles per angstrom.
    """

    extent_angstrom: float
    power: tuple[float, ...]

    def at(self, frequency_per_angstrom: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
        """N at these spatial frequencies, in cycles per angstrom: linear between shells, constant beyond the last."""
        power = _as_tensor(self.power, frequency_per_angstrom.dtype, frequency_per_angstrom.device)
        position = (frequency_per_angstrom * self.extent_angstrom).clamp(0, len(self.power) - 1)
        lower = position.floor().long()
        upper = (lower + 1).clamp_max(len(self.power) - 1)
        return torch.lerp(power[lower], power[upper], position - lower)

    def whitening_gain(self, frequency_per_angstrom: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
        """1 / sqrt(N) at these spatial frequencies, in cycles per angstrom: the factor that makes noise white."""
        return self.at(frequency_per_angstrom).rsqrt()

    def whitened(self, image: Float[Tensor, "n y x"], pixel_size_angstrom: float) -> Float[Tensor, "n y x"]:
        """The images filtered so that their noise is white, with sd 1."""
        if self == WHITE:
            return image
        size = image.shape[-1]
        frequency = distance_from_centre(size, 2, image.device) / (size * pixel_size_angstrom)
        return inverse_fourier_2d(fourier_2d(image) * self.whitening_gain(frequency))


@lru_cache(maxsize=8)
def _as_tensor(power: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Float[Tensor, " shells"]:
    """Made once per device: copying it to a GPU would wait for the work queued there."""
    return torch.tensor(power, dtype=dtype, device=device)


WHITE = NoiseSpectrum(1.0, (1.0,))


def measure_noise(images: ParticleImages, rows: np.ndarray, particle_radius_angstrom: float) -> NoiseSpectrum:
    """The noise spectrum of these rows' images (of at most 1,000 of them), with the particle cut out of each."""
    some = rows[evenly_spread(len(rows), MOST_PARTICLES)]
    blocks = (images.normalised(block) for block in images.blocks(some))
    return noise_around(blocks, images.table.box_size, images.pixel_size_angstrom, particle_radius_angstrom)


def noise_around(
    blocks: Iterable[Float[Tensor, "n y x"]], box_size: int, pixel_size_angstrom: float, particle_radius_angstrom: float
) -> NoiseSpectrum:
    """The noise spectrum of images that are normalised already and come in blocks, with the particle cut out of each.

    A particle that reaches the background ring is cut out only as far as that ring.
    """
    radius = min(MARGIN * particle_radius_angstrom / pixel_size_angstrom, BACKGROUND_RING_SHARE * box_size)
    background = 1 - soft_edge(distance_from_centre(box_size, 2), radius, 0.1 * radius)
    total, count = torch.zeros(box_size, box_size), 0
    for image in blocks:
        total = total.to(image.device) + fourier_2d(image * background.to(image.device)).abs().square().sum(dim=0)
        count += len(image)
    power = radial_mean(total) / (count * float(background.square().sum()))
    power[:LOWEST_SHELL] = power[LOWEST_SHELL]
    return NoiseSpectrum(box_size * pixel_size_angstrom, tuple(power.clip(LEAST_POWER).tolist()))
