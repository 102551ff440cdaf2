"""Image names open from the folder that they are written for, by the plain rules of the file system."""

import os
from pathlib import Path

import numpy as np
import pytest

from cryofifa.particles.files.image_names import image_names, path_from
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa_testkit.particle_files import (
    PARTICLES,
    changed,
    cs_records,
    some_poses,
    write_cs,
    write_stack,
    write_star,
)


def stacks_of(star: Path) -> set[str]:
    """What stands behind the '@' in a STAR file."""
    return {line.split("@")[1].split("\t")[0].strip('"') for line in star.read_text().splitlines() if "@" in line}


@pytest.mark.parametrize("folder", ["run", "deep/er/run", ".", "with blank"])
def test_names_open_from_the_folder_of_the_file(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(tmp_path / "set" / "stack.mrcs")
    table = read_particles(write_star(tmp_path / "set" / "a.star"))
    run = tmp_path / folder
    run.mkdir(parents=True, exist_ok=True)
    write_particles_star(run / "particles.star", table, some_poses())
    monkeypatch.chdir(run)  # where RELION looks from
    (name,) = stacks_of(Path("particles.star"))
    assert not os.path.isabs(name)
    assert Path(name).samefile(tmp_path / "set" / "stack.mrcs")
    monkeypatch.chdir(tmp_path)
    assert read_particles(run / "particles.star").stack_paths[0].samefile(tmp_path / "set" / "stack.mrcs")


def test_absolute_names_open_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(tmp_path / "set" / "stack.mrcs")
    monkeypatch.chdir(tmp_path)
    table = read_particles(write_star(Path("set/a.star")), Path("set"))
    write_particles_star(Path("particles.star"), table, some_poses(), absolute_names=True)
    assert stacks_of(tmp_path / "particles.star") == {str(tmp_path / "set" / "stack.mrcs")}


def test_links_lead_where_the_file_system_leads(tmp_path: Path) -> None:
    """From behind a link '..' is the folder that the link leads to, not the one it lies in."""
    write_stack(tmp_path / "disk2" / "data" / "stack.mrcs")
    (tmp_path / "disk1" / "runs").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "run").symlink_to(tmp_path / "disk1" / "runs")
    (tmp_path / "home" / "data").symlink_to(tmp_path / "disk2" / "data")
    (tmp_path / "disk2" / "data" / "own_name.mrcs").symlink_to("stack.mrcs")
    for name in ("stack.mrcs", "own_name.mrcs"):
        found = path_from(tmp_path / "home" / "data" / name, tmp_path / "home" / "run")
        assert Path(found).name == name
        assert (tmp_path / "home" / "run" / found).samefile(tmp_path / "disk2" / "data" / "stack.mrcs")


@pytest.mark.parametrize(
    ("given", "file", "written"),
    [
        ("s.mrcs", "s.mrcs", "s.mrcs"),
        ("s.mrc", "s.mrc", "s.mrc:mrcs"),
        ("s.mrc:mrcs", "s.mrc", "s.mrc:mrcs"),
        ("s.mrcs:mrcs", "s.mrcs", "s.mrcs"),
        ("s.st", "s.st", "s.st:mrcs"),
        ("a:b/s.mrcs", "a:b/s.mrcs", "a:b/s.mrcs:mrcs"),  # else RELION takes b/s.mrcs for the ending
        ("s.mrcs.gz", "s.mrcs", "s.mrcs"),  # unpacked since
    ],
)
def test_relion_reads_a_stack_only_under_the_ending_mrcs(tmp_path: Path, given: str, file: str, written: str) -> None:
    write_stack(tmp_path / file)
    names = [f"{number}@{given}" for number in (1, 3, 2)]
    table = read_particles(write_star(tmp_path / "a.star", changed(PARTICLES, rlnImageName=names)))
    assert table.stack_paths == (tmp_path / file,)
    assert image_names(table, tmp_path).tolist() == [f"00000{number}@{written}" for number in (1, 3, 2)]


def test_stacks_of_cryosparc_are_named_for_relion(tmp_path: Path) -> None:
    write_stack(tmp_path / "J1" / "extract" / "x_particles.mrc")
    records = cs_records(**{"blob/path": np.array([b">J1/extract/x_particles.mrc"] * 3)})
    (tmp_path / "J2").mkdir()
    table = read_particles(write_cs(tmp_path / "J2" / "a.cs", records))
    assert image_names(table, tmp_path / "J2").tolist()[0] == "000003@../J1/extract/x_particles.mrc:mrcs"


@pytest.mark.parametrize("on_disk", ["préparation".encode(), "préparation".encode("latin-1")])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_in_any_encoding_lead_to_their_file(tmp_path: Path, on_disk: bytes, encoding: str) -> None:
    """A file system knows bytes; a STAR file may have been written with others."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + on_disk))
    write_stack(folder / "stack.mrcs")
    names = [f"{number}@préparation/stack.mrcs" for number in (1, 3, 2)]
    star = write_star(tmp_path / "a.star", changed(PARTICLES, rlnImageName=names))
    star.write_bytes(star.read_text().encode(encoding))
    table = read_particles(star)
    assert table.stack_paths[0].samefile(folder / "stack.mrcs")
    write_particles_star(tmp_path / "out.star", table, some_poses())
    assert on_disk + b"/stack.mrcs" in (tmp_path / "out.star").read_bytes()
    assert read_particles(tmp_path / "out.star").stack_paths[0].samefile(folder / "stack.mrcs")
