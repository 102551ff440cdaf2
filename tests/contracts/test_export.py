"""Poses out of a finished run, for both programs, from both kinds of input."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import starfile
from scipy.spatial.transform import Rotation

from cryofifa import Config, reconstruct
from cryofifa.cli import main
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.small_sets import simulated_particles

SMALL = Config().changed(
    starts={"count": 1, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 60, "fewest_epochs": 2},
    search={"orientations": 60},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stack where only --datadir leads."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def star_run(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A run on some rows of a STAR file, in another order; its images are dark and lie elsewhere."""
    project = tmp_path_factory.mktemp("project")
    star = simulated_particles(project, particles=40, box=24, pixel_size_angstrom=8.0)
    star.with_suffix(".mrcs").rename(images / "particles.mrcs")
    (project / "rows.txt").write_text(" ".join(map(str, range(39, 4, -1))))
    reconstruct(
        star,
        project / "run",
        data_folder=images,
        rows_file=project / "rows.txt",
        config=SMALL.changed(invert=True),
    )
    return project / "run"


@pytest.fixture(scope="module")
def cs_run(star_run: Path, images: Path) -> Path:
    """A run on some rows of what the first run exported for cryoSPARC."""
    project = star_run.parent
    assert main(["export", str(star_run), "--format", "cs"]) == 0
    (project / "some.txt").write_text("3 1 7 5 30 20 11 12 13 14 15 16 17 18 19 2")
    reconstruct(
        star_run / "exported_particles.cs",
        project / "second",
        data_folder=images,
        rows_file=project / "some.txt",
        config=SMALL,
    )
    return project / "second"


def assert_same_poses(star: Path, cs: Path) -> None:
    particles, records = starfile.read(star, always_dict=True)["particles"], np.load(cs, allow_pickle=False)
    angles = particles[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)
    from_star = Rotation.from_euler("ZYZ", angles, degrees=True)
    difference = Rotation.from_rotvec(records["alignments3D/pose"]) * from_star.inv()
    assert len(records) == len(particles) > 10
    assert np.degrees(difference.magnitude()).max() < 1e-3
    shift = records["alignments3D/shift"] * records["alignments3D/psize_A"][:, None]
    np.testing.assert_allclose(shift, particles[["rlnOriginXAngst", "rlnOriginYAngst"]], atol=1e-4)
    np.testing.assert_array_equal(records["alignments3D/split"] + 1, particles["rlnRandomSubset"])
    number, _, name = zip(*(name.partition("@") for name in particles["rlnImageName"]), strict=True)
    assert [int(one) - 1 for one in number] == records["blob/idx"].tolist()
    stacks = {os.path.normpath(star.parent / one) for one in name}
    assert stacks == {os.path.normpath(cs.parent / one.decode()) for one in records["blob/path"]}


@pytest.mark.usefixtures("cs_run")  # exports it
def test_a_star_run_goes_to_cryosparc(star_run: Path, images: Path):
    exported = star_run / "exported_particles.cs"
    assert_same_poses(star_run / "particles.star", exported)
    table, given = read_particles(exported, images), read_particles(star_run / "particles.star", images)
    np.testing.assert_allclose(table.defocus_u_angstrom, given.defocus_u_angstrom, rtol=1e-6)
    np.testing.assert_array_equal(table.contrast_sign, -1)  # the run was told --invert
    assert not (star_run / "particles.cs").exists()


def test_a_cs_run_leaves_a_cs_file_with_all_that_it_was_given(cs_run: Path):
    assert_same_poses(cs_run / "particles.star", cs_run / "particles.cs")
    given, found = (
        np.load(path, allow_pickle=False)
        for path in (cs_run.parent / "run" / "exported_particles.cs", cs_run / "particles.cs")
    )
    rows = [int(row) for row in (cs_run.parent / "some.txt").read_text().split()]
    for name in given.dtype.names or ():
        if not name.startswith("alignments3D/"):
            np.testing.assert_array_equal(found[name], given[name][rows])


