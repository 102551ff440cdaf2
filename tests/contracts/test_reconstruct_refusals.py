"""Particles and options that cannot make a run are refused in one line before any work; doubtful ones are told."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofifa import Config, InputError, reconstruct
from cryofifa.cli import main
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.small_sets import simulated_particles

PIXEL_SIZE_ANGSTROM = 6.0
SMALL = Config().changed(
    starts={"count": 2, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 3},
    search={"orientations": 100},
    amortized={"visits": 200},
    half_map_refinement={"iterations": 2, "most_searches": 2, "candidates": 2},
)


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    return simulated_particles(folder, particles=80, box=32, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM)


def test_masked_images_are_refused(particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A set of masked images is refused as a whole; how single ones are left out: test_left_out_images.py."""
    folder = particles.parent
    with mrcfile.open(folder / "particles.mrcs") as file:
        images = file.data.copy()
    y, x = np.mgrid[-16:16, -16:16]
    images[:41, x**2 + y**2 > 13**2] = 0
    with mrcfile.new(tmp_path / "particles.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
    (tmp_path / "particles.star").write_text(particles.read_text())
    assert main(["reconstruct", str(tmp_path / "particles.star"), "-o", str(tmp_path / "run")]) == 2
    assert_one_line(capsys, "41 of 80 images cannot be used", "constant background", "rows 0-40", "without a mask")


def test_dry_run_touches_nothing(particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["reconstruct", str(particles), "-o", str(tmp_path / "run"), "--dry-run"]) == 0
    assert not (tmp_path / "run").exists()
    said = capsys.readouterr()
    assert "80, box 32 px, 6 A/px" in said.out
    assert "warning: 80 particles are few" in said.err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--diameter", "1000"], "--diameter 1000"),
        (["--box", "13"], "--box 13"),
        (["--start-resolution", "10", "--end-resolution", "20"], "not coarser"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--ind", "absent.txt"], "absent.txt"),
        (["--mask", "absent.mrc"], "absent.mrc"),
        (["--symmetry", "X9"], "symmetry 'X9' is unknown"),
        (["--end-resolution", "-3"], "end_resolution_angstrom is -3"),
        (["--box", "16", "--start-resolution", "22", "--diameter", "120"], "--box 16 is too small"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], wanted: str
):
    output = tmp_path / "run"
    assert main(["reconstruct", str(particles), "-o", str(output), *arguments]) == 2
    assert_one_line(capsys, wanted)
    assert not output.exists()


@pytest.mark.slow
def test_dark_particles_are_warned_about(particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    reconstruct(particles, tmp_path / "run", config=SMALL.changed(invert=True))
    assert "darker than their background" in capsys.readouterr().err


def test_one_particle_is_not_enough(particles: Path, tmp_path: Path):
    (tmp_path / "rows.txt").write_text("3")
    with pytest.raises(InputError, match="one particle alone"):
        reconstruct(particles, tmp_path / "run", rows_file=tmp_path / "rows.txt", config=SMALL)
    assert not (tmp_path / "run").exists()


def test_a_box_that_has_no_room_in_memory_is_told_before_any_work(particles: Path, capsys: pytest.CaptureFixture[str]):
    """Its grids for the final map alone; --dry-run says so too."""
    command = ["reconstruct", str(particles), "-o", "unused", "--dry-run"]
    assert main([*command, "--memory-gib", "0.1"]) == 0
    assert "bin the particles" in capsys.readouterr().err
    assert main(command) == 0
    assert "bin the particles" not in capsys.readouterr().err
