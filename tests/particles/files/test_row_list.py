"""A list of rows chooses particles, in its own order."""

from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.particle_files import (
    PARTICLES,
    changed,
    write_star,
)

pytestmark = pytest.mark.usefixtures("stack")


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
def test_row_list_keeps_its_order(tmp_path: Path, suffix: str) -> None:
    rows_file = tmp_path / f"rows{suffix}"
    if suffix == ".npy":
        np.save(rows_file, np.array([2, 0]))
    else:
        rows_file.write_text("# wanted\n2\n0\n")
    table = read_particles(write_star(tmp_path / "a.star"), rows_file=rows_file)
    np.testing.assert_array_equal(table.row, [2, 0])
    np.testing.assert_array_equal(table.frame_index, [1, 0])
    np.testing.assert_array_equal(table.select(np.array([1])).row, [0])


@pytest.mark.parametrize("text", ["", "3", "-1", "0 0", "1.5", "x"])
def test_bad_row_list_is_named(tmp_path: Path, text: str) -> None:
    rows_file = tmp_path / "rows.txt"
    rows_file.write_text(text)
    with pytest.raises(InputError, match=r"rows\.txt"):
        read_particles(write_star(tmp_path / "a.star"), rows_file=rows_file)


@pytest.mark.parametrize("rows", [np.array([0.0, 1.0]), np.array([[0]]), np.array([0, None])])
def test_bad_row_array_is_named(tmp_path: Path, rows: np.ndarray) -> None:
    np.save(tmp_path / "rows.npy", rows, allow_pickle=True)
    with pytest.raises(InputError, match=r"rows\.npy"):
        read_particles(write_star(tmp_path / "a.star"), rows_file=tmp_path / "rows.npy")


def test_rows_left_out_may_be_broken(tmp_path: Path) -> None:
    particles = changed(
        PARTICLES,
        rlnDefocusU=[1e4, "nan", 1e4],
        rlnImageName=["1@stack.mrcs", "1@absent.mrcs", "2@stack.mrcs"],
    )
    (tmp_path / "rows.txt").write_text("0 2")
    path = write_star(tmp_path / "a.star", particles)
    assert len(read_particles(path, rows_file=tmp_path / "rows.txt")) == 2
