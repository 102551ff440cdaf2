"""Tables written as a STAR file that RELION reads."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cryofifa.errors import InputError
from cryofifa.particles.files.star_tables import StarTable

# RELION 3.1 writes this line above every block, and takes a file without it for one of RELION 3.0.
VERSION = "# version 30001"
NEEDS_QUOTES = re.compile(r"""[ \t\n\r\f\v]|^["'#]|^$""")


def write_star_tables(path: Path, tables: Mapping[str, StarTable], encoding: str = "utf-8") -> None:
    """Write blocks by name: a table as a loop_, a dictionary as a list.

    Numbers that are not whole have six decimals, text is written as it is, in quotes where it needs them.

    Raises:
        InputError: if a cell has line breaks, or blanks and both kinds of quotes, which a STAR file cannot hold.
    """
    lines: list[str] = []
    for name, table in tables.items():
        lines += [VERSION, "", f"data_{name}", ""]
        if isinstance(table, pd.DataFrame):
            lines += ["loop_", *(f"_{label} #{number}" for number, label in enumerate(table.columns, 1))]
            columns = [_cells(path, table.iloc[:, index]) for index in range(table.shape[1])]
            lines += map("\t".join, zip(*columns, strict=True))
        else:
            lines += [f"_{label} {_quoted(path, value)}" for label, value in table.items()]
        lines += ["", ""]
    path.write_bytes("\n".join(lines).encode(encoding, "surrogateescape"))


def _cells(path: Path, column: pd.Series) -> list[str]:
    if column.dtype.kind == "f":
        return [f"{value:.6f}" for value in column.tolist()]
    cells = [str(cell) for cell in column.tolist()]
    if column.dtype.kind in "iub":
        return cells
    together = "\n".join(cells)  # one look at all of them, which is many times faster
    lines = f"\n{together}\n"
    if together.count("\n") == len(cells) - 1 and not any(mark in lines for mark in (*" \t\r\f\v\"'#", "\n\n")):
        return cells
    return [_quoted(path, cell) for cell in cells]


def _quoted(path: Path, cell: str) -> str:
    """The text of a cell, in quotes if it is empty, has blanks, or would be taken for a comment or a quote."""
    if not NEEDS_QUOTES.search(cell):
        return cell
    quote = next((quote for quote in ('"', "'") if quote not in cell), None)
    if quote is None or "\n" in cell or "\r" in cell:
        raise InputError(f"{path}: a STAR file cannot hold the name {cell!r}; rename the file or its folder")
    return f"{quote}{cell}{quote}"
