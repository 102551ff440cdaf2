"""How much an image may count: ice, carbon and aggregates have 5 to 50 times a particle's power at low frequencies.

Their sum would outvote all particles together (measured: beta2AR-Gs with 10 % ice-like images, 130 degrees off without
this and 1.8 with it). Whatever is summed over images weighs one of twice the median's power less, and the less the
brighter it is.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

BRIGHT = 2.0  # times the median; particles of one set differ less, by defocus and view; our choice
LEAST = 1e-12  # keeps an empty image from dividing by zero


def bounded_influence(power: Float[Tensor, " n"], median: Float[Tensor, ""] | None = None) -> Float[Tensor, " n"]:
    """Weights min(1, 2 median / power)^2 of images.

    A redescending influence: weight times power falls again beyond twice the median.

    median: of the whole set, where these are a part of it; by default their own.
    """
    usual = power.median() if median is None else median
    return (BRIGHT * usual / power.clamp_min(LEAST)).clamp_max(1.0).square()
