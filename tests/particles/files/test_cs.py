"""cryoSPARC .cs files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.particle_files import (
    CTF_OF_TABLE,
    cs_records,
    write_cs,
)

pytestmark = pytest.mark.usefixtures("stack")


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
    "blob/shape": np.array([[8, 8], [8, 16], [8, 8]], dtype=np.uint32),
    "blob/path": np.array([1, 2, 3]),
    "blob/idx": np.array([0, 0.5, 1], dtype=np.float32),
}


def test_shape_of_another_type_is_named(tmp_path: Path) -> None:
    path = write_cs(tmp_path / "bad.cs", cs_records(**{"blob/shape": np.zeros((3, 2), dtype="V4")}))
    with pytest.raises(InputError, match=r"bad\.cs: field blob/shape"):
        read_particles(path)


def test_numbers_of_no_microscope_are_named(tmp_path: Path) -> None:
    path = write_cs(tmp_path / "bad.cs", cs_records(**{"ctf/df2_A": np.array([1e4, 1e4, 1e38], dtype=np.float32)}))
    with pytest.raises(InputError, match=r"bad\.cs: particle row 2 .*defocus v angstrom"):
        read_particles(path)


DAMAGED_HEADERS = {
    "a bracket too few": ("'shape': (3,)", "'shape': (3,"),
    "an indentation": ("{'descr'", "  {\n x\n y 'descr'"),
    "more rows than bytes": ("(3,)", "(4,)"),
    "rows beyond all bounds": ("(3,)", "(99999999999999999999,)"),
    "fewer rows than bytes": ("(3,)", "(2,)"),
    "a nameless field": ("'ctf/phase_shift_rad'", "''"),
    "another word": ("'fortran_order'", "'order'"),
}


def with_header(path: Path, old: str, new: str) -> Path:
    content = path.read_bytes()
    end = 10 + int.from_bytes(content[8:10], "little")
    header = content[10:end].decode()
    assert old in header
    header = header.replace(old, new, 1)
    path.write_bytes(content[:8] + len(header).to_bytes(2, "little") + header.encode() + content[end:])
    return path


@pytest.mark.parametrize("what", DAMAGED_HEADERS)
def test_damaged_header_is_named(tmp_path: Path, what: str) -> None:
    path = with_header(write_cs(tmp_path / "odd.cs", cs_records()), *DAMAGED_HEADERS[what])
    with pytest.raises(InputError, match=r"odd\.cs: not a cryoSPARC"):
        read_particles(path)


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    path = with_header(write_cs(tmp_path / "odd.cs", cs_records()), "(3,)", "(1000000,)")
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"odd\.cs"):
            read_particles(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [">u8", "<f8", "S8"])
def test_passthrough_with_odd_uids(tmp_path: Path, kind: str) -> None:
    """The other byte order is the same number; what is no number says nothing."""
    passthrough = cs_records(uid=(2**63 + 5 + np.arange(3, dtype=np.uint64)).astype(kind))
    write_cs(tmp_path / "J5_passthrough_particles.cs", passthrough)
    path = write_cs(tmp_path / "J5_003_particles.cs", cs_records(without=CTF_FIELDS))
    if kind == ">u8":
        np.testing.assert_array_equal(read_particles(path).defocus_u_angstrom, [10000, 11000, 12000])
    else:
        with pytest.raises(InputError, match="is missing"):
            read_particles(path)


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
    with pytest.raises(InputError, match=r"odd\.cs") as caught:
        read_particles(tmp_path / "odd.cs")
    assert "pickle" not in str(caught.value)  # nobody is told to load one


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
    for name in (*CTF_OF_TABLE, "pixel_size_angstrom", "frame_index"):
        # the .cs holds 32-bit numbers
        np.testing.assert_allclose(getattr(cs, name), getattr(star, name), rtol=1e-6, err_msg=name)
    np.testing.assert_array_equal(cs.contrast_sign, -star.contrast_sign)
