"""The particle's radius and the sign of its contrast, from images of a ball of known size."""

from pathlib import Path

import pytest
import torch

from cryofifa.mrc_map import write_map
from cryofifa.particles.files.star import read_star
from cryofifa.particles.particle_radius import radius_of_volume, survey_images
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.simulated.simulate import simulate
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.mask import spherical_mask

CPU = torch.device("cpu")


def surveyed(star: Path, *, dark: bool = False):
    table = read_star(star)
    if dark:
        table = table.inverted()
    return survey_images(ParticleImages(table, ImageStacks(table)))


@pytest.mark.parametrize("radius_angstrom", [45.0, 60.0])
def test_radius_of_a_ball_within_ten_percent(tmp_path, radius_angstrom):
    size, pixel = 48, 5.0
    write_map(tmp_path / "ball.mrc", spherical_mask(size, radius_angstrom / pixel, 2.0), pixel)
    simulate(
        tmp_path / "ball.mrc", tmp_path / "set", particles=400, box=size, pixel_size_angstrom=pixel, snr=0.5,
        shift_sd_pixel=0.5,
    )  # fmt: skip
    found = surveyed(tmp_path / "set" / "particles.star")
    # projected power is 4 (R^2 - r^2): 99 % of it over the plane lies within R sqrt(1 - 0.1)
    assert found.particle_radius_angstrom == pytest.approx(radius_angstrom * 0.9**0.5, rel=0.1)
    assert found.contrast_z_score > 3
    assert surveyed(tmp_path / "set" / "particles.star", dark=True).contrast_z_score < -3


def test_bright_junk_does_not_make_the_particle_larger(tmp_path):
    size, pixel, radius_angstrom = 48, 5.0, 45.0
    write_map(tmp_path / "ball.mrc", spherical_mask(size, radius_angstrom / pixel, 2.0), pixel)
    for name, junk in (("clean", 0.0), ("junk", 0.3)):
        simulate(
            tmp_path / "ball.mrc", tmp_path / name, particles=400, box=size, pixel_size_angstrom=pixel, snr=0.2,
            shift_sd_pixel=0.5, junk=junk,
        )  # fmt: skip
    clean, junk = (surveyed(tmp_path / name / "particles.star") for name in ("clean", "junk"))
    assert junk.particle_radius_angstrom == pytest.approx(clean.particle_radius_angstrom, rel=0.15)


@pytest.mark.parametrize("radius", [8.0, 14.0])
def test_radius_of_a_volume_is_the_balls(radius):
    ball = spherical_mask(48, radius, 2.0)
    assert radius_of_volume(ball) == pytest.approx(radius, rel=0.08)
    noisy = ball + 0.05 * torch.randn(48, 48, 48, generator=torch.Generator().manual_seed(0))
    assert radius_of_volume(noisy) == pytest.approx(radius, rel=0.1)


def test_an_empty_volume_gives_a_finite_radius():
    assert 0 < radius_of_volume(torch.zeros(16, 16, 16)) < 16


@pytest.mark.data
@pytest.mark.parametrize(("name", "radius_angstrom"), [("gpcr", 60.0), ("ribosome", 127.0)])
def test_radius_of_the_sets_within_ten_percent(data_folder, name, radius_angstrom):
    found = surveyed(data_folder / name / f"{name}.star")
    assert found.particle_radius_angstrom == pytest.approx(radius_angstrom, rel=0.1)
    assert found.contrast_z_score > 3
