"""Fields from passthrough files: every particle gets its own, and what is not known is left out and told."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.particle_files import cs_records, write_cs

pytestmark = pytest.mark.usefixtures("stack")

WHOLE = cs_records(
    **{
        "location/micrograph_path": np.array([b"J1/a.mrc", b"J1/bb.mrc", b"J1/ccc.mrc"]),
        "location/center_x_frac": np.array([0.1, 0.2, 0.3], dtype=np.float32),
    }
)
OF_BLOB = ("uid", *(name for name in WHOLE.dtype.names or () if name.startswith("blob/")))
OF_JOB = ("uid", *(name for name in WHOLE.dtype.names or () if not name.startswith(("blob/", "uid"))))


def part(fields: tuple[str, ...], rows: list[int]) -> np.ndarray:
    """These fields and rows of the whole, packed as cryoSPARC packs them."""
    chosen = WHOLE[list(fields)][rows]
    return np.array(chosen.tolist(), dtype=[(name, WHOLE.dtype[name]) for name in fields])


def test_a_particle_that_the_passthrough_lacks_is_left_out(tmp_path: Path) -> None:
    write_cs(tmp_path / "J5_passthrough_particles.cs", part(OF_JOB, [2, 0]))
    path = write_cs(tmp_path / "J5_003_particles.cs", part(OF_BLOB, [0, 1, 2]))
    with pytest.warns(UserWarning, match=r"J5_003_particles\.cs: 1 of 3 particles .* left out .*row 1, counted from 0"):
        table = read_particles(path)
    np.testing.assert_array_equal(table.row, [0, 2])
    np.testing.assert_array_equal(table.defocus_u_angstrom, WHOLE["ctf/df1_A"][[0, 2]])
    assert isinstance(table.source, np.ndarray)
    assert table.source["location/micrograph_path"][table.row].tolist() == [b"J1/a.mrc", b"J1/ccc.mrc"]


def test_rows_are_still_counted_in_the_file(tmp_path: Path) -> None:
    write_cs(tmp_path / "J5_passthrough_particles.cs", part(OF_JOB, [2, 0]))
    path = write_cs(tmp_path / "J5_003_particles.cs", part(OF_BLOB, [0, 1, 2]))
    (tmp_path / "rows.txt").write_text("1 2")
    with pytest.warns(UserWarning, match="left out"):
        np.testing.assert_array_equal(read_particles(path, rows_file=tmp_path / "rows.txt").row, [2])
    (tmp_path / "rows.txt").write_text("1")
    with pytest.raises(InputError, match="1 of 1 particles are in no passthrough"):
        read_particles(path, rows_file=tmp_path / "rows.txt")
    (tmp_path / "rows.txt").write_text("0 2")
    with warnings.catch_warnings(action="error"):
        assert len(read_particles(path, rows_file=tmp_path / "rows.txt")) == 2


def test_passthroughs_of_several_classes_know_all_particles_together(tmp_path: Path) -> None:
    write_cs(tmp_path / "J5_passthrough_particles_class_0.cs", part(OF_JOB, [1]))
    write_cs(tmp_path / "J5_passthrough_particles_class_1.cs", part(OF_JOB, [2, 0]))
    table = read_particles(write_cs(tmp_path / "J5_003_particles.cs", part(OF_BLOB, [0, 1, 2])))
    np.testing.assert_array_equal(table.defocus_u_angstrom, WHOLE["ctf/df1_A"])
    assert isinstance(table.source, np.ndarray)
    np.testing.assert_array_equal(table.source["location/micrograph_path"], WHOLE["location/micrograph_path"])


def test_micrographs_that_only_some_particles_have_leave_no_particle_out(tmp_path: Path) -> None:
    of_blob_and_ctf = (*OF_BLOB, *(name for name in OF_JOB if name.startswith("ctf/")))
    location = ("uid", *(name for name in OF_JOB if name.startswith("location/")))
    write_cs(tmp_path / "J5_passthrough_particles.cs", part(location, [2, 0]))
    table = read_particles(write_cs(tmp_path / "J5_003_particles.cs", part(of_blob_and_ctf, [0, 1, 2])))
    assert len(table) == 3


@pytest.mark.parametrize("named", [True, False])
def test_the_passthrough_given_for_the_particles_is_told(tmp_path: Path, named: bool) -> None:
    given = write_cs(tmp_path / "J5_passthrough_particles.cs", part(OF_JOB, [0, 1, 2]))
    write_cs(tmp_path / "other.cs", part(OF_JOB, [0]))
    if named:
        for iteration in (0, 3):
            write_cs(tmp_path / f"J5_00{iteration}_particles.cs", part(OF_BLOB, [0, 1, 2]))
    wanted = r"give J5_003_particles\.cs, beside it" if named else r"give the job's \.\.\._particles\.cs"
    with pytest.raises(InputError, match=rf"J5_passthrough_particles\.cs: is the passthrough file .*{wanted}"):
        read_particles(given)


def test_why_a_passthrough_does_not_help_is_told(tmp_path: Path) -> None:
    twice = part(OF_JOB, [0, 0, 1])
    write_cs(tmp_path / "J5_passthrough_particles.cs", twice)
    path = write_cs(tmp_path / "J5_003_particles.cs", part(OF_BLOB, [0, 1, 2]))
    with pytest.raises(InputError, match=r"J5_passthrough_particles\.cs lists a uid twice"):
        read_particles(path)
