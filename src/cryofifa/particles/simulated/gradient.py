"""Ramps of the background: ice that grows thicker across the box, or light that does not fall evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.settings.sample import GradientSettings


@dataclass(frozen=True)
class Gradients:
    """The ramp of every image.

    height: along x and y, at the middle of an edge of the box, in standard deviations of the noise.
    """

    height: Float[np.ndarray, "n 2"]
    box_size: int

    @classmethod
    def drawn(cls, n: int, box_size: int, settings: GradientSettings, seed: int) -> Gradients:
        """Draw a ramp for each of n images."""
        return cls(settings.sd * generator_of(seed, Stream.GRADIENT).standard_normal((n, 2)), box_size)

    def images(self, rows: range) -> Float[np.ndarray, "n y x"]:
        """The ramps of these rows: 0 at the centre of the box, and their heights at its edges."""
        half = self.box_size // 2
        line = (np.arange(self.box_size) - half) / half
        x, y = self.height[rows.start : rows.stop].T[..., None, None]
        return (x * line + y * line[:, None]).astype(np.float32)
