"""The local Wiener filter: nearer to the truth than the best gain per shell, and unrelated halves stay so."""

import pytest
import torch

from cryofifa.physics.local_wiener import local_wiener, noise_power
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.shells import scale_shells, shell_amplitude
from cryofifa_testkit.known_volumes import blob_volume

SIZE = 48
MASK = spherical_mask(SIZE, 20.0, 4.0)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    """A particle that leaves most of the ball empty."""
    return blob_volume(SIZE, 1.0).roll((6, -4, 5), (0, 1, 2))


def test_it_adds_to_the_best_gain_per_shell(truth):
    """The oracle's: nobody else knows the truth's power and the noise's."""
    level = 3 * float(truth.std())
    signal, noises = (shell_amplitude(one).square() for one in (truth, level * noise(3)))
    gain = signal / (signal + noises)
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


def test_the_noise_of_one_half_is_found_from_the_difference_of_both():
    """Two halves of one signal, each with noise of power 4, under an even share."""
    signal, share = 10 * noise(7), torch.full_like(noise(7), 1 / noise(7).numel())
    assert float(noise_power(signal + 2 * noise(8), signal + 2 * noise(9), share)) == pytest.approx(4, rel=0.05)
