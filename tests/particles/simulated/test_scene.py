"""Copies of a particle lie where they are put, also half outside the box, and add up."""

import numpy as np
import pytest

from cryofifa.particles.simulated.scene import Scene
from cryofifa.physics.fourier import inverse_fourier_2d
from cryofifa_testkit.small_scenes import BOX, PIXEL_ANGSTROM, small_drawn, small_scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return small_scene(small_drawn(3, shift_sd_pixel=1.0))


def test_a_copy_in_the_particles_own_pose_is_the_particle(scene):
    particle = inverse_fourier_2d(scene.plane.fill(scene.particles(range(1, 2))))[0].numpy()
    pose = slice(1, 2)
    rotation, place = scene.drawn.rotation_volume_to_image[pose], -scene.drawn.shift_angstrom[pose]
    copy = scene.copies(1, rotation, place, np.random.default_rng(0)).numpy()
    assert np.corrcoef(particle.ravel(), copy.ravel())[0, 1] > 0.99
    assert copy.std() == pytest.approx(particle.std(), rel=0.03)


def test_copies_add_up_and_what_leaves_the_box_does_not_come_back(scene):
    rotation = scene.drawn.rotation_volume_to_image[:2]
    place = np.array([[0.4, 0.0], [0.0, 0.2]]) * BOX * PIXEL_ANGSTROM
    generator = np.random.default_rng(0)
    both = scene.copies(0, rotation, place, generator).numpy()
    first, second = (scene.copies(0, rotation[[i]], place[[i]], generator).numpy() for i in (0, 1))
    np.testing.assert_allclose(both, first + second, atol=1e-3 * np.abs(both).max())
    power = np.square(first).sum(axis=0)
    assert power[: BOX // 4].sum() < 0.05 * power[3 * BOX // 4 :].sum()
