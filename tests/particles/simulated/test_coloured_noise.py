"""Noise has the power that is asked for at every frequency, a variance of 1, and nothing of it comes back."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.simulated.coloured_noise import ColouredNoise, spectrum_of
from cryofifa.settings.sample import NoiseSettings
from cryofifa_testkit.particle_files import particle_images

SIZE, PIXEL, COUNT = 64, 5.0, 400


def power_of_ice(frequency_per_angstrom: np.ndarray) -> np.ndarray:
    """Six times more at the lowest frequencies."""
    return 1 + 5 / (1 + (frequency_per_angstrom * 25) ** 4)


def ring_power(image: np.ndarray) -> np.ndarray:
    """Mean power of tapered images over rings 0 to N/2 - 1; white noise of sd 1 has 1."""
    line = np.hanning(image.shape[-1] + 1)[:-1]
    taper = np.outer(line, line)
    power = (np.abs(np.fft.fft2(image * taper)) ** 2).mean(axis=0) / (taper**2).sum()
    line = np.fft.fftfreq(image.shape[-1], 1 / image.shape[-1])
    ring = np.rint(np.hypot(line[:, None], line)).astype(int)
    return np.array([power[ring == one].mean() for one in range(image.shape[-1] // 2)])


def made(settings: NoiseSettings, count: int = COUNT) -> np.ndarray:
    return ColouredNoise.of_settings(settings, SIZE, PIXEL, 3).images(range(count))


def test_the_built_in_spectrum_is_that_measured_around_apoferritin():
    """8.4, 6.6, 3.2, 1.1 and 0.85 times a common level at 60, 45, 30, 20 and 10 A."""
    image = made(NoiseSettings("apoferritin"))
    power = ring_power(image)
    rings = SIZE * PIXEL / np.array([60.0, 45.0, 30.0, 20.0, 10.0])
    ratio = np.interp(rings, np.arange(len(power)), power) / [8.4, 6.6, 3.2, 1.1, 0.85]
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.12)
    assert image.var() == pytest.approx(1, abs=0.05)


def test_colour_is_a_power_of_the_spectrum_and_nothing_is_white():
    full, half = (ring_power(made(NoiseSettings("apoferritin", colour))) for colour in (1.0, 0.5))
    np.testing.assert_allclose((half / half[20])[4:28], ((full / full[20]) ** 0.5)[4:28], rtol=0.15)
    white = made(NoiseSettings("apoferritin", 0.0), 3)
    np.testing.assert_array_equal(white, made(NoiseSettings(), 3))
    np.testing.assert_array_equal(white[1], np.random.default_rng([3, 1, 1]).standard_normal((SIZE, SIZE), np.float32))


@pytest.mark.parametrize("kind", ["stack", "star"])
def test_the_spectrum_of_a_users_images_comes_back(tmp_path, kind):
    """Noise of a known spectrum, with a bright disc in every image, which is no noise."""
    line = np.fft.fftfreq(SIZE, PIXEL)
    white = np.random.default_rng(0).standard_normal((COUNT, SIZE, SIZE))
    image = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power_of_ice(np.hypot(line[:, None], line)))).real
    centred = np.arange(SIZE) - SIZE // 2
    image += 3.0 * (np.hypot(centred[:, None], centred) < 12)
    given = particle_images(tmp_path, image, [PIXEL] * COUNT).table
    with mrcfile.open(given.stack_paths[0], "r+") as file:
        file.voxel_size = PIXEL
    path = given.stack_paths[0] if kind == "stack" else given.source_path
    power = ring_power(made(NoiseSettings(str(path))))
    wanted = power_of_ice(np.arange(SIZE // 2) / (SIZE * PIXEL))
    ratio = (power / wanted)[3:30]
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.2)


def test_noise_of_one_side_is_not_that_of_the_other():
    image = made(NoiseSettings("apoferritin"))
    beside = (image[:, :, 0] * image[:, :, 1]).mean()
    across = (image[:, :, 0] * image[:, :, -1]).mean()
    assert beside > 0.3
    assert abs(across) < 0.05


@pytest.mark.parametrize("wrong", ["pink", "none.star", "none.mrcs"])
def test_a_spectrum_that_is_none_is_one_line(wrong, tmp_path):
    with pytest.raises(InputError, match=wrong):
        spectrum_of(str(wrong if wrong == "pink" else Path(tmp_path) / wrong))
