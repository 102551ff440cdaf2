"""Optics that the user gives are used where the file has none, and there alone."""

from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.settings.optics import OpticsSettings
from cryofifa_testkit.particle_files import (
    OPTICS,
    STAR30,
    cs_records,
    some_poses,
    without,
    write_cs,
    write_star,
    write_star30,
)

pytestmark = pytest.mark.usefixtures("stack")

GIVEN = OpticsSettings(
    pixel_size_angstrom=2.5, voltage_kilovolt=200.0, spherical_aberration_millimetre=1.25, amplitude_contrast=0.5
)
# setting, column of STAR files, field of .cs files, option
LACKING = [
    ("pixel_size_angstrom", "rlnImagePixelSize", "blob/psize_A", "--pixel-size"),
    ("voltage_kilovolt", "rlnVoltage", "ctf/accel_kv", "--voltage"),
    ("spherical_aberration_millimetre", "rlnSphericalAberration", "ctf/cs_mm", "--spherical-aberration"),
    ("amplitude_contrast", "rlnAmplitudeContrast", "ctf/amp_contrast", "--amplitude-contrast"),
]


@pytest.mark.parametrize("kind", ["STAR 3.1", "STAR 3.0", "cs"])
@pytest.mark.parametrize(("setting", "label", "field", "option"), LACKING)
def test_what_the_file_lacks_is_supplied(
    tmp_path: Path, kind: str, setting: str, label: str, field: str, option: str
) -> None:
    if kind == "STAR 3.1":
        path = write_star(tmp_path / "a.star", optics=without(OPTICS, label))
    elif kind == "STAR 3.0":
        pixel_size = ("rlnDetectorPixelSize", "rlnMagnification") if "Pixel" in label else ()
        path = write_star30(tmp_path / "a.star", without(STAR30, label, *pixel_size))
    else:
        path = write_cs(tmp_path / "a.cs", cs_records(without=(field,)))
    with pytest.raises(InputError, match=option):
        read_particles(path)
    value = getattr(GIVEN, setting)
    table = read_particles(path, given=OpticsSettings(**{setting: value}))
    np.testing.assert_array_equal(getattr(table, setting), value)
    write_particles_star(tmp_path / "out.star", table, some_poses())
    np.testing.assert_array_equal(getattr(read_particles(tmp_path / "out.star"), setting), value)


@pytest.mark.parametrize("kind", ["star", "cs"])
def test_what_the_file_has_is_used_and_the_user_told(tmp_path: Path, kind: str) -> None:
    path = write_star(tmp_path / "a.star") if kind == "star" else write_cs(tmp_path / "a.cs", cs_records())
    with pytest.warns(UserWarning, match=f"a.{kind}: has .* itself, which is used; --voltage is not"):
        table = read_particles(path, given=GIVEN)
    np.testing.assert_array_equal(table.voltage_kilovolt, 300.0)
    np.testing.assert_array_equal(table.pixel_size_angstrom, 1.5)
