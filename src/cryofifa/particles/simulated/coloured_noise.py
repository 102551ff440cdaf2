"""Noise whose power depends on the spatial frequency, as that around real particles does.

    noise(k) = sqrt( N(k) / mean of N ) * white noise of sd 1              N: the power spectrum

The noise is made in twice the box and cut out of it, for what is made in the box itself is periodic: what leaves it at
one side comes back at the other, which no real image does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.row_list import evenly_spread
from cryofifa.particles.noise_spectrum import MOST_PARTICLES, WHITE, NoiseSpectrum, noise_around
from cryofifa.particles.particle_radius import survey_images
from cryofifa.particles.preprocess import ParticleImages, normalise_background
from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.particles.stack_header import read_stack_header
from cryofifa.physics.fourier import fourier_2d, inverse_fourier_2d, window_centre
from cryofifa.physics.mask import distance_from_centre
from cryofifa.settings.sample import APOFERRITIN, NoiseSettings
from cryofifa.settings.sample import WHITE as WHITE_NAME

# Measured around real apoferritin particles (EMPIAR-10146, 1,909 images of 80 px of 3 A): resolution in angstrom, and
# power over its mean. Between them the logarithm of the power is linear in the frequency.
_APOFERRITIN = ((60.0, 8.4), (45.0, 6.6), (30.0, 3.2), (20.0, 1.1), (10.0, 0.85))
_APOFERRITIN_EXTENT_ANGSTROM, _APOFERRITIN_SHELLS = 1200.0, 121  # a table fine enough, to 10 A
_WIDE = 2  # times the box, in which noise is made
_IMAGES_PER_BLOCK = 64


@dataclass(frozen=True)
class ColouredNoise:
    """Noise images of variance 1 with a power spectrum.

    gain: sqrt(N / mean of N) at every Fourier point of the wide box; None where the noise is white.
    """

    box_size: int
    gain: Float[Tensor, "wide_y wide_x"] | None
    seed: int

    @classmethod
    def of_settings(
        cls, settings: NoiseSettings, box_size: int, pixel_size_angstrom: float, seed: int
    ) -> ColouredNoise:
        """The noise that the settings ask for.

        Raises:
            InputError: if the spectrum's file cannot be read, or holds no noise.
        """
        spectrum = spectrum_of(settings.spectrum)
        if spectrum == WHITE or settings.colour == 0:
            return cls(box_size, None, seed)
        wide = _WIDE * box_size
        frequency = distance_from_centre(wide, 2) / (wide * pixel_size_angstrom)
        power = spectrum.at(frequency) ** settings.colour
        return cls(box_size, (power / power.mean()).sqrt(), seed)

    def images(self, rows: range) -> Float[np.ndarray, "n y x"]:
        """The noise of these rows; each has random numbers of its own."""
        side = self.box_size if self.gain is None else self.gain.shape[-1]
        white = np.stack(
            [generator_of(self.seed, Stream.NOISE, row).standard_normal((side, side), dtype=np.float32) for row in rows]
        )
        if self.gain is None:
            return white
        wide = inverse_fourier_2d(fourier_2d(torch.from_numpy(white)) * self.gain)
        return window_centre(wide, self.box_size, 2).numpy()


def spectrum_of(name: str) -> NoiseSpectrum:
    """A built-in noise spectrum by its name, or that of the background of a file's particles.

    Args:
        name: "white", "apoferritin", or the path of a particle file (.star, .cs) or of an image stack (.mrcs, .mrc),
            whose particles may then reach up to 0.45 of the box from its centre.

    Raises:
        InputError: if it is none of these, or cannot be read.
    """
    if name == WHITE_NAME:
        return WHITE
    if name == APOFERRITIN:
        return _built_in()
    path = Path(name)
    if path.suffix in (".mrcs", ".mrc"):
        return _of_stack(path)
    if path.suffix in (".star", ".cs"):
        return survey_images(ParticleImages.of_table(read_particles(path), inverted=False)).noise
    raise InputError(
        f"noise spectrum '{name}': give {WHITE_NAME}, {APOFERRITIN}, or a file to measure it in: .star, .cs or .mrcs"
    )


def _built_in() -> NoiseSpectrum:
    resolution, power = np.array(_APOFERRITIN).T
    frequency = np.arange(_APOFERRITIN_SHELLS) / _APOFERRITIN_EXTENT_ANGSTROM
    power = np.exp(np.interp(frequency, 1 / resolution, np.log(power)))
    return NoiseSpectrum(_APOFERRITIN_EXTENT_ANGSTROM, tuple(power.tolist()))


def _of_stack(path: Path) -> NoiseSpectrum:
    """The spectrum outside the background ring of a stack's images; the pixel size is that of its header."""
    header = read_stack_header(path)
    with mrcfile.open(path, header_only=True, permissive=True) as file:
        voxel_size = file.voxel_size
        pixel_size = float("nan") if voxel_size is None else float(voxel_size.x)
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(f"{path}: has no pixel size in its header; give its .star or .cs file")
    shape = (header.n_frames, header.box_size, header.box_size)
    stack = np.memmap(path, header.dtype, "r", header.offset_bytes, shape)
    some = evenly_spread(header.n_frames, MOST_PARTICLES)

    def blocks() -> Iterator[Tensor]:
        for first in range(0, len(some), _IMAGES_PER_BLOCK):
            images = stack[some[first : first + _IMAGES_PER_BLOCK]].astype(np.float32)
            yield normalise_background(torch.from_numpy(images))

    spectrum = noise_around(blocks(), header.box_size, pixel_size, float("inf"))
    if not np.isfinite(spectrum.power).all():
        raise InputError(f"{path}: holds NaN, infinity or images without noise; give another stack")
    return spectrum
