"""How well a particle agrees with its projection: the measured Fourier ring correlation over the expected one.

Of every ring (n points) of the image y, the projection p (CTF included) and the noise power N per point:

    measured   q = Re <y, p> / (|y| |p|)
    expected   e = |p| / sqrt(|p|^2 + n N)                     of y = p + noise
    score      = sum n e q d / sum n e^2,       d = min(1, (|p|^2 + n N) / |y|^2)

so the score is about 1 for a particle and falls towards 0 for junk, whatever the defocus and the view: rings and views
in which a particle would be weak count little and expect little. (N is taken from whole images, signal included, so
particles of a high signal-to-noise ratio reach 1.3 or so.) Being a correlation, the score does not grow with the
image's power, and d lowers it where a ring has more power than particle and noise can explain (ice, dirt).
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

LEAST_POWER = 1e-12  # keeps an empty ring from dividing by zero


def ring_score(
    measured: Complex[Tensor, "n points"],
    predicted: Complex[Tensor, "n points"],
    noise_power: Float[Tensor, " rings"],
    ring: Int[Tensor, " points"],
) -> Float[Tensor, " n"]:
    """Score of each image against its projection, by the formula above.

    Args:
        measured: transforms y of the images.
        predicted: transforms p of their projections, at the same points.
        noise_power: noise power N per point, in every ring.
        ring: the ring in which each point lies.
    """
    count = torch.bincount(ring, minlength=len(noise_power))
    cross = ring_sums((measured * predicted.conj()).real, ring, len(noise_power))
    signal = ring_sums(predicted.abs().square(), ring, len(noise_power))
    power = ring_sums(measured.abs().square(), ring, len(noise_power)).clamp_min(LEAST_POWER)
    expected_power = (signal + count * noise_power).clamp_min(LEAST_POWER)
    discount = (expected_power / power).clamp_max(1.0)
    found = (count * cross / (power * expected_power).sqrt() * discount).sum(dim=1)
    return found / (count * signal / expected_power).sum(dim=1).clamp_min(LEAST_POWER)


def ring_power(
    measured: Complex[Tensor, "n points"], ring: Int[Tensor, " points"], rings: int
) -> Float[Tensor, "n rings"]:
    """Mean power of each image's points in every ring; 0 in a ring without points."""
    return ring_sums(measured.abs().square(), ring, rings) / torch.bincount(ring, minlength=rings).clamp_min(1)


def ring_noise_power(power: Float[Tensor, "n rings"]) -> Float[Tensor, " rings"]:
    """Median over the images of their power in every ring: mostly noise, and bright junk does not move it."""
    return power.median(dim=0).values


def ring_sums(values: Float[Tensor, "n points"], ring: Int[Tensor, " points"], rings: int) -> Float[Tensor, "n rings"]:
    """Sum of each image's values over the points of every ring."""
    return torch.zeros(len(values), rings, device=values.device).index_add_(1, ring, values)
