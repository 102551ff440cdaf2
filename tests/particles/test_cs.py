"""cryoSPARC .cs files."""

from pathlib import Path

import numpy as np
import pytest
from particle_files import cs_records, write_cs, write_stack

from cryofifa.errors import InputError
from cryofifa.particles.table import read_particles


@pytest.fixture(autouse=True)
def stack(tmp_path: Path) -> Path:
    return write_stack(tmp_path / "stack.mrcs")


def test_fields_and_units(tmp_path: Path) -> None:
    records = cs_records(**{"alignments3D/split": np.array([0, 1, 1], dtype=np.uint32)})
    table = read_particles(write_cs(tmp_path / "a.cs", records))
    assert (len(table), table.kind, table.box_size) == (3, "cs", 8)
    np.testing.assert_array_equal(table.frame_index, [2, 1, 0])
    np.testing.assert_array_equal(table.contrast_sign, -1)
    np.testing.assert_array_equal(table.random_subset, [1, 2, 2])
    np.testing.assert_array_equal(table.defocus_u_angstrom, [10000, 11000, 12000])
    np.testing.assert_array_equal(table.defocus_v_angstrom, [9000, 10000, 11000])
    np.testing.assert_array_equal(table.defocus_angle_radian, 0.5)
    np.testing.assert_array_equal(table.phase_shift_radian, 0.25)
    np.testing.assert_array_equal(table.amplitude_contrast, 0.125)
    np.testing.assert_array_equal(table.ctf_scale, 1)


def test_optional_fields(tmp_path: Path) -> None:
    records = cs_records(without=("blob/sign", "ctf/phase_shift_rad"))
    table = read_particles(write_cs(tmp_path / "a.cs", records))
    np.testing.assert_array_equal(table.contrast_sign, 1)
    np.testing.assert_array_equal(table.phase_shift_radian, 0)
    assert table.random_subset is None


def test_groups_of_exposures_are_optics_groups(tmp_path: Path) -> None:
    records = cs_records(**{"ctf/exp_group_id": np.array([23, 7, 23], dtype=np.uint32)})
    table = read_particles(write_cs(tmp_path / "a.cs", records))
    np.testing.assert_array_equal(table.optics_group, [0, 1, 0])


CTF_FIELDS = tuple(name for name in cs_records().dtype.names or () if name.startswith("ctf/"))


def test_passthrough_is_merged_by_uid(tmp_path: Path) -> None:
    whole = cs_records()
    passthrough = whole[["uid", *CTF_FIELDS]][[2, 0, 1]]
    write_cs(tmp_path / "J5_passthrough_particles.cs", np.array(passthrough.tolist(), passthrough.dtype))
    table = read_particles(write_cs(tmp_path / "J5_003_particles.cs", cs_records(without=CTF_FIELDS)))
    np.testing.assert_array_equal(table.defocus_u_angstrom, whole["ctf/df1_A"])


def test_passthrough_of_other_particles_is_not_used(tmp_path: Path) -> None:
    write_cs(tmp_path / "J5_passthrough_particles.cs", cs_records(uid=np.arange(3, dtype=np.uint64)))
    path = write_cs(tmp_path / "J5_003_particles.cs", cs_records(without=CTF_FIELDS))
    with pytest.raises(InputError, match=r"J5_003_particles\.cs: field ctf/accel_kv is missing.*passthrough"):
        read_particles(path)


@pytest.mark.parametrize(
    "field", ["blob/path", "blob/idx", "blob/psize_A", "ctf/cs_mm", "ctf/accel_kv", "ctf/amp_contrast"]
)
def test_missing_field_is_named(tmp_path: Path, field: str) -> None:
    path = write_cs(tmp_path / "lacking.cs", cs_records(without=(field,)))
    with pytest.raises(InputError, match=rf"lacking\.cs: field {field}"):
        read_particles(path)


BAD_FIELDS = {
    "ctf/df1_A": np.array([1e4, np.nan, 1e4], dtype=np.float32),
    "blob/psize_A": np.array([1.5, 0.0, 1.5], dtype=np.float32),
    "ctf/accel_kv": np.array([300, -1.0, 300], dtype=np.float32),
    "ctf/amp_contrast": np.array([0.1, 7.0, 0.1], dtype=np.float32),
    "blob/sign": np.array([1, 0.5, 1], dtype=np.float32),
    "alignments3D/split": np.array([0, 2, 1], dtype=np.uint32),
    "ctf/cs_mm": np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32),
    "blob/shape": np.array([[8, 8], [16, 16], [8, 8]], dtype=np.uint32),
    "blob/path": np.array([1, 2, 3]),
}


@pytest.mark.parametrize("field", BAD_FIELDS)
def test_bad_field_is_named(tmp_path: Path, field: str) -> None:
    path = write_cs(tmp_path / "bad.cs", cs_records(**{field: BAD_FIELDS[field]}))
    with pytest.raises(InputError, match=rf"bad\.cs: .*{field}"):
        read_particles(path)


def test_absent_stack_is_named(tmp_path: Path) -> None:
    path = write_cs(tmp_path / "a.cs", cs_records(**{"blob/path": np.array([b">J1/absent.mrc"] * 3)}))
    with pytest.raises(InputError, match=r"a\.cs.*J1/absent\.mrc.*--datadir"):
        read_particles(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "evil.cs").open("wb") as file:
        np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"evil\.cs"):
        read_particles(tmp_path / "evil.cs")


@pytest.mark.parametrize("content", [b"", b"no numpy file"])
def test_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.cs").write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.cs"):
        read_particles(tmp_path / "odd.cs")


@pytest.mark.parametrize("records", [cs_records(n=3)[:0], np.zeros(3)])
def test_file_without_particles_is_named(tmp_path: Path, records: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"none\.cs"):
        read_particles(write_cs(tmp_path / "none.cs", records))


def test_row_list(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("2\n")
    table = read_particles(write_cs(tmp_path / "a.cs", cs_records()), rows_file=tmp_path / "rows.txt")
    np.testing.assert_array_equal(table.frame_index, [0])


@pytest.mark.data
def test_empiar10076_says_the_same_as_its_star(data_folder: Path) -> None:
    folder = data_folder / "formats/empiar10076"
    cs = read_particles(folder / "empiar_10076_7.cs")
    star = read_particles(folder / "empiar_10076_7.star")
    for name in (
        "voltage_kilovolt",
        "spherical_aberration_millimetre",
        "amplitude_contrast",
        "defocus_u_angstrom",
        "defocus_v_angstrom",
        "defocus_angle_radian",
        "phase_shift_radian",
        "pixel_size_angstrom",
        "frame_index",
        "ctf_scale",
    ):
        # the .cs holds 32-bit numbers
        np.testing.assert_allclose(getattr(cs, name), getattr(star, name), rtol=1e-6, err_msg=name)
    np.testing.assert_array_equal(cs.contrast_sign, -star.contrast_sign)
