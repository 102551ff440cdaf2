"""The particles that a training works on: their rows, images and optics at one box size."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from cryofifa.particles.kept_images import KeptImages
from cryofifa.particles.noise_spectrum import WHITE, NoiseSpectrum
from cryofifa.physics.ctf import CtfParameters


@dataclass(frozen=True)
class WorkingSet:
    """The particles of one training, at one box size; images have a background of standard deviation 1.

    Attributes:
        particle: rows of all these particles in the run's table.
        image, ctf: images and optics of this process's own particles only (see `Processes`), in the same order.
        pixel_size_angstrom: of the images.
        noise: power spectrum of the images' noise.
    """

    particle: Int[Tensor, " n"]
    image: KeptImages
    ctf: CtfParameters
    pixel_size_angstrom: float
    noise: NoiseSpectrum = WHITE

    def __len__(self) -> int:
        return len(self.particle)
