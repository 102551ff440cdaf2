"""The noise's spectrum is that of the noise, whatever particle lies in it, and whitened noise is white."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryofifa.particles.noise_spectrum import LEAST_POWER, WHITE, NoiseSpectrum, measure_noise
from cryofifa_testkit.particle_files import particle_images

SIZE, PIXEL, COUNT = 64, 1.5, 300
CPU = torch.device("cpu")
FREQUENCY = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)) / PIXEL


def power_of_ice(frequency_per_angstrom: np.ndarray) -> np.ndarray:
    """Ten times more at the lowest frequencies, as around crowded particles; per Fourier point."""
    return 1 + 9 / (1 + (frequency_per_angstrom * 12) ** 4)


def noise(power: np.ndarray, seed: int = 0) -> np.ndarray:
    """Gaussian, with this power at every point of numpy's transform; white noise of sd 1 has 1."""
    white = np.random.default_rng(seed).standard_normal((COUNT, SIZE, SIZE))
    return np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power)).real


def ball(radius_pixel: float, height: float) -> np.ndarray:
    line = np.arange(SIZE) - SIZE // 2
    return height * (np.hypot(line[:, None], line) < radius_pixel)


def measured(folder: Path, image: np.ndarray, radius_pixel: float) -> NoiseSpectrum:
    images = particle_images(folder, image, [PIXEL] * len(image))
    return measure_noise(images, np.arange(len(image)), radius_pixel * PIXEL)


@pytest.mark.parametrize("radius_pixel", [12.0, 30.0])
def test_the_spectrum_is_that_of_the_noise_and_not_of_the_particle(tmp_path, radius_pixel):
    """Also where the particle reaches the background ring and only the corners are left."""
    power = power_of_ice(FREQUENCY)
    found = measured(tmp_path, noise(power) + ball(min(radius_pixel, 25.0), 20.0), radius_pixel)
    shell = np.arange(3, SIZE // 2)
    wanted = power_of_ice(shell / (SIZE * PIXEL))
    ratio = np.array(found.power)[shell] / wanted
    # images are divided by the sd of their background, which the level tells
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.15)


def test_white_noise_is_white(tmp_path):
    found = measured(tmp_path, noise(np.ones_like(FREQUENCY)) + ball(12.0, 3.0), 12.0)
    np.testing.assert_allclose(found.power, 1, atol=0.08)
    assert WHITE.at(torch.tensor([0.0, 0.01, 0.3])).tolist() == [1, 1, 1]


def test_whitened_noise_has_sd_one_at_every_frequency(tmp_path):
    image = noise(power_of_ice(FREQUENCY))
    images = particle_images(tmp_path, image, [PIXEL] * COUNT)
    found = measure_noise(images, np.arange(COUNT), 12.0 * PIXEL)
    white = found.whitened(images.normalised(np.arange(COUNT)), PIXEL).numpy()
    power = (np.abs(np.fft.fft2(white)) ** 2).mean(axis=0) / SIZE**2
    shell = np.rint(FREQUENCY * SIZE * PIXEL).astype(int)
    mean = np.bincount(shell.ravel(), power.ravel()) / np.bincount(shell.ravel())
    np.testing.assert_allclose(mean[3 : SIZE // 2], 1, atol=0.12)


def test_low_passed_images_do_not_count_without_bound(tmp_path):
    found = measured(tmp_path, noise((FREQUENCY < 0.1).astype(float)), 12.0)
    assert min(found.power) == pytest.approx(LEAST_POWER)
    assert bool(torch.isfinite(found.whitening_gain(torch.linspace(0, 1, 50))).all())
