"""What is possible but improbable is told in one line, with a guess at the unit; usual optics say nothing."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, changed, cs_records, write_cs, write_star

pytestmark = pytest.mark.usefixtures("stack")

COUNT = 60


def told(folder: Path, optics: dict | None = None, **columns: list | float) -> list[str]:
    """What is said of a file with these columns; a number is that of every particle."""
    particles = {label: column[:1] * COUNT for label, column in PARTICLES.items()}
    filled = {label: [value] * COUNT if isinstance(value, int | float) else value for label, value in columns.items()}
    path = write_star(folder / "a.star", particles | filled, optics)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_particles(path)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    ("defocus_u", "defocus_v", "guess"),
    [
        (1.2, 1.1, "micrometres?"),
        (1400, 1300, "nanometres?"),
        (0, 0, "defocus of every particle is 0"),
        (-15000, -14000, "underfocus negative"),
        (200_000, 210_000, "unit"),
    ],
)
def test_improbable_defocus(tmp_path: Path, defocus_u: float, defocus_v: float, guess: str):
    (line,) = told(tmp_path, rlnDefocusU=defocus_u, rlnDefocusV=defocus_v)
    assert line.startswith(f"{tmp_path / 'a.star'}: the defocus")
    assert guess in line


@pytest.mark.parametrize("defocus", [3500, 12000, 40000, 90000])
def test_usual_defocus_says_nothing(tmp_path: Path, defocus: float):
    assert told(tmp_path, rlnDefocusU=defocus, rlnDefocusV=defocus - 200) == []


def test_a_few_odd_rows_do_not_make_a_set_improbable(tmp_path: Path):
    odd = np.where(np.arange(COUNT) < 20, 10.0, 15000.0).tolist()
    assert told(tmp_path, rlnDefocusU=odd, rlnDefocusV=odd) == []


@pytest.mark.parametrize(
    ("label", "value", "name"),
    [
        ("rlnImagePixelSize", 0.15, "pixel size"),
        ("rlnVoltage", 3.0, "voltage"),
        ("rlnSphericalAberration", 27.0, "spherical aberration"),
        ("rlnAmplitudeContrast", 0.7, "amplitude contrast"),
    ],
)
def test_improbable_optics(tmp_path: Path, label: str, value: float, name: str):
    (line,) = told(tmp_path, changed(OPTICS, **{label: [value]}))
    assert f"the {name} is {value:g}" in line


def test_no_signal_at_all_is_refused(tmp_path: Path):
    path = write_star(tmp_path / "a.star", changed(PARTICLES, rlnCtfScalefactor=[0, 0, 0]))
    with pytest.raises(InputError, match=r"a\.star: rlnCtfScalefactor is 0 for every particle"):
        read_particles(path)
    path = write_cs(tmp_path / "a.cs", cs_records(**{"ctf/scale": np.zeros(3, dtype=np.float32)}))
    with pytest.raises(InputError, match=r"a\.cs: ctf/scale is 0 for every particle"):
        read_particles(path)
