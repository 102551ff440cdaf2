"""The schedule of one start: how its Fourier mask grows, how long its map remembers, and when it comes to its end.

growing     the mask grows; the map remembers a few hundred particles, so that it can leave a wrong shape again
looking     the mask is at its last radius; the same memory, until poses rest or patience ends
finishing   the memory grows to all particles, which takes the noise of a short memory out of the map
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FINISHING_EPOCHS = 2  # passes in which the memory grows; our choice


@dataclass(frozen=True)
class StartSchedule:
    """The schedule of a start; epochs are passes over the particles of ab initio.

    Attributes:
        first_radius, last_radius: of the Fourier mask, in Fourier pixels of the working box.
        growth_epochs: while the mask grows.
        most_epochs: before a start that does not rest comes to its end all the same.
        memory_particles: how many particles the map remembers until then.
    """

    first_radius: float
    last_radius: float
    growth_epochs: float
    most_epochs: int
    memory_particles: float

    @property
    def usual_epochs(self) -> int:
        """Epochs of a start that rests once its mask has grown."""
        return min(self.most_epochs, math.ceil(self.growth_epochs)) + FINISHING_EPOCHS

    def radius(self, epochs: float, finishing: float | None) -> float:
        """Radius of the Fourier mask.

        Args:
            epochs: since the start began; a part of an epoch counts as such.
            finishing: epochs since it came to its end; None before.
        """
        grown = 1.0 if finishing is not None else min(1.0, epochs / self.growth_epochs)
        return self.first_radius + (self.last_radius - self.first_radius) * grown

    def memory(self, particles: int, finishing: float | None) -> float:
        """How many particles the map remembers, of this many.

        Args:
            particles: how many take part.
            finishing: epochs since the start came to its end; None before.
        """
        short = min(self.memory_particles, particles)
        if finishing is None:
            return short
        return short * (particles / short) ** min(1.0, 2 * finishing / FINISHING_EPOCHS)
