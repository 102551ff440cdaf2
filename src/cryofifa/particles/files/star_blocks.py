"""The tables of a RELION STAR file, as text.

Every cell is kept as the text in the file, so that '0001', 1e-9 or a 64-bit uid is written again unchanged;
`star_columns` turns the columns that are needed into numbers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from cryofifa.errors import InputError
from cryofifa.particles.files.star_tables import StarTable, read_star_tables
from cryofifa.system.file_kind import other_kind_of_file

WHAT_TO_DO = "add the column or export the particles again"


@dataclass(frozen=True)
class StarBlocks:
    """The blocks of a STAR file, all cells as text.

    Attributes:
        path: the file.
        particles: the particle block.
        optics: data_optics; None in STAR 3.0.
        other: all other blocks by name.
        encoding: in which the same bytes are written again.
    """

    path: Path
    particles: pd.DataFrame
    optics: pd.DataFrame | None
    other: dict[str, StarTable]
    encoding: str = "utf-8"


def read_star_blocks(path: Path, needed_label: str = "rlnImageName") -> StarBlocks:
    """Read a STAR file whose particle block has the column `needed_label`.

    Raises:
        InputError: if the file cannot be parsed, or has no such block, or no particles.
    """
    try:
        blocks, encoding = read_star_tables(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        kind = other_kind_of_file(path)
        if kind is not None:
            raise InputError(f"{path}: no STAR file: it {kind}") from error
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable STAR file ({reason}); export it again") from error
    optics = blocks.pop("optics", None)
    if isinstance(optics, dict):  # one optics group written without loop_
        optics = pd.DataFrame([optics], dtype=str)
    name = _particle_block_name(path, blocks, needed_label)
    particles = cast(pd.DataFrame, blocks.pop(name))
    if len(particles) == 0:
        raise InputError(f"{path}: has no particles (block data_{name} is empty)")
    return StarBlocks(path, particles, optics, blocks, encoding)


def _particle_block_name(path: Path, blocks: dict[str, StarTable], needed_label: str) -> str:
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
