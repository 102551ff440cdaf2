"""Down-weighting of images that are far too bright: ice, carbon and aggregates.

Their power at low frequencies is 5 to 50 times a particle's, so in a sum over images they would outweigh all particles
together (measured: beta2AR-Gs with 10 % ice-like images, 130 degrees off without this and 1.8 with it). Like Huber's
weights for outliers, these are 1 for ordinary images, and fall for images with more than twice the median power.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

BRIGHT = 2.0  # times the median power; by defocus and view, particles of one set differ by less; our choice
LEAST = 1e-12  # avoids a division by zero for an empty image


def bounded_influence(power: Float[Tensor, " n"], median: Float[Tensor, ""] | None = None) -> Float[Tensor, " n"]:
    """The weights of images in a sum over images: min(1, 2 median / power)^2.

    What an image contributes, weight times power, is bounded, and falls again beyond twice the median (a "redescending"
    estimator).

    power: of every image, or another measure of its brightness.
    median: power of the set's median image, where these images are only a part of the set; by default their own median.
    """
    usual = power.median() if median is None else median
    return (BRIGHT * usual / power.clamp_min(LEAST)).clamp_max(1.0).square()
