"""Poses written as STAR: what scipy reads, with every column that was given, or nothing at all."""

import os
from pathlib import Path

import numpy as np
import pytest
import starfile
import torch
from scipy.spatial.transform import Rotation

from cryofifa.errors import InputError
from cryofifa.particles.files import star_writer
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.poses import known
from cryofifa_testkit.particle_files import (
    OPTICS,
    PARTICLES,
    STAR30,
    changed,
    cs_records,
    some_poses,
    write_cs,
    write_star,
    write_star30,
)

pytestmark = pytest.mark.usefixtures("stack")


def test_classes_are_written_as_relion_counts_them(tmp_path: Path) -> None:
    poses, path = some_poses(), tmp_path / "out.star"
    table = read_particles(write_star(tmp_path / "a.star"))
    write_particles_star(path, table, poses)
    assert "rlnClassNumber" not in starfile.read(path)["particles"]
    poses.class_index = torch.tensor([1, 0, 2])
    write_particles_star(path, table, poses)
    assert list(starfile.read(path)["particles"]["rlnClassNumber"]) == [2, 1, 3]


def test_written_poses_are_what_scipy_reads(tmp_path: Path) -> None:
    poses, path = some_poses(), tmp_path / "out.star"
    write_particles_star(path, read_particles(write_star(tmp_path / "a.star")), poses)
    written = starfile.read(path)["particles"]
    angles = written[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy()
    matrix = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(matrix, poses.rotation, atol=1e-6)
    np.testing.assert_allclose(written[["rlnOriginXAngst", "rlnOriginYAngst"]], poses.shift_angstrom, atol=1e-6)
    np.testing.assert_array_equal(written["rlnRandomSubset"], known(poses.half))
    back = read_poses_star(path)
    np.testing.assert_allclose(back.rotation, poses.rotation, atol=1e-6)
    np.testing.assert_allclose(back.score, poses.score, atol=1e-6)


def test_every_input_cell_is_kept_as_it_was(tmp_path: Path) -> None:
    kept = {
        "rlnImageName": ["000001@./stack.mrcs", "3@>stack.mrcs", "000002@stack.mrcs"],
        "someUnknown": ["0001", "1.421115e-09", "None"],
        "ucsfUid": [2**64 - 1, 2**63 + 1, 7],
    }
    optics = changed(OPTICS, rlnOpticsGroup=[12], rlnMtfFileName=["mtf.star"], rlnImagePixelSize=["1.5000001"])
    particles = changed(PARTICLES, **kept, rlnOpticsGroup=[12] * 3, rlnOriginX=[1.0] * 3)
    table = read_particles(write_star(tmp_path / "a.star", particles, optics)).select(np.array([2, 0]))
    write_particles_star(tmp_path / "out.star", table, some_poses(2))
    labels = [*particles, *optics]
    written = starfile.read(tmp_path / "out.star", parse_as_string=labels)
    for label, column in particles.items():
        if label not in ("rlnOriginX", "rlnImageName"):
            assert written["particles"][label].tolist() == [str(column[2]), str(column[0])]
    for label, column in optics.items():
        assert written["optics"][label].tolist() == [str(cell) for cell in column]
    assert written["particles"]["rlnImageName"].tolist() == ["000002@stack.mrcs", "000001@stack.mrcs"]
    assert "rlnOriginX" not in written["particles"]


def test_star30_is_written_as_star31(tmp_path: Path) -> None:
    first = read_particles(write_star30(tmp_path / "a.star", changed(STAR30, rlnOriginX=[2.0] * 3)))
    write_particles_star(tmp_path / "out.star", first, some_poses())
    written = starfile.read(tmp_path / "out.star")
    assert written["optics"]["rlnVoltage"].tolist() == [300, 200]
    np.testing.assert_allclose(written["optics"]["rlnImagePixelSize"], 1.5)
    assert written["optics"]["rlnMagnification"].tolist() == [20000, 20000]
    assert written["particles"]["rlnOpticsGroup"].tolist() == [1, 2, 1]
    assert not {"rlnVoltage", "rlnMagnification", "rlnOriginX"} & set(written["particles"].columns)
    again = read_particles(tmp_path / "out.star")
    for name in ("voltage_kilovolt", "pixel_size_angstrom", "defocus_u_angstrom", "frame_index"):
        np.testing.assert_allclose(getattr(again, name), getattr(first, name))


def test_cs_is_written_as_star31(tmp_path: Path) -> None:
    records = cs_records(
        **{
            "location/micrograph_path": np.array([b">J1/mic.mrc"] * 3),
            "location/micrograph_shape": np.full((3, 2), [100, 200], dtype=np.uint32),
            "location/center_x_frac": np.full(3, 0.25, dtype=np.float32),
            "location/center_y_frac": np.full(3, 0.5, dtype=np.float32),
        }
    )
    write_particles_star(tmp_path / "out.star", read_particles(write_cs(tmp_path / "a.cs", records)), some_poses())
    written = starfile.read(tmp_path / "out.star", parse_as_string=["ucsfUid"])
    particles = written["particles"]
    assert particles["rlnImageName"].tolist() == [f"00000{i}@stack.mrcs" for i in (3, 2, 1)]
    assert particles["ucsfUid"].tolist() == [str(2**63 + 5 + i) for i in range(3)]
    assert particles["rlnMicrographName"].tolist() == ["J1/mic.mrc"] * 3
    np.testing.assert_allclose(particles["rlnCoordinateX"], 50)
    np.testing.assert_allclose(particles["rlnCoordinateY"], 50)
    np.testing.assert_allclose(particles["rlnPhaseShift"], np.degrees(0.25), atol=1e-5)
    np.testing.assert_allclose(written["optics"]["rlnSphericalAberration"], 2.75)


def test_relion_selects_by_a_label_of_its_own(tmp_path: Path) -> None:
    """RELION lets NaN through every limit: a particle without a score must not pass for a good one."""
    poses, path = some_poses(), tmp_path / "out.star"
    known(poses.score)[:] = torch.tensor([0.5, np.nan, 2.0])
    write_particles_star(path, read_particles(write_star(tmp_path / "a.star")), poses)
    written = starfile.read(path)["particles"]
    assert written["rlnParticleFigureOfMerit"].tolist() == [0.5, 0.0, 2.0]
    assert np.isnan(written["cryofifaScore"].tolist()[1])


def test_poses_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 poses for 3"):
        write_particles_star(tmp_path / "o.star", read_particles(write_star(tmp_path / "a.star")), some_poses(2))


@pytest.mark.parametrize("step", ["write", "os.replace"])
def test_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    table = read_particles(write_star(tmp_path / "a.star"))
    (tmp_path / "out.star").write_text("old")

    def fail(*arguments: object, **_: object) -> None:
        if step == "write":
            Path(str(arguments[0])).write_text("half")
        raise OSError("disc full")

    monkeypatch.setattr(*((star_writer, "write_star_tables") if step == "write" else (os, "replace")), fail)
    with pytest.raises(InputError, match="disc full"):
        write_particles_star(tmp_path / "out.star", table, some_poses())
    assert (tmp_path / "out.star").read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"a.star", "out.star", "stack.mrcs"}
