"""The local Wiener filter: nearer to the truth than any gain per shell, and the halves learn nothing of each other."""

import pytest
import torch
from known_volumes import blob_volume

from cryofifa.physics.back_projection import shell_mean
from cryofifa.physics.fourier import fourier_3d
from cryofifa.physics.local_wiener import local_wiener
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa.physics.shells import scale_shells
from cryofifa.results.fsc import fourier_shell_correlation

SIZE = 48
MASK = spherical_mask(SIZE, 20.0, 4.0)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def power_per_shell(volume: torch.Tensor) -> torch.Tensor:
    shell = distance_from_centre(SIZE, 3).round().long().clamp(max=SIZE // 2)
    return shell_mean(fourier_3d(volume).abs().square(), shell, shell >= 0, SIZE // 2 + 1)


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    """A particle that leaves most of the ball empty."""
    return blob_volume(SIZE, 1.0).roll((6, -4, 5), (0, 1, 2))


def test_it_adds_to_the_best_gain_per_shell(truth):
    """The oracle's: nobody else knows the truth's power and the noise's."""
    level = 3 * float(truth.std())
    gain = power_per_shell(truth) / (power_per_shell(truth) + power_per_shell(level * noise(3)))
    halves = [scale_shells(truth + level * noise(seed), gain) for seed in (1, 2)]
    for half, local in zip(halves, local_wiener(*halves, MASK), strict=True):
        before, after = (float((MASK * (one - truth)).square().sum()) for one in (half, local))
        assert after < 0.8 * before


def test_without_noise_nothing_is_changed():
    truth = blob_volume(SIZE, 1.5)  # nothing of it lies in the corners of Fourier space
    for filtered in local_wiener(truth, truth, MASK):
        torch.testing.assert_close(filtered, truth, atol=1e-4 * float(truth.max()), rtol=0)


def test_unrelated_halves_stay_unrelated():
    """A gain made of what the halves agree on by chance fails this: it keeps just that."""
    correlation = [
        fourier_shell_correlation(*(MASK * one for one in local_wiener(noise(seed), noise(seed + 100), MASK)))[4:]
        for seed in range(8)
    ]
    mean = torch.stack(correlation).mean()
    assert abs(float(mean)) < 0.01