@pytest.mark.parametrize("run", ["star_run", "cs_run"])
@pytest.mark.parametrize("file_format", ["star", "cs"])
def test_both_formats_from_both_inputs(
    run: str, file_format: str, request: pytest.FixtureRequest, images: Path, tmp_path: Path
):
    folder: Path = request.getfixturevalue(run)
    output = tmp_path / f"out.{file_format}"
    assert main(["export", str(folder), "--format", file_format, "-o", str(output)]) == 0
    if file_format == "star":
        written, found = (starfile.read(path, always_dict=True) for path in (output, folder / "particles.star"))
        for block, columns in found.items():
            assert (
                written[block]
                .drop(columns="rlnImageName", errors="ignore")
                .equals(columns.drop(columns="rlnImageName", errors="ignore"))
            )
    else:
        assert_same_poses(folder / "particles.star", output)
    assert len(read_particles(output, images)) == (35 if run == "star_run" else 16)
    assert {file.name for file in tmp_path.iterdir()} == {output.name, *(["out.csg"] if file_format == "cs" else [])}


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["set"], "set: is no finished run"),
        (["run", "-o", "set/particles.star"], "is the run's input"),
        (["run", "--kept", "-o", "run/particles.star"], "is a result of the run"),
        (["run", "--paths-from", "absent"], "absent: is no folder"),
        (["run", "-o", "poses.cs"], "poses.cs: a star file is asked for"),
        (["run", "-o", "absent/poses.star"], "absent/poses.star: the folder does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    wanted: str,
    star_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(star_run.parent)
    before = {path: path.stat().st_mtime_ns for path in star_run.parent.rglob("*")}
    assert main(["export", *arguments, "--format", "star"]) == 2
    assert_one_line(capsys, wanted)
    assert {path: path.stat().st_mtime_ns for path in star_run.parent.rglob("*")} == before


def test_aberrations_left_behind_are_told(star_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    before = star_run / "particles.star"
    blocks = starfile.read(before, always_dict=True)
    blocks["optics"]["rlnBeamTiltX"] = 0.2
    text = before.read_text()
    try:
        starfile.write(blocks, before)
        assert main(["export", str(star_run), "--format", "cs", "-o", str(tmp_path / "out.cs")]) == 0
    finally:
        before.write_text(text)
    told = capsys.readouterr().err.splitlines()
    assert all(line.startswith("warning: ") for line in told)
    # a run as short as this one has not converged, which is said too
    assert [("rlnBeamTiltX" in line, "not converged" in line) for line in told] == [(False, True), (True, False)]


@pytest.mark.parametrize("run", ["star_run", "cs_run"])
def test_kept_particles_alone_are_exported_where_asked_for(
    run: str, request: pytest.FixtureRequest, images: Path, tmp_path: Path
):
    folder: Path = request.getfixturevalue(run)
    # as if the run had found junk
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    kept = starfile.read(copy / "kept.star", always_dict=True)
    kept["particles"] = kept["particles"].iloc[::2]
    starfile.write(kept, copy / "kept.star", overwrite=True)
    for file_format in ("star", "cs") if run == "star_run" else ("star",):
        output = tmp_path / f"kept.{file_format}"
        assert main(["export", str(copy), "--format", file_format, "--kept", "-o", str(output)]) == 0
        assert len(read_particles(output, images)) == len(kept["particles"])


@pytest.mark.parametrize("options", [[], ["--absolute-paths"], ["--paths-from", "project"]])
def test_exported_images_open_from_where_it_is_said(
    options: list[str], star_run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(star_run), "--format", "star", "--kept", *options]) == 0
    names = starfile.read(star_run / "exported_kept.star", always_dict=True)["particles"]["rlnImageName"]
    stacks = {name.split("@")[1] for name in names}
    monkeypatch.chdir(tmp_path if "--absolute-paths" in options else tmp_path / "project" if options else star_run)
    assert [Path(stack).samefile(images / "particles.mrcs") for stack in stacks] == [True]
    assert all(os.path.isabs(stack) for stack in stacks) == ("--absolute-paths" in options)


def test_a_run_opens_where_it_lies(star_run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("particles.star", "kept.star"):
        assert read_particles(star_run / name).stack_paths[0].samefile(images / "particles.mrcs")


def test_kept_cs_holds_the_particles_of_kept_star(cs_run: Path):
    everyone, kept = (np.load(cs_run / name, allow_pickle=False) for name in ("particles.cs", "kept.cs"))
    assert kept.dtype == everyone.dtype
    names = starfile.read(cs_run / "kept.star", always_dict=True)["particles"]["rlnImageName"]
    whole = starfile.read(cs_run / "particles.star", always_dict=True)["particles"]["rlnImageName"]
    np.testing.assert_array_equal(kept, everyone[whole.isin(names).to_numpy()])
