"""The particles that a search works on."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from cryofifa.particles.kept_images import KeptImages
from cryofifa.particles.noise_spectrum import WHITE, NoiseSpectrum
from cryofifa.physics.ctf import CtfParameters


@dataclass(frozen=True)
class WorkingSet:
    """The particles that ab initio works on, at the working box (background sd 1).

    particle: all of them; image, ctf: of this process's own (see `Processes`), in the same order.
    """

    particle: Int[Tensor, " n"]  # row in the table
    image: KeptImages
    ctf: CtfParameters
    pixel_size_angstrom: float
    noise: NoiseSpectrum = WHITE

    def __len__(self) -> int:
        return len(self.particle)
