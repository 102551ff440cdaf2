"""STAR files as RELION reads them: what was seen to be read by relion_star_handler 3.1.3, and nothing lost beside."""

from pathlib import Path

import pandas as pd
import pytest
import starfile

from cryofifa.particles.files.star_tables import read_star_tables

PLAIN = """data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
1 300.0


data_particles

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnDefocusU #3
000001@stack.mrcs mic0.mrc 21148.0
000002@stack.mrcs mic1.mrc 18126.5
000003@stack.mrcs mic2.mrc 1e4
"""
ROWS = [
    ["000001@stack.mrcs", "mic0.mrc", "21148.0"],
    ["000002@stack.mrcs", "mic1.mrc", "18126.5"],
    ["000003@stack.mrcs", "mic2.mrc", "1e4"],
]

# Each is read by RELION as the plain file is.
SAME = {
    "plain": (b"", b""),
    "empty line after loop_": (b"loop_\n", b"loop_\n\n"),
    "empty line between labels": (b"_rlnDefocusU", b"\n_rlnDefocusU"),
    "empty line before the rows": (b"DefocusU #3\n", b"DefocusU #3\n \n"),
    "comment between labels": (b"_rlnDefocusU", b"# CTF\n_rlnDefocusU"),
    "remark between labels": (b"_rlnDefocusU", b"; CTF\n_rlnDefocusU"),
    "comment before the rows": (b"DefocusU #3\n", b"DefocusU #3\n# rows\n"),
    "comment at a row's end": (b"18126.5\n", b"18126.5 # good\n"),
    "comment that names a block": (b"data_particles\n", b"# data_particles of loop_\ndata_particles\n"),
    "version above a block": (b"data_particles\n", b"# version 30001\n\ndata_particles\n"),
    "labels without numbers": (b" #3", b""),
    "labels moved in": (b"_rlnDefocusU #3", b"  _rlnDefocusU\t#3  "),
    "rows moved in": (b"000002@", b"  \t000002@"),
    "tabs and blanks": (b" mic1.mrc ", b"\tmic1.mrc \t "),
    "no line break at the end": (b"1e4\n", b"1e4"),
    "UTF-8 with a mark": (b"data_optics", b"\xef\xbb\xbfdata_optics"),
    "quotes that are not needed": (b"mic1.mrc", b"'mic1.mrc'"),
    "an optics group as a list": (
        b"loop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n1 300.0",
        b'_rlnOpticsGroup 1\n_rlnVoltage "300.0" # kV',
    ),
    # RELION reads nothing of these three, or only the rows above.
    "an empty line among rows": (b"000002@", b"\n000002@"),
    "a comment among rows": (b"000002@", b"# more\n000002@"),
    "a comment after a block's name": (b"data_particles", b"data_particles # mine"),
}


def tables_of(path: Path, content: bytes) -> dict[str, pd.DataFrame]:
    path.write_bytes(content)
    tables, _ = read_star_tables(path)
    return {name: one if isinstance(one, pd.DataFrame) else pd.DataFrame([one]) for name, one in tables.items()}


def edited(old: bytes, new: bytes) -> bytes:
    content = PLAIN.encode()
    assert old in content
    return content.replace(old, new, 1)


@pytest.mark.parametrize("what", SAME)
def test_what_relion_reads_is_read(tmp_path: Path, what: str) -> None:
    tables = tables_of(tmp_path / "a.star", edited(*SAME[what]))
    assert list(tables) == ["optics", "particles"]
    assert tables["optics"].to_dict("list") == {"rlnOpticsGroup": ["1"], "rlnVoltage": ["300.0"]}
    assert list(tables["particles"].columns) == ["rlnImageName", "rlnMicrographName", "rlnDefocusU"]
    assert tables["particles"].to_numpy().tolist() == ROWS


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
def test_line_endings_of_other_systems(tmp_path: Path, ending: bytes) -> None:
    tables = tables_of(tmp_path / "a.star", PLAIN.encode().replace(b"\n", ending))
    assert tables["particles"].to_numpy().tolist() == ROWS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings_of_editors(tmp_path: Path, encoding: str) -> None:
    tables = tables_of(tmp_path / "a.star", PLAIN.replace("mic0", "préparation").encode(encoding))
    assert tables["particles"]["rlnMicrographName"].tolist()[0] == "préparation.mrc"


