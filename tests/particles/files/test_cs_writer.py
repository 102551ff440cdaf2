"""Poses and particles as cryoSPARC reads them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from cryofifa.errors import InputError
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_star
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.poses import Poses, known
from cryofifa_testkit.particle_files import (
    CTF_OF_TABLE,
    OPTICS,
    PARTICLES,
    cs_records,
    some_poses,
    write_cs,
    write_star,
    write_star30,
)

pytestmark = pytest.mark.usefixtures("stack")

# What cryoSPARC's own files have (listed in the tutorials of programs that read them).
CRYOSPARC_TYPES = {
    "uid": "<u8",
    "blob/idx": "<u4",
    "blob/psize_A": "<f4",
    "ctf/df1_A": "<f4",
    "ctf/exp_group_id": "<u4",
    "alignments3D/split": "<u4",
    "alignments3D/shift": ("<f4", (2,)),
    "alignments3D/pose": ("<f4", (3,)),
    "alignments3D/psize_A": "<f4",
    "alignments3D/class": "<u4",
    "alignments3D/class_posterior": "<f4",
    "alignments3D/alpha": "<f4",
    "alignments3D/error": "<f4",
}
TWO_GROUPS = {**{label: column * 2 for label, column in OPTICS.items()}, "rlnOpticsGroup": [5, 2]}
TWO_GROUPS |= {"rlnImagePixelSize": [1.5, 1.25], "rlnVoltage": [300.0, 200.0], "rlnAmplitudeContrast": [0.1, 0.07]}
RICH = {**PARTICLES, "rlnOpticsGroup": [2, 5, 2], "rlnPhaseShift": [90.0, 0.0, 10.0]}
RICH |= {"rlnCtfBfactor": [0.0, 40.0, 80.0], "rlnCtfScalefactor": [1.0, 0.9, 1.1]}


def written(path: Path, table: ParticleTable, poses: Poses | None = None) -> np.ndarray:
    write_particles_cs(path, table, some_poses(len(table)) if poses is None else poses)
    return np.load(path, allow_pickle=False)


def assert_has_poses(records: np.ndarray, poses: Poses) -> None:
    for (x, y, z), rotation in zip(records["alignments3D/pose"], poses.rotation, strict=True):
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=np.float64)
        np.testing.assert_allclose(expm(cross).T, rotation, atol=1e-6)
    shift = records["alignments3D/shift"] * records["alignments3D/psize_A"][:, None]
    np.testing.assert_allclose(shift, poses.shift_angstrom, atol=1e-6)
    np.testing.assert_array_equal(records["alignments3D/split"] + 1, known(poses.half))


def assert_same_optics(back: ParticleTable, table: ParticleTable) -> None:
    for name in (*CTF_OF_TABLE, "pixel_size_angstrom"):
        np.testing.assert_allclose(getattr(back, name), getattr(table, name), rtol=1e-6, err_msg=name)
    for name in ("box_size", "frame_index", "contrast_sign", "stack_paths", "stack_index"):
        np.testing.assert_array_equal(getattr(back, name), getattr(table, name), err_msg=name)
    groups = set(zip(back.optics_group, table.optics_group, strict=True))
    assert len(groups) == len(set(back.optics_group)) == len(set(table.optics_group))


def test_cs_says_which_contrast_was_meant(tmp_path: Path) -> None:
    for name, sign in (("bright", 1.0), ("dark", -1.0)):
        records = cs_records(**{"blob/sign": np.full(3, sign, dtype=np.float32)})
        table = read_particles(write_cs(tmp_path / f"{name}.cs", records))
        np.testing.assert_array_equal(written(tmp_path / "as-given.cs", table)["blob/sign"], sign)
        np.testing.assert_array_equal(written(tmp_path / "inverted.cs", table.inverted())["blob/sign"], -sign)
        assert (read_particles(tmp_path / "inverted.cs").contrast_sign == -sign).all()


def test_cs_keeps_every_field_and_gets_the_poses(tmp_path: Path) -> None:
    records = cs_records(
        **{
            "alignments3D/pose": np.ones((3, 3)),  # not cryoSPARC's type
            "alignments3D/psize_A": np.full(3, 4.5, dtype=np.float32),  # of a binned alignment
            "alignments3D/localpose": np.ones((3, 3), dtype=np.float32),  # belongs to the old pose
            "alignments2D/class": np.arange(3, dtype=np.uint32),
            "made/up": np.array(["a", "b", "c"]),
        }
    )
    table = read_particles(write_cs(tmp_path / "a.cs", records)).select(np.array([2, 0]))
    found = written(tmp_path / "out.cs", table)
    for name in records.dtype.names or ():
        assert name in (found.dtype.names or ())
        if not name.startswith("alignments3D/"):
            assert found.dtype[name] == records.dtype[name]
            np.testing.assert_array_equal(found[name], records[name][[2, 0]])
    assert_has_poses(found, some_poses(2))
    np.testing.assert_array_equal(found["alignments3D/psize_A"], found["blob/psize_A"])
    np.testing.assert_array_equal(found["alignments3D/localpose"], 0)
    back = read_particles(tmp_path / "out.cs")
    np.testing.assert_array_equal(back.random_subset, known(some_poses(2).half))
    assert_same_optics(back, table)


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_star_comes_back_from_cs(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.star"
    table = read_particles(write_star30(path) if version == "3.0" else write_star(path, RICH, TWO_GROUPS))
    found = written(tmp_path / "out.cs", table)
    assert_has_poses(found, some_poses())
    assert_same_optics(read_particles(tmp_path / "out.cs"), table)


def test_types_are_cryosparcs(tmp_path: Path) -> None:
    found = written(tmp_path / "out.cs", read_particles(write_star(tmp_path / "a.star")))
    for name, dtype in CRYOSPARC_TYPES.items():
        assert found.dtype[name] == np.dtype(dtype), name


def test_a_higher_score_is_a_lower_error_and_an_unknown_one_none(tmp_path: Path) -> None:
    table, poses = read_particles(write_star(tmp_path / "a.star")), some_poses()
    known(poses.score)[:] = torch.tensor([0.5, np.nan, 2.0])
    error = written(tmp_path / "out.cs", table, poses)["alignments3D/error"]
    np.testing.assert_array_equal(np.argsort(error), [2, 0, 1])
    assert np.isfinite(error).all()


def test_uid_belongs_to_the_image(tmp_path: Path) -> None:
    names = ["1@./stack.mrcs", "000003@stack.mrcs", "000001@stack.mrcs"]
    star = write_star(tmp_path / "a.star", {**PARTICLES, "rlnImageName": names})
    table = read_particles(star)
    uid = written(tmp_path / "a.cs", table)["uid"]
    assert len(set(uid)) == 3  # one image is there twice
    backwards = written(tmp_path / "b.cs", table.select(np.array([1, 0])))["uid"]
    np.testing.assert_array_equal(backwards, uid[[1, 0]])


def test_uid_of_the_star_is_kept(tmp_path: Path) -> None:
    uid = [2**64 - 1, 2**63 + 1, 7]
    table = read_particles(write_star(tmp_path / "a.star", {**PARTICLES, "ucsfUid": uid}))
    assert written(tmp_path / "a.cs", table)["uid"].tolist() == uid


@pytest.mark.parametrize("given", [["7", "7", "8"], ["1", "2", "none"], ["-1", "2", "3"]])
def test_uid_that_is_none_is_replaced(tmp_path: Path, given: list[str]) -> None:
    table = read_particles(write_star(tmp_path / "a.star", {**PARTICLES, "ucsfUid": given}))
    replaced = written(tmp_path / "a.cs", table)["uid"].tolist()
    assert len(set(replaced)) == 3
    assert not {7, 2} & set(replaced)


def test_aberrations_left_behind_are_named(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    none = {**OPTICS, "rlnBeamTiltX": ["0.000"], "rlnMagMat00": ["1.0"]}
    written(tmp_path / "a.cs", read_particles(write_star(tmp_path / "a.star", optics=none)))
    assert not recwarn.list
    some = {**OPTICS, "rlnOddZernike": ["[0.1,0.2]"]}
    with pytest.warns(UserWarning, match=r"b\.star: rlnOddZernike is not carried over"):
        written(tmp_path / "b.cs", read_particles(write_star(tmp_path / "b.star", optics=some)))


def test_table_without_its_stacks(tmp_path: Path) -> None:
    with_stacks = read_particles(write_star(tmp_path / "a.star", RICH, TWO_GROUPS))
    (tmp_path / "stack.mrcs").unlink()
    found = written(tmp_path / "a.cs", read_star(tmp_path / "a.star", find_stacks=False))
    np.testing.assert_array_equal(found, written(tmp_path / "b.cs", with_stacks))
    np.testing.assert_array_equal(found["blob/shape"], 8)


def test_poses_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    table, unknown_half = read_particles(write_star(tmp_path / "a.star")), some_poses()
    known(unknown_half.half)[1] = 0
    with pytest.raises(ValueError, match="2 poses for 3"):
        write_particles_cs(tmp_path / "out.cs", table, some_poses(2))
    with pytest.raises(ValueError, match="half set"):
        write_particles_cs(tmp_path / "out.cs", table, unknown_half)
    assert not (tmp_path / "out.cs").exists()


def test_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = read_particles(write_star(tmp_path / "a.star"))
    (tmp_path / "out.cs").write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disc full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="disc full"):
        write_particles_cs(tmp_path / "out.cs", table, some_poses())
    assert (tmp_path / "out.cs").read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"a.star", "out.cs", "stack.mrcs"}


@pytest.mark.data
def test_empiar10076_is_the_same_from_star_as_from_cs(data_folder: Path, tmp_path: Path) -> None:
    """cryoSPARC's own file is the oracle for the fields made of a STAR file."""
    folder = data_folder / "formats/empiar10076"
    given = np.load(folder / "empiar_10076_7.cs", allow_pickle=False)
    from_cs = written(tmp_path / "a.cs", read_particles(folder / "empiar_10076_7.cs"))
    from_star = written(tmp_path / "b.cs", read_particles(folder / "empiar_10076_7.star"))
    for name in given.dtype.names or ():
        np.testing.assert_array_equal(from_cs[name], given[name])
        assert from_star.dtype[name].base.kind == given.dtype[name].base.kind, name
        assert from_star.dtype[name].shape == given.dtype[name].shape, name
        # a STAR file knows no uid and signature, no sign, and another numbering of groups
        if name == "blob/path":
            assert {Path(path.decode()) for path in from_star[name]} == {folder.resolve() / given[name][0].decode()}
        elif name == "ctf/type":
            np.testing.assert_array_equal(from_star[name], given[name])
        elif name not in ("uid", "blob/import_sig", "blob/sign", "ctf/exp_group_id"):
            np.testing.assert_allclose(from_star[name], given[name], rtol=1e-6, err_msg=name)
    assert_has_poses(from_cs, some_poses(7))
    assert_has_poses(from_star, some_poses(7))
