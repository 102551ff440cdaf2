"""STAR files of every version are read, and what is wrong with one is named in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.poses import known
from cryofifa_testkit.particle_files import (
    CTF_OF_TABLE,
    OPTICS,
    PARTICLES,
    STAR30,
    changed,
    star_text,
    without,
    write_star,
    write_star30,
)

pytestmark = pytest.mark.usefixtures("stack")


def test_star31(tmp_path: Path) -> None:
    table = read_particles(write_star(tmp_path / "a.star"))
    assert (len(table), table.kind, table.box_size) == (3, "star", 8)
    assert table.stack_paths == (tmp_path / "stack.mrcs",)
    np.testing.assert_array_equal(table.frame_index, [0, 2, 1])
    np.testing.assert_array_equal(table.defocus_u_angstrom, [10000, 11000, 12000])
    np.testing.assert_allclose(table.defocus_angle_radian, [np.pi / 4, np.pi / 2, -np.pi / 6])
    np.testing.assert_array_equal(table.pixel_size_angstrom, 1.5)
    np.testing.assert_array_equal(table.ctf_scale, 1.0)
    np.testing.assert_array_equal(table.b_factor_square_angstrom, 0.0)
    np.testing.assert_array_equal(table.contrast_sign, 1.0)
    assert table.random_subset is None
    with pytest.raises(ValueError, match="read-only"):
        table.defocus_u_angstrom[0] = 1.0


def test_arbitrary_optics_groups_in_any_order(tmp_path: Path) -> None:
    optics = {
        "rlnOpticsGroup": [42, 7],
        "rlnVoltage": [300, 200],
        "rlnSphericalAberration": [2.7, 0.01],
        "rlnAmplitudeContrast": [0.1, 0.07],
        "rlnImagePixelSize": [1.5, 1.25],
    }
    path = write_star(tmp_path / "a.star", changed(PARTICLES, rlnOpticsGroup=[7, 42, 7]), optics)
    table = read_particles(path)
    np.testing.assert_array_equal(table.voltage_kilovolt, [200, 300, 200])
    np.testing.assert_array_equal(table.spherical_aberration_millimetre, [0.01, 2.7, 0.01])
    np.testing.assert_array_equal(table.pixel_size_angstrom, [1.25, 1.5, 1.25])
    np.testing.assert_array_equal(table.optics_group, [1, 0, 1])
    assert table.reference_pixel_size_angstrom == 1.25


def test_star30_pixel_size_from_detector_and_magnification(tmp_path: Path) -> None:
    table = read_particles(write_star30(tmp_path / "a.star"))
    np.testing.assert_allclose(table.pixel_size_angstrom, 1.5)
    np.testing.assert_array_equal(table.voltage_kilovolt, [300, 200, 300])
    np.testing.assert_array_equal(table.optics_group, [0, 1, 0])


def test_pixel_size_column_is_preferred(tmp_path: Path) -> None:
    table = read_particles(write_star30(tmp_path / "a.star", changed(STAR30, rlnPixelSize=[2.0] * 3)))
    np.testing.assert_array_equal(table.pixel_size_angstrom, 2.0)


def test_without_defocus_v_there_is_no_astigmatism(tmp_path: Path) -> None:
    table = read_particles(write_star(tmp_path / "a.star", without(PARTICLES, "rlnDefocusV")))
    np.testing.assert_array_equal(table.defocus_v_angstrom, table.defocus_u_angstrom)
    np.testing.assert_array_equal(table.defocus_angle_radian, 0.0)


@pytest.mark.parametrize(
    "label",
    ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnDefocusU", "rlnImageName"],
)
@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_missing_column_is_named(tmp_path: Path, label: str, version: str) -> None:
    path = tmp_path / "lacking.star"
    if version == "3.0":
        write_star30(path, without(STAR30, label))
    else:
        write_star(path, without(PARTICLES, label), without(OPTICS, label))
    with pytest.raises(InputError, match=rf"lacking\.star.*{label}"):
        read_particles(path)


def test_missing_pixel_size_is_named(tmp_path: Path) -> None:
    path = write_star30(tmp_path / "lacking.star", without(STAR30, "rlnMagnification"))
    with pytest.raises(InputError, match=r"lacking\.star.*rlnDetectorPixelSize.*never assumed"):
        read_particles(path)


@pytest.mark.parametrize("cell", ["nan", "abc", "inf", "<NA>"])
def test_bad_number_names_the_row(tmp_path: Path, cell: str) -> None:
    particles = changed(PARTICLES, rlnDefocusU=[1e4, 1e4, cell])
    with pytest.raises(InputError, match=r"bad\.star: particle row 2 .*rlnDefocusU"):
        read_particles(write_star(tmp_path / "bad.star", particles))


BAD_PARTICLES = {
    "particle row 1 .*optics group 5": {"rlnOpticsGroup": [1, 5, 1]},
    "particle row 0 .*000001@stack.mrcs": {"rlnImageName": ["000000@stack.mrcs"] * 3},
    "particle row 0 .*image number": {"rlnImageName": ["x@stack.mrcs"] * 3},
    "stack 'absent.mrcs' not found .tried .*--datadir": {"rlnImageName": ["1@absent.mrcs"] * 3},
}


@pytest.mark.parametrize("message", BAD_PARTICLES)
def test_bad_particles_are_named(tmp_path: Path, message: str) -> None:
    path = write_star(tmp_path / "bad.star", changed(PARTICLES, **BAD_PARTICLES[message]))
    with pytest.raises(InputError, match=rf"bad\.star: .*{message}"):
        read_particles(path)


BAD_OPTICS = {
    "rlnVoltage": [0.0],
    "rlnImagePixelSize": [-1.0],
    "rlnSphericalAberration": ["nan"],
    "rlnAmplitudeContrast": [10],
}


@pytest.mark.parametrize("label", BAD_OPTICS)
def test_bad_optics_are_named(tmp_path: Path, label: str) -> None:
    path = write_star(tmp_path / "bad.star", optics=changed(OPTICS, **{label: BAD_OPTICS[label]}))
    with pytest.raises(InputError, match=rf"bad\.star: .*({label}|pixel size)"):
        read_particles(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\nworld\n",
        "data_particles\n",
        "data_particles\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n",
        "data_particles\n\nloop_\n_rlnImageName #1\n1@stack.mrcs\n2@stack.mrcs 5 6 7\n",
    ],
)
def test_unreadable_or_empty_star_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.star"
    path.write_text(text)
    with pytest.raises(InputError, match=r"odd\.star"):
        read_particles(path)


def test_file_cut_short_is_named(tmp_path: Path) -> None:
    path = write_star(tmp_path / "cut.star", changed(PARTICLES, note=["x", "y", "z"]))
    path.write_text(path.read_text().rstrip().removesuffix(" z"))
    with pytest.raises(InputError, match=r"cut\.star: .*line 26 has 5 cells for 6 columns.*cut short"):
        read_particles(path)


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())
    return path


# What starfile passes over, or fills up with NaN: rows and columns that would get lost without a word.
LOST_LINES = {
    "a short row in the middle": (" 90.0 1 y", " 90.0 1"),
    "a long row": (" 90.0 1 y", " 90.0 1 y y"),
    "a label twice": ("_rlnDefocusV", "_rlnDefocusU"),
    "a block twice": ("data_optics", "data_particles"),
    "a lost block name": ("data_particles", ""),
    "a carriage return": ("000003@", "000003@stack.mrcs 1 1 1 1\r000003@"),
    "a comment with one": ("data_particles", "# a\rcomment\ndata_particles"),
    "rows in quotes": ("000001@stack.mrcs 10000.0 9000.0", "000001@stack.mrcs '10000.0 9000.0'"),
}


@pytest.mark.parametrize("what", LOST_LINES)
def test_no_line_gets_lost(tmp_path: Path, what: str) -> None:
    path = edited(write_star(tmp_path / "odd.star", changed(PARTICLES, note=["x", "y", "z"])), *LOST_LINES[what])
    with pytest.raises(InputError, match=r"odd\.star"):
        read_particles(path)


def test_rows_swallowed_by_two_stray_quotes_are_noticed(tmp_path: Path) -> None:
    notes = changed(PARTICLES, a=['"x', "y", 'z"'])
    with pytest.raises(InputError, match=r"odd\.star"):
        read_particles(write_star(tmp_path / "odd.star", notes))


def test_quoted_cells_and_comments_are_read(tmp_path: Path) -> None:
    path = write_star(tmp_path / "a.star", changed(PARTICLES, note=["'a # b'", '"c d"', "e"]))
    table = read_particles(edited(path, "-30.0 1 e", "-30.0 1 e  # the last"))
    np.testing.assert_array_equal(table.defocus_angle_radian, np.radians([45.0, 90.0, -30.0]))


@pytest.mark.parametrize("name", ["1e30@stack.mrcs", "9223372036854775809@stack.mrcs", "1@" + "y" * 300 + ".mrcs"])
def test_impossible_image_names_are_named(tmp_path: Path, name: str) -> None:
    path = write_star(tmp_path / "bad.star", changed(PARTICLES, rlnImageName=[name] * 3))
    with pytest.raises(InputError, match=r"bad\.star"):
        read_particles(path)


@pytest.mark.parametrize("label", ["rlnDefocusU", "rlnDefocusAngle", "rlnPhaseShift", "rlnCtfBfactor", "rlnVoltage"])
@pytest.mark.parametrize("cell", ["1e308", "-1e308"])
def test_numbers_of_no_microscope_are_named(tmp_path: Path, label: str, cell: str) -> None:
    path = write_star(tmp_path / "bad.star", changed(PARTICLES, **{label: [1, cell, 1]}), without(OPTICS, label))
    with pytest.raises(InputError, match=r"bad\.star: particle row [01] "):
        read_particles(path)


def test_damage_cannot_break_or_flood_the_message(tmp_path: Path) -> None:
    cell = "\x1b[2J\x00\x85" + "9" * 5000 + "x"
    with pytest.raises(InputError, match=r"particle row 1 .*rlnDefocusU") as caught:
        read_particles(write_star(tmp_path / "bad.star", changed(PARTICLES, rlnDefocusU=[1e4, cell, 1e4])))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", ["absent.star", "particles.csv", "absent.cs"])
def test_absent_or_unknown_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        read_particles(tmp_path / name)


def test_half_sets(tmp_path: Path) -> None:
    path = write_star(tmp_path / "a.star", changed(PARTICLES, rlnRandomSubset=[1, 2, 2]))
    np.testing.assert_array_equal(read_particles(path).random_subset, [1, 2, 2])


def test_half_sets_that_are_none_warn(tmp_path: Path) -> None:
    path = write_star(tmp_path / "a.star", changed(PARTICLES, rlnRandomSubset=[0, 0, 0]))
    with pytest.warns(UserWarning, match=r"a\.star.*rlnRandomSubset"):
        assert read_particles(path).random_subset is None


def test_poses_with_pixel_origins(tmp_path: Path) -> None:
    angles = {f"rlnAngle{name}": [10.0, 20.0, 30.0] for name in ("Rot", "Tilt", "Psi")}
    particles = changed(STAR30, **angles, rlnOriginX=[1.0, 2.0, 3.0], rlnOriginY=[0.0, -1.0, 4.0])
    (tmp_path / "stack.mrcs").unlink()
    poses = read_poses_star(write_star30(tmp_path / "a.star", particles))
    np.testing.assert_allclose(poses.shift_angstrom, [[1.5, 0], [3.0, -1.5], [4.5, 6.0]])
    assert bool(torch.isnan(known(poses.score)).all())


def test_poses_without_angles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.star.*rlnAngleRot"):
        read_poses_star(write_star(tmp_path / "a.star"))


def test_several_particle_blocks(tmp_path: Path) -> None:
    path = tmp_path / "two.star"
    path.write_text(star_text(one=STAR30, two=STAR30))
    with pytest.raises(InputError, match=r"two\.star: several blocks"):
        read_particles(path)


@pytest.mark.data
def test_aspire_variants_agree(data_folder: Path) -> None:
    """Row 14 of the 3.1 file repeats row 13, and the two files give different pixel sizes."""
    folder = data_folder / "formats/aspire"
    old = read_particles(folder / "sample_particles_relion30.star")
    new = read_particles(folder / "sample_particles_relion31.star")
    for name in (*CTF_OF_TABLE, "optics_group", "frame_index", "box_size"):
        np.testing.assert_allclose(getattr(old, name), getattr(new, name), err_msg=name)
    np.testing.assert_allclose(old.pixel_size_angstrom, 1e4 * 5 / 37369.207031)
    np.testing.assert_array_equal(new.pixel_size_angstrom, 1.4)
    rows = np.delete(np.arange(17), 14)
    old_poses = read_poses_star(folder / "sample_particles_relion30.star")
    new_poses = read_poses_star(folder / "sample_particles_relion31.star")
    np.testing.assert_allclose(old_poses.rotation[rows], new_poses.rotation[rows])
    # The two files hold the same numbers under rlnOriginX (pixels) and rlnOriginXAngst (angstrom).
    np.testing.assert_allclose(
        old_poses.shift_angstrom.numpy()[rows] / old.pixel_size_angstrom[rows, None], new_poses.shift_angstrom[rows]
    )


@pytest.mark.data
@pytest.mark.parametrize("name", ["relion31.star", "relion31.v2.star"])
def test_star_wins_over_the_header(data_folder: Path, name: str) -> None:
    table = read_particles(data_folder / "formats/relion31" / name)
    np.testing.assert_array_equal(table.pixel_size_angstrom, 2.806)
    np.testing.assert_array_equal(table.spherical_aberration_millimetre, 0.01)
    assert table.box_size == 256


@pytest.mark.data
def test_trpv1_with_its_dotted_stack_and_group_7(data_folder: Path) -> None:
    table = read_particles(data_folder / "formats/trpv1/trpv1_small_stack.star")
    assert table.stack_paths[0].name == "batch_0_restacked.mrc"
    np.testing.assert_array_equal(table.optics_group, 0)
    np.testing.assert_array_equal(table.pixel_size_angstrom, 4.88)


def test_groups_without_their_table_are_read_where_nothing_is_missing(tmp_path: Path) -> None:
    particles = changed(STAR30, rlnVoltage=[300.0] * 3, rlnOpticsGroup=[1, 1, 4])
    table = read_particles(write_star30(tmp_path / "a.star", particles))
    np.testing.assert_allclose(table.pixel_size_angstrom, 1.5)
    np.testing.assert_array_equal(table.voltage_kilovolt, 300)
    np.testing.assert_array_equal(table.optics_group, [0, 0, 1])


def test_a_value_that_only_the_groups_table_could_give_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no_voltage.star"
    write_star30(path, {**without(STAR30, "rlnVoltage"), "rlnOpticsGroup": [1, 1, 1]})
    with pytest.raises(InputError, match=r"no_voltage\.star: there is no data_optics.*rlnVoltage"):
        read_particles(path)


def test_groups_without_their_table_are_named(tmp_path: Path) -> None:
    path = tmp_path / "no_optics.star"
    path.write_text(star_text(particles=PARTICLES))
    with pytest.raises(InputError, match=r"no_optics\.star: there is no data_optics"):
        read_particles(path)