# A cell as RELION keeps it (relion_star_handler writes it again), and as it stands in the file.
CELLS = {
    "mic#0.mrc": "mic#0.mrc",
    "#mic0.mrc": "'#mic0.mrc'",
    "mic'0.mrc": "mic'0.mrc",
    'mic"0".mrc': 'mic"0".mrc',
    "mic 0.mrc": '"mic 0.mrc"',
    "it's mic 0": '"it\'s mic 0"',
    "": '""',
    "data_2/mic0.mrc": "data_2/mic0.mrc",
    "NA": "NA",
    "nan": "nan",
    "0001": "0001",
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("label", ["first", "last"])
def test_cells_are_kept_as_they_are(tmp_path: Path, cell: str, label: str) -> None:
    written = {"first": f"{CELLS[cell]} 1", "last": f"1 {CELLS[cell]}"}[label]
    labels = {"first": ["first", "x"], "last": ["x", "last"]}[label]
    head = f"data_\nloop_\n_{labels[0]}\n_{labels[1]}\n"
    tables = tables_of(tmp_path / "a.star", f"{head}{written}\n{written}\n".encode())
    assert tables[""][label].tolist() == [cell, cell]


def test_a_row_may_begin_as_a_block_does(tmp_path: Path) -> None:
    tables = tables_of(tmp_path / "a.star", edited(b"000002@stack.mrcs", b"data_2/particle.mrcs"))
    assert tables["particles"]["rlnImageName"].tolist()[1] == "data_2/particle.mrcs"


def test_bytes_of_another_encoding_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    path.write_bytes(edited(b"mic1", b"mic\xe9\xff"))
    tables, encoding = read_star_tables(path)
    particles = tables["particles"]
    assert isinstance(particles, pd.DataFrame)
    assert particles["rlnMicrographName"].tolist()[1].encode(encoding) == b"mic\xe9\xff.mrc"


LOST = {
    "a carriage return in a row": (b"000003@", b"000003@stack.mrcs mic 1\r000003@"),
    "a carriage return in a comment": (b"data_particles", b"# a\rcomment\ndata_particles"),
    "a form feed for a blank": (b" mic1.mrc", b"\x0cmic1.mrc"),
    "a blank that is none": (b" mic1.mrc", b"\xc2\xa0mic1.mrc"),
    "a quote that is not closed": (b"mic1.mrc", b"'mic1.mrc"),
    "quotes around two cells": (b"mic1.mrc 18126.5", b"'mic1.mrc 18126.5'"),
    "zeros instead of a row": (b"000003@stack.mrcs mic2.mrc 1e4", b"\0" * 20),
    "words below a list": (b"loop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n", b"_rlnOpticsGroup 1\n"),
    "bytes of no encoding": (b"mic1.mrc", b"mic\xe9\x01.mrc"),
    "a value behind a label of a loop_": (b"_rlnDefocusU #3", b"_rlnDefocusU 3"),
    "a second loop_": (b"000003@", b"\nloop_\n_rlnImageName\n000003@"),
    "rows in no block": (b"data_optics", b""),
    "rows in no block at all": (PLAIN.encode(), b"1@stack.mrcs 1"),
}


@pytest.mark.parametrize("what", LOST)
def test_what_fits_into_no_table_is_named_by_its_line(tmp_path: Path, what: str) -> None:
    with pytest.raises(ValueError, match=r"^line \d+"):
        tables_of(tmp_path / "a.star", edited(*LOST[what]))


def test_the_line_of_a_short_row_is_counted_from_the_top(tmp_path: Path) -> None:
    content = "# made by hand\r\n\r\n" + PLAIN.replace("\n", "\r\n").replace(" 18126.5", "")
    with pytest.raises(ValueError, match=f"line {content.splitlines().index('000002@stack.mrcs mic1.mrc') + 1} has 2"):
        tables_of(tmp_path / "a.star", content.encode())


@pytest.mark.data
def test_files_of_other_programs_are_what_starfile_reads(data_folder: Path) -> None:
    files = sorted((data_folder / "formats").glob("*/*.star"))
    assert files
    for path in files:
        tables, _ = read_star_tables(path)
        labels = sorted({label for table in tables.values() for label in table})
        read = starfile.read(path, always_dict=True, parse_as_string=labels)
        for name, table in tables.items():
            assert isinstance(table, pd.DataFrame)
            assert table.to_dict("list") == pd.DataFrame(read[name]).to_dict("list"), f"{path} {name}"
