"""The particle's size: masks go with it, it never grows, and what the user said stays."""

import pytest

from cryofifa.particles.particle_size import ParticleSize
from cryofifa.settings.images import ImageSettings

SETTINGS = ImageSettings(mask_margin=1.2, mask_edge_share=0.1)


def test_masks_are_as_large_as_the_margin_says_in_any_pixel_size():
    size = ParticleSize(100.0, is_given=False, settings=SETTINGS)
    for pixel_size_angstrom in (1.0, 2.5):
        mask = size.image_mask(pixel_size_angstrom)
        assert mask.radius_pixel * pixel_size_angstrom == pytest.approx(120.0) == size.mask_radius_angstrom
        assert mask.edge_pixel * pixel_size_angstrom == pytest.approx(10.0)


def test_an_edge_is_never_so_sharp_that_a_transform_rings():
    assert ParticleSize(20.0, is_given=False, settings=SETTINGS).image_mask(5.0).edge_pixel == 3.0


def test_in_training_an_edge_is_as_narrow_as_its_share_says():
    mask = ParticleSize(20.0, is_given=False, settings=SETTINGS).training_mask(5.0)
    assert mask.edge_pixel * 5.0 == pytest.approx(2.0)
    assert mask.radius_pixel * 5.0 == pytest.approx(24.0)


def test_it_shrinks_a_little_at_a_time_and_never_grows():
    size = ParticleSize(100.0, is_given=False, settings=SETTINGS)
    assert size.tightened(95.0).radius_angstrom == 95.0
    assert size.tightened(10.0).radius_angstrom == pytest.approx(80.0)
    assert size.tightened(140.0).radius_angstrom == 100.0


def test_what_the_user_gave_is_not_changed_by_a_map():
    assert ParticleSize(100.0, is_given=True, settings=SETTINGS).tightened(60.0).radius_angstrom == 100.0
