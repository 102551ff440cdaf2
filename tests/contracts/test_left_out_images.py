"""Blank images among the particles change nothing for the others, and keep their rows in the files."""

import json
from pathlib import Path

import mrcfile
import pytest
import torch

from cryofifa import Config, reconstruct
from cryofifa.mrc_map import read_map
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.files.star_blocks import read_star_blocks
from cryofifa.particles.poses import known
from cryofifa_testkit.small_sets import simulated_particles

BLANK = (0, 31, 32, 79)
SMALL = Config().changed(
    starts={"count": 1, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 2},
    search={"orientations": 100},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
)


@pytest.mark.slow
def test_a_run_with_blank_images_is_that_without_them(tmp_path: Path):
    particles = simulated_particles(tmp_path, particles=80, box=32, pixel_size_angstrom=6.0)
    (tmp_path / "others.txt").write_text(" ".join(str(row) for row in range(80) if row not in BLANK))
    reconstruct(particles, tmp_path / "others", rows_file=tmp_path / "others.txt", config=SMALL)
    with mrcfile.open(particles.with_name("particles.mrcs"), "r+") as file:
        file.data[list(BLANK)] = 1234.567
    reconstruct(particles, tmp_path / "run", config=SMALL)
    warnings = json.loads((tmp_path / "run" / "run.json").read_text())["warnings"]
    assert any("4 of 80 images" in line and "rows 0, 31-32, 79" in line for line in warnings)
    maps = [read_map(tmp_path / run / "map.mrc")[0] for run in ("run", "others")]
    torch.testing.assert_close(*maps)
    stars = (particles, tmp_path / "run" / "particles.star")
    numbers = [_image_numbers(path) for path in stars]
    assert numbers[0] == numbers[1]
    whole, others = (read_poses_star(tmp_path / run / "particles.star") for run in ("run", "others"))
    used = torch.tensor([row for row in range(80) if row not in BLANK])
    torch.testing.assert_close(whole.rotation[used], others.rotation)
    assert bool(known(whole.score)[list(BLANK)].isnan().all())
    assert not bool(known(whole.score)[used].isnan().any())
    assert not set(_image_numbers(tmp_path / "run" / "kept.star")) & {numbers[0][row] for row in BLANK}


def _image_numbers(path: Path) -> list[str]:
    """Of all particles of a file, their numbers in the one stack that they are of."""
    return [name.split("@")[0] for name in read_star_blocks(path).particles["rlnImageName"]]
