"""The signal's spectrum: what a simulated particle really adds to an image, and nothing where there is none."""

from pathlib import Path

import numpy as np
import pytest

from cryofifa.particles.noise_spectrum import WHITE
from cryofifa.particles.observed import ImageMask
from cryofifa.particles.signal_spectrum import SignalSpectrum, measure_signal
from cryofifa_testkit.known_volumes import blob_projection, random_rotations
from cryofifa_testkit.particle_files import particle_images

SIZE, PIXEL, COUNT = 40, 3.0, 400
MASK = ImageMask(14.0, 2.0, True)


def images_of_blobs() -> np.ndarray:
    rotation = random_rotations(COUNT, seed=2).numpy()
    return np.stack([blob_projection(SIZE, one).numpy() for one in rotation])


def measured(folder: Path, clean: np.ndarray, noise: float = 1.0) -> SignalSpectrum:
    image = clean + np.random.default_rng(1).standard_normal(clean.shape) * noise
    images = particle_images(folder, image.astype(np.float32), [PIXEL] * COUNT)
    return measure_signal(images, np.arange(COUNT), MASK, WHITE)


def test_information_is_the_power_of_the_particle_in_units_of_the_noise(tmp_path: Path):
    """By Parseval: half of the sum over pixels of the clean images' squares, noise being 1 per pixel."""
    clean = images_of_blobs()
    clean -= clean[:, :1, :1]
    clean *= 6 / clean.std()
    wanted = float(0.5 * np.square(clean - clean.mean(axis=(1, 2), keepdims=True)).sum(axis=(1, 2)).mean())
    found = measured(tmp_path, clean)
    assert found.information_to(2 * PIXEL) == pytest.approx(wanted, rel=0.15)
    assert found.information_to(40) < found.information_to(20) < found.information_to(2 * PIXEL)
    resolution = found.resolution_of(0.5 * wanted)
    assert resolution is not None
    assert found.information_to(resolution) == pytest.approx(0.5 * wanted, rel=0.4)
    assert found.resolution_of(10 * wanted) is None


def test_noise_has_next_to_no_information(tmp_path: Path):
    found = measured(tmp_path, np.zeros((COUNT, SIZE, SIZE)))
    points = np.pi / 2 * (SIZE / 2) ** 2
    assert found.information_to(2 * PIXEL) < 0.05 * points


def test_another_field_of_view_has_the_same_power_per_area_of_fourier_space():
    """In half of the field of view Fourier points are twice as far apart, and each holds four times as much."""
    spectrum = SignalSpectrum(120.0, (1.0,) * 21, tuple(float(10 - k / 4) for k in range(21)), (0.0,) * 21)
    half = spectrum.slice_power_in(60.0, 11)
    np.testing.assert_allclose(half.numpy(), [4 * (10 - 2 * k / 4) for k in range(11)], rtol=1e-6)
