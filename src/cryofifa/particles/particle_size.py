"""How large the particle is, as far as a run knows: the one owner of its radius, and the masks that follow from it.

A run begins with the user's diameter, or with what a first look at the images tells (`particle_radius.py`). While poses
settle, the decoder's map tightens it, for the search too, and half maps are matched inside what came of it. The final
maps are compared inside the size that the run began with (measured: the same or better), and say how large they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryofifa.particles.observed import ImageMask
from cryofifa.settings.images import ImageSettings

LEAST_EDGE_PIXEL = 3.0  # of masks' soft edges, for Fourier transforms follow; our choice
TIGHTEST_SHARE = 0.8  # of what it was, that a radius can shrink to in one epoch; our choice


@dataclass(frozen=True)
class ParticleSize:
    """The particle's radius and the masks around it.

    Attributes:
        radius_angstrom: holds 99 % of the particle's power.
        is_given: the user said it, so nothing changes it.
        settings: how much larger masks are, and how soft.
    """

    radius_angstrom: float
    is_given: bool
    settings: ImageSettings

    @property
    def mask_radius_angstrom(self) -> float:
        """Radius of masks of images and volumes."""
        return self.settings.mask_margin * self.radius_angstrom

    def image_mask(self, pixel_size_angstrom: float) -> ImageMask:
        """M_R of the paper for images of this pixel size; a volume's soft ball has the same radius and edge."""
        mask = self.training_mask(pixel_size_angstrom)
        return replace(mask, edge_pixel=max(LEAST_EDGE_PIXEL, mask.edge_pixel))

    def training_mask(self, pixel_size_angstrom: float) -> ImageMask:
        """M_R while networks are trained, whose edge may be narrower: measured, better where images are noisy."""
        radius_pixel = self.radius_angstrom / pixel_size_angstrom
        return ImageMask(
            self.settings.mask_margin * radius_pixel,
            self.settings.mask_edge_share * radius_pixel,
            self.settings.mask_follows_shift,
        )

    def tightened(self, seen_angstrom: float) -> ParticleSize:
        """As a map shows it; it never grows, and what the user gave stays."""
        if self.is_given:
            return self
        least = TIGHTEST_SHARE * self.radius_angstrom
        return self.of_radius(min(self.radius_angstrom, max(seen_angstrom, least)))

    def of_radius(self, radius_angstrom: float) -> ParticleSize:
        """The same particle with another radius."""
        return replace(self, radius_angstrom=radius_angstrom)
