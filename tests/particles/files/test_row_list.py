"""A list of rows chooses particles, in its own order."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.row_list import chosen_rows
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


@pytest.mark.parametrize(
    "text", ["", "3", "-1", "0 0", "1.5", "x", "1e400", "nan", "9" * 400, "a\nb\n1", "id,row\n0,1"]
)
def test_bad_row_list_is_named(tmp_path: Path, text: str) -> None:
    rows_file = tmp_path / "rows.txt"
    rows_file.write_text(text)
    with pytest.raises(InputError, match=r"rows\.txt"):
        read_particles(write_star(tmp_path / "a.star"), rows_file=rows_file)


WANTED = np.array([2, 0])
TEXTS = {
    "lines": "2\n0\n",
    "windows": "2\r\n0\r\n",
    "savetxt": "2.000000000000000000e+00\n0.000000000000000000e+00\n",
    "commas": "2,0",
    "lines of commas": "2,\n0,\n",
    "list": "[2, 0]\n",
    "title": "row\n2\n0\n",
    "quoted title": '"row"\n"2"\n"0"\n',
    "comment": "# of a picker\n2 # good\n0",
}


@pytest.mark.parametrize("what", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_that_people_have(tmp_path: Path, what: str, encoding: str) -> None:
    (tmp_path / "rows.csv").write_bytes(TEXTS[what].encode(encoding))
    np.testing.assert_array_equal(chosen_rows(tmp_path / "rows.csv", 3), WANTED)


@pytest.mark.parametrize("rows", [WANTED, WANTED.astype("u1"), WANTED * 1.0, WANTED[:, None], WANTED[None]])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".dat"])
def test_arrays_that_people_have(tmp_path: Path, rows: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    with path.open("wb") as file:
        np.savez_compressed(file, kept=rows) if suffix == ".npz" else np.save(file, rows)
    np.testing.assert_array_equal(chosen_rows(path, 3), WANTED)


@pytest.mark.parametrize("write", ["npy", "0 or 1", "words"])
def test_a_mask_has_one_value_per_particle(tmp_path: Path, write: str) -> None:
    path, mask = tmp_path / "mask", np.array([False, True, True, False, True])
    if write == "npy":
        np.save(path.with_suffix(".npy"), mask)
        path = path.with_suffix(".npy")
    else:
        path.write_text("\n".join(str(value) if write == "words" else str(int(value)) for value in mask))
    np.testing.assert_array_equal(chosen_rows(path, 5), [1, 2, 4])
    with pytest.raises(InputError, match="mask"):
        chosen_rows(path, 6)


def test_a_pickle_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "ind.pkl"
    path.write_bytes(pickle.dumps(np.array([0, 1])))
    with pytest.raises(InputError, match=r"ind\.pkl: .*pickle.*numpy\.save"):
        chosen_rows(path, 3)


def test_several_arrays_are_no_row_list(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", a=WANTED, b=WANTED)
    with pytest.raises(InputError, match=r"rows\.npz: .*2 arrays: a, b"):
        chosen_rows(tmp_path / "rows.npz", 3)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_that_claims_terabytes_takes_no_memory(tmp_path: Path, suffix: str) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (10**13,)})
    path = tmp_path / f"rows{suffix}"
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("rows.npy", header.getvalue() + b"\0" * 16)
    else:
        path.write_bytes(header.getvalue() + b"\0" * 16)
    with pytest.raises(InputError, match=r"rows\.np[yz]: not a row list"):
        chosen_rows(path, 3)


@pytest.mark.parametrize("rows", [np.array([0.5, 1.0]), np.eye(2), np.array([0, None]), np.array(["0"])])
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
