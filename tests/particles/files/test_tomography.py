"""Files of tomography are refused by name; single particles that look a little like them are read."""

from pathlib import Path

import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, changed, ramp, write_stack, write_star

pytestmark = pytest.mark.usefixtures("stack")


def particles_with(**columns: list) -> dict:
    return changed(PARTICLES, **columns)


REFUSED = {
    "subtomograms": (particles_with(), changed(OPTICS, rlnImageDimensionality=[3])),
    "pseudo-subtomograms": (particles_with(rlnTomoVisibleFrames=["[1,1]"] * 3), OPTICS),
    "particles of tomograms": (particles_with(rlnTomoName=["TS_01"] * 3), OPTICS),
    "tilt images of M": (particles_with(rlnCtfBfactor=[0, -28, -56]), OPTICS),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tomography_is_refused(tmp_path: Path, kind: str):
    path = write_star(tmp_path / "a.star", *REFUSED[kind])
    with pytest.raises(InputError, match=r"a\.star: these .*(tomogram|tilt series).*single particles"):
        read_particles(path)


def test_files_without_image_numbers_must_have_one_image(tmp_path: Path):
    write_stack(tmp_path / "volume.mrc", ramp(8))
    path = write_star(tmp_path / "a.star", particles_with(rlnImageName=["1@stack.mrcs", "volume.mrc", "volume.mrc"]))
    with pytest.raises(InputError, match=r"a\.star: particle row 1 .*file has 8 images: volumes \(subtomograms\)"):
        read_particles(path)
    write_stack(tmp_path / "volume.mrc", ramp(1))
    assert len(read_particles(path)) == 3


def test_fitted_b_factors_of_single_particles_are_read(tmp_path: Path):
    for b_factors in ([-60, 80, 20], [-20, -5, 0]):
        assert len(read_particles(write_star(tmp_path / "a.star", particles_with(rlnCtfBfactor=b_factors)))) == 3
