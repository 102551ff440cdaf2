"""Names of images that open where the file that holds them is written: rlnImageName, in RELION's form.

RELION takes a file for a stack of images only if its name ends with .mrcs; other names need that ending after a colon,
000001@stack.mrc:mrcs.
"""

import os
from pathlib import Path

import pandas as pd

from cryofifa.particles.files.table import ParticleTable

STACK_SUFFIX = ".mrcs"


def image_names(table: ParticleTable, names_from: Path | None, encoding: str = "utf-8") -> pd.Series:
    """The image name of every particle, such as 000001@../set/stack.mrcs; images are counted from 1.

    names_from: the folder from which the names hold; None for absolute names, which hold from everywhere.
    encoding: of the file to be written, in which names must come to the bytes that the file system knows.
    """
    stacks = [
        os.fsencode(f"@{_relion_name(path_from(stack, names_from))}").decode(encoding, "surrogateescape")
        for stack in table.stack_paths
    ]
    pairs = zip((table.frame_index + 1).tolist(), table.stack_index.tolist(), strict=True)
    # as objects, for pandas' own text can hold no bytes of another encoding
    return pd.Series([f"{number:06d}{stacks[stack]}" for number, stack in pairs], dtype=object)


def path_from(path: Path, folder: Path | None) -> str:
    """The path of a file from a folder, or its absolute path; the file need not exist.

    Links in the path's folders are followed, for behind a link '..' leads elsewhere; the file's own name stays.
    """
    whole = os.path.join(os.path.realpath(path.parent), path.name)
    return whole if folder is None else os.path.relpath(whole, os.path.realpath(folder))


def _relion_name(name: str) -> str:
    # after a colon in the name RELION expects the ending, too
    return name if name.endswith(STACK_SUFFIX) and ":" not in name else f"{name}:{STACK_SUFFIX[1:]}"
