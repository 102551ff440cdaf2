"""Stacks are found where RELION and cryoSPARC leave them, and never one for another."""

from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.particle_files import (
    PARTICLES,
    changed,
    write_stack,
    write_star,
)

pytestmark = pytest.mark.usefixtures("stack")


@pytest.mark.parametrize("name", ["stack.mrcs", "./stack.mrcs", ">stack.mrcs", ">./stack.mrcs"])
def test_prefixes_of_stack_names(tmp_path: Path, name: str) -> None:
    particles = changed(PARTICLES, rlnImageName=[f"{i}@{name}" for i in (1, 2, 3)])
    assert read_particles(write_star(tmp_path / "a.star", particles)).stack_paths[0].samefile(tmp_path / "stack.mrcs")


def test_stacks_below_a_relion_project_root(tmp_path: Path) -> None:
    write_stack(tmp_path / "Extract/job1/mic.mrcs")
    particles = changed(PARTICLES, rlnImageName=[f"{i}@Extract/job1/mic.mrcs" for i in (1, 2, 3)])
    path = write_star(tmp_path / "Select/job2/particles.star", particles)
    assert read_particles(path).stack_paths == (tmp_path / "Extract/job1/mic.mrcs",)


def test_stacks_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(tmp_path / "here/mic.mrcs")
    monkeypatch.chdir(tmp_path / "here")
    particles = changed(PARTICLES, rlnImageName=["1@mic.mrcs", "2@mic.mrcs", "3@mic.mrcs"])
    path = write_star(tmp_path / "there/a.star", particles)
    assert read_particles(path).stack_paths[0].samefile(tmp_path / "here/mic.mrcs")


def test_data_folder_whole_name_then_bare_name(tmp_path: Path) -> None:
    images = ["1@job1/a.mrcs", "1@job2/b.mrcs", "1@job1/a.mrcs"]
    path = write_star(tmp_path / "a.star", changed(PARTICLES, rlnImageName=images))
    write_stack(tmp_path / "data/job1/a.mrcs")
    write_stack(tmp_path / "data/a.mrcs")
    write_stack(tmp_path / "data/b.mrcs")
    table = read_particles(path, tmp_path / "data")
    assert table.stack_paths == (tmp_path / "data/job1/a.mrcs", tmp_path / "data/b.mrcs")
    np.testing.assert_array_equal(table.stack_index, [0, 1, 0])


def test_two_stacks_of_one_bare_name_are_never_mixed_up(tmp_path: Path) -> None:
    images = ["1@job1/a.mrcs", "1@job2/a.mrcs", "2@job1/a.mrcs"]
    path = write_star(tmp_path / "a.star", changed(PARTICLES, rlnImageName=images))
    write_stack(tmp_path / "data/a.mrcs")
    with pytest.raises(InputError, match=r"a\.star.*job1/a\.mrcs.*job2/a\.mrcs"):
        read_particles(path, tmp_path / "data")


def test_absent_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.*--datadir"):
        read_particles(write_star(tmp_path / "a.star"), tmp_path / "nowhere")
