"""The spherical mean goes, all else stays."""

import pytest
import torch

from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.spherical_mean import without_spherical_mean
from cryofifa_testkit.known_volumes import blob_volume

SIZE = 32


def hollow_shell(radius: float = 7.0, width: float = 2.0) -> torch.Tensor:
    return torch.exp(-((distance_from_centre(SIZE, 3) - radius) ** 2) / (2 * width**2))


def test_of_a_hollow_shell_nothing_is_left():
    shell = hollow_shell()
    assert float(without_spherical_mean(shell).square().sum() / shell.square().sum()) < 1e-3


def test_what_has_no_mean_stays():
    x = torch.arange(SIZE).float() - SIZE // 2
    odd = hollow_shell() * x  # as much of it on either side of the centre
    torch.testing.assert_close(without_spherical_mean(odd), odd, atol=2e-3, rtol=0)


def test_taking_it_out_twice_is_taking_it_out_once_and_shells_add_nothing():
    particle = blob_volume(SIZE)
    once = without_spherical_mean(particle)
    torch.testing.assert_close(without_spherical_mean(once), once, atol=1e-5, rtol=0)
    with_shell = without_spherical_mean(particle + hollow_shell())
    assert float((with_shell - once).square().sum() / hollow_shell().square().sum()) < 1e-3


def test_a_common_shell_makes_noise_correlate_and_its_mean_taken_out_does_not():
    generator = torch.Generator().manual_seed(0)
    first, second = (20 * hollow_shell() + torch.randn(SIZE, SIZE, SIZE, generator=generator) for _ in range(2))
    low = slice(2, 6)
    assert float(fourier_shell_correlation(first, second)[low].mean()) > 0.9
    without = fourier_shell_correlation(without_spherical_mean(first), without_spherical_mean(second))
    assert float(without[3:].mean()) == pytest.approx(0, abs=0.05)
