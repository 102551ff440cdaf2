"""Null images have a particle image's power in every Fourier point, and nothing of its structure."""

import numpy as np
import torch

from cryofifa.half_map_refinement.null_images import null_images, with_random_phases
from cryofifa.train.random_draws import RandomDraws
from cryofifa_testkit.known_volumes import blob_projection

SIZE = 32
IMAGE = torch.stack([blob_projection(SIZE, np.eye(3)) for _ in range(50)]).float()
DRAWS = RandomDraws(1, "test")


def test_amplitudes_stay_and_the_structure_goes():
    found = with_random_phases(IMAGE, torch.randn(IMAGE.shape, generator=torch.Generator().manual_seed(0)))
    np.testing.assert_allclose(np.abs(np.fft.fft2(found)), np.abs(np.fft.fft2(IMAGE)), atol=1e-3)
    flat = IMAGE - IMAGE.mean(dim=(1, 2), keepdim=True)
    other = found - found.mean(dim=(1, 2), keepdim=True)
    likeness = (flat * other).sum(dim=(1, 2)) / (flat.norm(dim=(1, 2)) * other.norm(dim=(1, 2)))
    assert float(likeness.abs().mean()) < 0.3
    assert float(likeness.mean().abs()) < 0.1


def test_images_are_those_of_the_rows_and_always_the_same():
    asked = []

    def read(rows: np.ndarray) -> torch.Tensor:
        asked.append(rows.tolist())
        return IMAGE[rows]

    rows = np.array([7, 3, 20])
    nulls = null_images(read, rows, DRAWS)
    both = nulls(np.array([2, 0]))
    assert asked == [[20, 7]]
    torch.testing.assert_close(nulls(np.array([0]))[0], both[1])
    assert float((both[0] - both[1]).abs().max()) > 0.01
