"""Copies of a particle lie where they are put, also half outside the box, and add up; micelles differ."""

import dataclasses

import numpy as np
import pytest
import torch

from cryofifa.particles.simulated.micelle import Belt, Micelle
from cryofifa.particles.simulated.scene import Scene
from cryofifa.physics.fourier import inverse_fourier_2d
from cryofifa.settings.sample import MicelleSettings
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


def test_two_particles_in_one_pose_differ_by_their_micelles_and_not_by_their_blocks():
    drawn = small_drawn(3)
    rotation = np.repeat(drawn.rotation_volume_to_image[:1], 3, axis=0)
    drawn = dataclasses.replace(drawn, rotation_volume_to_image=rotation)
    bare = small_scene(drawn)
    same = bare.particles(range(3))
    torch.testing.assert_close(same[0], same[1])
    settings = MicelleSettings(contrast=1.0, radius_angstrom=60.0, lump_sd_angstrom=8.0)
    volume = bare.molecules[0].volume
    belt = Belt.around(volume, PIXEL_ANGSTROM, settings)
    scene = small_scene(drawn, Micelle.of_protein(volume, PIXEL_ANGSTROM, belt, settings))
    first, second, third = scene.particles(range(3)) - same
    correlation = torch.corrcoef(torch.stack([torch.view_as_real(one).flatten() for one in (first, second)]))[0, 1]
    assert 0.2 < correlation < 0.95  # they share the belt
    torch.testing.assert_close(scene.particles(range(2, 3))[0] - same[2], third)
