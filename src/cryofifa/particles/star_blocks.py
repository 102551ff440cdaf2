"""The tables of a RELION STAR file, as text.

Every cell is kept as the text the file has, so '0001', 1e-9 or a 64-bit uid come out again unchanged;
`star_columns` makes numbers of the columns that are needed.
"""

import linecache
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import starfile

from cryofifa.errors import InputError

WHAT_TO_DO = "add the column or export the particles again"


@dataclass(frozen=True)
class StarBlocks:
    """The particle block, the optics block (None in STAR 3.0) and all other blocks of a STAR file."""

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
        # Labels first: told that every column is text, starfile leaves every cell as it is.
        labels, last_line = _labels_and_last_line(path)
        read = starfile.read(path, always_dict=True, parse_as_string=sorted(labels))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable STAR file ({reason}); export it again") from error
    finally:
        linecache.clearcache()  # starfile reads through it and would keep a failed file in memory
    blocks = cast(dict[str, pd.DataFrame | dict], read)  # starfile's own types are looser
    last_block = next(reversed(blocks.values()), None)
    if isinstance(last_block, pd.DataFrame) and 0 < len(last_line.split()) < last_block.shape[1]:
        raise InputError(
            f"{path}: the last row has {len(last_line.split())} of {last_block.shape[1]} columns: the file "
            "was cut short; copy or export it again"
        )
    optics = blocks.pop("optics", None)
    if isinstance(optics, dict):  # one optics group written without loop_
        optics = pd.DataFrame([{label: str(value) for label, value in optics.items()}])
    name = _particle_block_name(path, blocks, needed_label)
    particles = cast(pd.DataFrame, blocks.pop(name))
    if len(particles) == 0:
        raise InputError(f"{path}: has no particles (block data_{name} is empty)")
    return StarBlocks(path, particles, optics, blocks)


def _labels_and_last_line(path: Path) -> tuple[set[str], str]:
    """All labels of the file, and its last line of cells ('' after a block without any)."""
    labels, last_line = set(), ""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("_"):
                labels.add(line.split(None, 1)[0][1:])
                last_line = ""
            elif not line.isspace() and not line.lstrip().startswith("#"):
                last_line = line
    return labels, last_line


def _particle_block_name(path: Path, blocks: dict[str, pd.DataFrame | dict], needed_label: str) -> str:
    tables = {name: block for name, block in blocks.items() if isinstance(block, pd.DataFrame)}
    fitting = [name for name, block in tables.items() if needed_label in block.columns]
    if "particles" in fitting or len(fitting) == 1:
        return "particles" if "particles" in fitting else fitting[0]
    if fitting:
        raise InputError(f"{path}: several blocks have {needed_label} ({', '.join(fitting)}); keep one")
    if not tables:
        raise InputError(f"{path}: has no particle table (a loop_ in data_particles); is it a STAR file?")
    raise InputError(f"{path}: column {needed_label} is missing; {WHAT_TO_DO}")
