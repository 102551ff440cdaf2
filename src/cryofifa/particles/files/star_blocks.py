"""The tables of a RELION STAR file, as text.

Every cell is kept as the text in the file, so that '0001', 1e-9 or a 64-bit uid is written again unchanged;
`star_columns` turns the columns that are needed into numbers.
"""

import linecache
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import starfile

from cryofifa.errors import InputError

WHAT_TO_DO = "add the column or export the particles again"
CELL = re.compile(r"""\"[^"]*"|'[^']*'|[^ \t]+""")


@dataclass(frozen=True)
class StarBlocks:
    """The blocks of a STAR file, all cells as text.

    Attributes:
        path: the file.
        particles: the particle block.
        optics: data_optics; None in STAR 3.0.
        other: all other blocks by name.
    """

    path: Path
    particles: pd.DataFrame
    optics: pd.DataFrame | None
    other: dict[str, pd.DataFrame | dict]


def read_star_blocks(path: Path, needed_label: str = "rlnImageName") -> StarBlocks:
    """Read a STAR file whose particle block has the column `needed_label`.

    Raises:
        InputError: if the file cannot be parsed, or has no such block, or no particles.
    """
    try:
        # Labels first: with every column declared as text, starfile leaves every cell as it is.
        labels, rows_of_block = _layout(path)
        read = starfile.read(path, always_dict=True, parse_as_string=sorted(labels))
        blocks = cast(dict[str, pd.DataFrame | dict], read)  # starfile's own types are looser
        for name, block in blocks.items():
            if isinstance(block, pd.DataFrame) and len(block) != rows_of_block[name]:
                raise ValueError(
                    f"of data_{name} {len(block)} of {rows_of_block[name]} rows can be read: stray quotes?"
                )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable STAR file ({reason}); export it again") from error
    finally:
        linecache.clearcache()  # starfile reads through it and would keep a failed file in memory
    optics = blocks.pop("optics", None)
    if isinstance(optics, dict):  # one optics group written without loop_
        optics = pd.DataFrame([{label: str(value) for label, value in optics.items()}])
    name = _particle_block_name(path, blocks, needed_label)
    particles = cast(pd.DataFrame, blocks.pop(name))
    if len(particles) == 0:
        raise InputError(f"{path}: has no particles (block data_{name} is empty)")
    return StarBlocks(path, particles, optics, blocks)


def _layout(path: Path) -> tuple[set[str], dict[str, int]]:
    """All labels of the file, and how many rows the table of each block has.

    starfile fills short rows with NaN and skips lines that it does not expect; this makes sure that no line gets lost.

    Raises:
        ValueError: naming the first line that fits into no table.
    """
    all_labels: set[str] = set()
    rows_of_block: dict[str, int] = {}
    block, labels, in_loop = None, set[str](), False
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if "\r" in text:
                raise ValueError(f"line {number} has a carriage return inside")
            if not text or text.startswith("#"):
                continue
            if text.startswith("data_"):
                block, labels, in_loop = text[5:], set(), False
                if block in rows_of_block:
                    raise ValueError(f"line {number}: a second block {text}")
                rows_of_block[block] = 0
            elif block is None:
                raise ValueError(f"line {number} is in no data_ block")
            elif rows_of_block[block]:
                _check_cells(text, len(labels), number)
                rows_of_block[block] += 1
            elif text.startswith("loop_") and not labels:
                in_loop = True
            elif text.startswith("_"):
                label = text.split(None, 1)[0][1:]
                if label in labels:
                    raise ValueError(f"line {number}: column {label} is there twice")
                labels.add(label)
                all_labels.add(label)
            elif in_loop:
                _check_cells(text, len(labels), number)
                rows_of_block[block] = 1
            else:
                raise ValueError(f"line {number} is in no table")
    return all_labels, rows_of_block


def _check_cells(text: str, columns: int, number: int) -> None:
    """Raise ValueError if a line has not one cell per column."""
    if len(text.split()) == columns and "#" not in text:
        return
    cells = CELL.findall(text)
    comment = next((index for index, cell in enumerate(cells) if cell.startswith("#")), len(cells))
    cells = cells[:comment]
    if len(cells) != columns:
        raise ValueError(f"line {number} has {len(cells)} cells for {columns} columns: damaged, or cut short")
    if any("#" in cell and cell[0] not in "\"'" for cell in cells):
        raise ValueError(f"line {number} has a '#' inside a cell")


def _particle_block_name(path: Path, blocks: dict[str, pd.DataFrame | dict], needed_label: str) -> str:
    """The block that has the needed column: data_particles, or the only one."""
    tables = {name: block for name, block in blocks.items() if isinstance(block, pd.DataFrame)}
    fitting = [name for name, block in tables.items() if needed_label in block.columns]
    if "particles" in fitting or len(fitting) == 1:
        return "particles" if "particles" in fitting else fitting[0]
    if fitting:
        raise InputError(f"{path}: several blocks have {needed_label} ({', '.join(fitting)}); keep one")
    if not tables:
        raise InputError(f"{path}: has no particle table (a loop_ in data_particles); is it a STAR file?")
    raise InputError(f"{path}: column {needed_label} is missing; {WHAT_TO_DO}")
