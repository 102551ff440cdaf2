"""Images in which there is no particle: real ones whose Fourier phases were drawn at random.

Fitted poses explain noise, too: the best of many poses agrees with any image a little. What a search finds in these
images is the score of "no particle here", with the set's own noise, CTFs and brightness.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import ReadImages
from cryofifa.physics.fourier import fourier_2d, inverse_fourier_2d
from cryofifa.train.random_draws import RandomDraws

LEAST_AMPLITUDE = 1e-12  # so that no Fourier point is divided by zero


def with_random_phases(image: Float[Tensor, "n y x"], noise: Float[Tensor, "n y x"]) -> Float[Tensor, "n y x"]:
    """Images with the amplitudes of `image` and the phases of `noise`, at every Fourier point."""
    phase = fourier_2d(noise)
    phase = phase / phase.abs().clamp_min(LEAST_AMPLITUDE)
    return inverse_fourier_2d(fourier_2d(image).abs() * phase)


def null_images(read_images: ReadImages, rows: np.ndarray, draws: RandomDraws) -> ReadImages:
    """Reads null images of some particles: image i is made from that of row rows[i].

    Args:
        read_images: images of 0-based rows.
        rows: the particles.
        draws: the source of random phases.
    """

    def read(which: np.ndarray) -> Float[Tensor, "n y x"]:
        image = read_images(rows[which])
        particle = torch.from_numpy(rows[which]).to(image.device)
        noise = draws.normal(particle, image[0].numel()).reshape(image.shape)
        return with_random_phases(image, noise.to(image))

    return read
