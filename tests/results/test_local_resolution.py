"""Local resolution: each side of a map gets its own, noise gets none, and scales do not count."""

import numpy as np
import pytest
import torch

from cryofifa.physics.fourier import centred_index
from cryofifa.physics.mask import soft_edge, spherical_mask
from cryofifa.physics.shell_correlation import first_crossing_angstrom, fourier_shell_correlation
from cryofifa.physics.shells import scale_shells
from cryofifa.results.fsc import in_mask
from cryofifa.results.local_resolution import band_radii, local_resolution, quartiles_inside
from cryofifa_testkit.known_volumes import density_of_blobs

SIZE = 80
SIDE_PIXEL = 19.0  # from the origin along x: fine structure at -x, coarse at +x
PIXEL_ANGSTROM = 1.5


def noise(seed: int, size: int = SIZE) -> torch.Tensor:
    return torch.randn(size, size, size, generator=torch.Generator().manual_seed(seed))


def side(x_pixel: float, width: float, seed: int) -> torch.Tensor:
    """Many blobs in a ball about a place on the x axis."""
    generator = np.random.default_rng(seed)
    direction = generator.standard_normal((300, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    places = 15 * direction * generator.uniform(0, 1, (300, 1)) ** (1 / 3) + [x_pixel, 0, 0]
    return density_of_blobs(SIZE, places, generator.uniform(0.5, 1.5, 300), width)


def ball(x_pixel: float, radius: float, edge: float) -> torch.Tensor:
    line = centred_index(SIZE).float()
    square = line[:, None, None] ** 2 + line[:, None] ** 2 + (line - x_pixel) ** 2
    return soft_edge(square.sqrt(), radius, edge)


@pytest.fixture(scope="module")
def two_sides() -> tuple[torch.Tensor, torch.Tensor]:
    return side(-SIDE_PIXEL, 1.0, seed=0), side(SIDE_PIXEL, 2.2, seed=1)


@pytest.mark.parametrize("noise_sd", [0.005, 0.02])
def test_each_side_has_the_resolution_that_it_has_alone(two_sides, noise_sd):
    """The oracle is the ordinary FSC of one side's signal and noise, in a soft ball about it."""
    noises = [noise_sd * noise(seed) for seed in (1, 2)]
    halves = [sum(two_sides) + one for one in noises]
    found = local_resolution(*halves, spherical_mask(SIZE, 0.45 * SIZE, 5.0), PIXEL_ANGSTROM)
    medians = []
    for signal, x_pixel in zip(two_sides, (-SIDE_PIXEL, SIDE_PIXEL), strict=True):
        curve = fourier_shell_correlation(*(in_mask(signal + one, ball(x_pixel, 17, 4)) for one in noises))
        alone = first_crossing_angstrom(curve, 0.5, SIZE * PIXEL_ANGSTROM)
        inside = found[ball(x_pixel, 10, 0) > 0]
        medians.append(float(inside.median()))
        assert medians[-1] == pytest.approx(alone, rel=0.08)
        assert float((inside / alone - 1).abs().max()) < 0.25
    assert medians[1] > 1.8 * medians[0]


@pytest.mark.parametrize("size", [48, 49])
def test_pure_noise_has_the_lowest_resolution_everywhere(size):
    found = local_resolution(noise(1, size), noise(2, size), spherical_mask(size, 0.4 * size, 4.0), 2.0)
    torch.testing.assert_close(found, torch.full_like(found, size * 2.0 / band_radii(size)[0]))


@pytest.mark.parametrize("size", [32, 48, 49])
def test_equal_halves_reach_nyquist_inside_the_mask_and_only_there(size):
    half, mask = noise(1, size), spherical_mask(size, 0.3 * size, 4.0)
    found = local_resolution(half, half, mask, 2.0)
    nyquist, lowest = size * 2.0 / (size // 2), size * 2.0 / band_radii(size)[0]
    torch.testing.assert_close(found, torch.where(mask > 0, nyquist, lowest))


@pytest.mark.parametrize("noise_sd", [0.03, 0.3])
def test_shared_signal_up_to_a_shell_ends_there(noise_sd):
    """However little noise there is beyond: bands must not take the signal for their own."""
    shells = torch.arange(SIZE // 2 + 1)
    signal = scale_shells(noise(1), (shells <= 15).float())
    mask = spherical_mask(SIZE, 0.4 * SIZE, 4.0)
    found = local_resolution(*(signal + noise_sd * noise(seed) for seed in (2, 3)), mask, 1.0)
    ratio = found[mask > 0] * 15.5 / SIZE
    assert 0.9 < float(ratio.min()) <= float(ratio.max()) < 1.1


@pytest.mark.parametrize("scale", [1e-9, -1.0, 1e7])
def test_a_scale_of_one_half_changes_nothing_but_a_sign_does(two_sides, scale):
    first, second = (sum(two_sides) + 0.02 * noise(seed) for seed in (1, 2))
    mask = spherical_mask(SIZE, 0.45 * SIZE, 5.0)
    found, scaled = (local_resolution(first, other, mask, PIXEL_ANGSTROM) for other in (second, scale * second))
    if scale < 0:
        assert float(scaled.min()) == pytest.approx(SIZE * PIXEL_ANGSTROM / band_radii(SIZE)[0])
    else:
        torch.testing.assert_close(scaled, found, rtol=1e-3, atol=0)


def test_noise_outside_the_mask_does_not_count(two_sides):
    """Solvent with a hundred times the particle's noise power: windows wider than the particle must not see it."""
    mask = ball(-SIDE_PIXEL, 12, 4)
    halves = [two_sides[0] + 0.005 * noise(seed) for seed in (1, 2)]
    outside = 1 - ball(-SIDE_PIXEL, 17, 2)
    noisy = [half + 0.05 * outside * noise(seed) for half, seed in zip(halves, (3, 4), strict=True)]
    clean, found = (local_resolution(*pair, mask, PIXEL_ANGSTROM) for pair in (halves, noisy))
    core = ball(-SIDE_PIXEL, 8, 0) > 0
    assert float((found[core] / clean[core] - 1).abs().max()) < 0.15


def test_quartiles_are_those_of_the_voxels_inside():
    mask = torch.zeros(4, 4, 4)
    mask[0] = 1
    resolution = torch.full((4, 4, 4), 99.0)
    resolution[0] = torch.arange(16.0).reshape(4, 4)
    assert quartiles_inside(resolution, mask) == tuple(np.percentile(np.arange(16), (25, 50, 75)))
    assert quartiles_inside(resolution, torch.zeros(4, 4, 4)) is None
