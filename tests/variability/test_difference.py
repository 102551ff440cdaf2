"""Differences of maps are significant where there is one, and nowhere else."""

import torch

from cryofifa.half_map_refinement.half_maps import HalfMaps
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa.variability.difference import difference
from cryofifa_testkit.known_volumes import CENTRES, WEIGHTS, density_of_blobs

SIZE = 32
MASK = spherical_mask(SIZE, 13.0, 3.0)


def halves_of(volume: torch.Tensor, noise_sd: float, seed: int) -> HalfMaps:
    """Halves in noise of their own, which agree everywhere as far as the filter knows."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (volume + noise_sd * torch.randn(volume.shape, generator=generator) for _ in range(2))
    both = (first + second) / 2
    return HalfMaps(first, second, (first, second), torch.ones(SIZE // 2 + 1), both)


def test_the_missing_blob_is_the_difference():
    whole = density_of_blobs(SIZE, CENTRES, WEIGHTS, 1.5)
    without = density_of_blobs(SIZE, CENTRES[1:], WEIGHTS[1:], 1.5)
    found = difference(halves_of(whole, 0.004, 0), halves_of(without, 0.004, 1), MASK)
    significant = (found.deviations.abs() > found.threshold) & found.inside
    assert found.gained > 10
    assert found.lost == 0
    line = torch.arange(SIZE) - SIZE // 2
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    x0, y0, z0 = CENTRES[0]
    assert float(((x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2)[significant].max()) ** 0.5 < 5
    turned = difference(halves_of(without, 0.004, 1), halves_of(whole, 0.004, 0), MASK)
    assert (turned.gained, turned.lost) == (0, found.gained)


def test_noise_alone_is_no_difference():
    whole = density_of_blobs(SIZE, CENTRES, WEIGHTS, 1.5)
    pairs = [difference(halves_of(whole, 0.05, 2 * n), halves_of(whole, 0.05, 2 * n + 1), MASK) for n in range(10)]
    assert sum(one.gained + one.lost for one in pairs) == 0
    # the deviations are in the unit that they claim
    inside = distance_from_centre(SIZE, 3) < 10
    assert 0.95 < float(torch.cat([one.deviations[inside] for one in pairs]).std()) < 1.05
