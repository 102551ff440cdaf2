"""One box and pixel size for all images: what lies at the centre stays there, and noise keeps its sd."""

import math

import numpy as np
import pytest
import torch

from cryofifa.particles.files.read import read_particles
from cryofifa.particles.one_grid import resample_pixel_size
from cryofifa.particles.preprocess import ParticleImages
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, write_stack, write_star
from cryofifa_testkit.pictures import gaussian, noise

SIZE = 48


def test_resampling_samples_the_same_gaussian():
    """Density values stay, distances in angstrom stay: width and place scale with the pixels."""
    for ratio in (0.8, 0.97, 1.0, 1.04, 1.3):
        image = gaussian(SIZE, 3.0, (4.0, -2.0))[None]
        expected = gaussian(SIZE, 3.0 * ratio, (4.0 * ratio, -2.0 * ratio))
        torch.testing.assert_close(resample_pixel_size(image, ratio, SIZE)[0], expected, atol=1e-3, rtol=0)


def test_resampling_brings_nothing_in_from_outside_the_new_field():
    """Smaller new pixels show a smaller field; what lies outside must not come in at the other edge."""
    image = gaussian(SIZE, 1.5, (-22.0, 0.0))[None]  # 22 pixels from the centre; the new field ends at 18.5
    assert float(resample_pixel_size(image, 1.3, SIZE).abs().max()) < 0.1


def test_resampling_up_leaves_the_band_beyond_the_old_nyquist_empty():
    power = torch.fft.fftshift(torch.fft.fft2(resample_pixel_size(noise(1, SIZE), 1.5, SIZE)[0])).abs().square()
    line = (torch.arange(SIZE) - SIZE // 2).abs()
    beyond = line > math.ceil(SIZE / 2 / 1.5)
    assert float(power[beyond].sum() / power.sum()) < 1e-6


def mixed_set(folder, boxes: list[int], pixel_sizes: list[float], counts: list[int]) -> ParticleImages:
    """Gaussian particles 6 A wide at (x, y) = (10, -6) A from the centre, 100 times the noise, one stack per box."""
    names, groups = [], []
    for group, (box, pixel_size, count) in enumerate(zip(boxes, pixel_sizes, counts, strict=True)):
        image = noise(count, box, seed=group) + 100 * gaussian(box, 6 / pixel_size, (10 / pixel_size, -6 / pixel_size))
        write_stack(folder / f"box{group}.mrcs", image.numpy())
        names += [f"{number + 1:06d}@box{group}.mrcs" for number in range(count)]
        groups += [group + 1] * count
    optics = {label: column * len(boxes) for label, column in OPTICS.items()}
    optics |= {
        "rlnOpticsGroup": list(range(1, len(boxes) + 1)),
        "rlnImagePixelSize": pixel_sizes,
        "rlnImageSize": boxes,
    }
    particles = {label: column[:1] * len(names) for label, column in PARTICLES.items()}
    particles |= {"rlnImageName": names, "rlnOpticsGroup": groups}
    return ParticleImages.of_table(read_particles(write_star(folder / "a.star", particles, optics)), inverted=False)


@pytest.mark.parametrize(
    ("boxes", "pixel_sizes", "box", "said"),
    [
        ([64, 60], [3.3, 3.52], 64, "60 px of 3.52 A and 64 px of 3.3 A are cropped and resampled to 64 px of 3.3 A"),
        ([64, 60], [3.3, 3.3], 60, "60 px of 3.3 A and 64 px of 3.3 A are cropped to 60 px"),
        ([65, 65], [2.0, 2.0], 64, "65 px of 2 A are cropped to 64 px"),
        ([51, 70], [3.0, 2.0], 46, "51 px of 3 A and 70 px of 2 A are cropped and resampled to 46 px of 3 A"),
    ],
)
def test_boxes_and_pixel_sizes_become_one(tmp_path, boxes, pixel_sizes, box, said):
    """The true particle is a formula; its place, width and height over the noise do not depend on its stack's grid."""
    with pytest.warns(UserWarning, match=said):
        images = mixed_set(tmp_path, boxes, pixel_sizes, [3, 2])
    assert images.table.box_size == box
    found = images.normalised(np.array([4, 0, 3, 1]))
    pixel_size = pixel_sizes[0]
    particle = gaussian(box, 6 / pixel_size, (10 / pixel_size, -6 / pixel_size))
    for image, own_pixel_size in zip(found, np.array(pixel_sizes)[[1, 0, 1, 0]], strict=True):
        # resampled to larger pixels, noise is averaged: an image over the noise's sd is higher by the ratio
        expected = 100 * particle * pixel_size / own_pixel_size
        assert float((image - expected).abs().max()) < 6.5
        assert float((image - expected).std()) == pytest.approx(1, abs=0.1)


def test_the_smallest_field_of_view_decides_unless_it_is_nearly_the_same(tmp_path):
    with pytest.warns(UserWarning, match="to 40 px"):
        assert mixed_set(tmp_path, [64, 40], [2.0, 2.0], [3, 2]).table.box_size == 40
    assert mixed_set(tmp_path, [64, 64], [2.0, 1.98], [3, 2]).table.box_size == 64
