"""STAR files that are written hold every cell as it was, for RELION and for outside readers."""

from pathlib import Path

import pandas as pd
import pytest
import starfile

from cryofifa.errors import InputError
from cryofifa.particles.files.star_tables import read_star_tables
from cryofifa.particles.files.star_tables_writer import write_star_tables

CELLS = ["a", "a b", "#x", "mic#0", '"q', 'q"', "'s", "it's", "", "x@y", "é", "0001", "nan"]


def test_cells_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    table = pd.DataFrame({"name": CELLS, "last": CELLS[::-1]})
    write_star_tables(path, {"list": {"one": "x y", "two": ""}, "particles": table})
    tables, _ = read_star_tables(path)
    assert tables["list"] == {"one": "x y", "two": ""}
    read = tables["particles"]
    assert isinstance(read, pd.DataFrame)
    assert read.to_dict("list") == table.to_dict("list")


def test_starfile_reads_numbers_and_names(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    table = pd.DataFrame({"word": ["a b", "c"], "whole": [2**53 + 1, -3], "real": [1 / 3, float("nan")]})
    write_star_tables(path, {"particles": table})
    read = pd.DataFrame(starfile.read(path))
    assert read["word"].tolist() == ["a b", "c"]
    assert read["whole"].tolist() == [2**53 + 1, -3]
    assert read["real"].tolist()[0] == pytest.approx(1 / 3, abs=1e-6)
    assert read["real"].isna().tolist() == [False, True]


def test_the_bytes_of_another_encoding_are_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    write_star_tables(path, {"particles": pd.DataFrame({"name": ["mic\xe9.mrc"]})}, "latin-1")
    assert path.read_bytes().splitlines()[-2:] == [b"mic\xe9.mrc", b""]


@pytest.mark.parametrize("cell", ["two\nlines", "both \"kinds\" of 'quotes'"])
def test_a_cell_that_no_star_file_can_hold_is_named(tmp_path: Path, cell: str) -> None:
    with pytest.raises(InputError, match=r"a\.star: .*cannot hold"):
        write_star_tables(tmp_path / "a.star", {"particles": pd.DataFrame({"name": ["x", cell]})})
    assert not (tmp_path / "a.star").exists()
