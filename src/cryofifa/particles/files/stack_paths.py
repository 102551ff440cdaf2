"""Find the image stacks that a particle file names on this machine."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from cryofifa.errors import InputError

RELION_FORMAT = re.compile(r":mrcs?$")  # how RELION is to read the file, whatever its name
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".lz4")


def resolve_stack_paths(names: Sequence[str], particle_file: Path, data_folder: Path | None = None) -> tuple[Path, ...]:
    """Find every stack; one path per name, in the same order.

    A leading '>' (cryoSPARC) and './' are dropped, and a ':mrcs' at the end (RELION).  Places, in order: `data_folder`
    (the whole name, then the bare file name), the particle file's own folder, the current folder, the parents of the
    particle file's folder (the project root of RELION and cryoSPARC is one of them).  A stack that is there only
    compressed, or no longer so, is found as well.

    Raises:
        InputError: if a stack is in none of these places, or if two different names lead to one file
            because only its bare name was found.
    """
    folders = _folders(particle_file)
    paths, name_of_path = [], {}
    for name in names:
        path, by_bare_name = _resolve(name, particle_file, data_folder, folders)
        earlier, earlier_by_bare_name = name_of_path.setdefault(path, (name, by_bare_name))
        if clean_stack_name(earlier) != clean_stack_name(name) and (by_bare_name or earlier_by_bare_name):
            raise InputError(
                f"{particle_file}: stacks '{earlier}' and '{name}' both lead to {path} by their bare file "
                "name; give --datadir the folder that holds their sub-folders"
            )
        paths.append(path)
    return tuple(paths)


def clean_stack_name(name: str) -> str:
    """The name without cryoSPARC's '>' and './' in front, and without RELION's ':mrcs' behind it.

    >>> clean_stack_name(">./J12/extract/a.mrc")
    'J12/extract/a.mrc'
    >>> clean_stack_name("Extract/a.mrc:mrcs")
    'Extract/a.mrc'
    """
    return str(Path(RELION_FORMAT.sub("", name.strip().lstrip(">"))))


def _folders(particle_file: Path) -> list[Path]:
    """The folders that names are relative to, in the order in which they are tried."""
    own = particle_file.absolute().parent
    # A symlinked particle file still belongs to the project where it really lies.
    real = particle_file.resolve().parent
    return list(dict.fromkeys([own, Path.cwd(), *own.parents, real, *real.parents]))


def _resolve(name: str, particle_file: Path, data_folder: Path | None, folders: list[Path]) -> tuple[Path, bool]:
    """The file of one stack, and whether only its bare name was found."""
    relative = Path(clean_stack_name(name))
    places = _places(relative, data_folder, folders)
    packed = [Path(f"{relative}{suffix}") for suffix in COMPRESSED]
    unpacked = [relative.with_suffix("")] if relative.suffix in COMPRESSED else []
    # another encoding than the file system's was read byte by byte: the same bytes name the file
    as_bytes = [Path(os.fsdecode(str(relative).encode("latin-1")))] if _is_latin1(str(relative)) else []
    for one in (relative, *as_bytes, *unpacked, *packed):
        for path, by_bare_name in _places(one, data_folder, folders):
            if os.path.isfile(path):  # False too for a name that no file can have
                return path, by_bare_name and one.name != str(one)
    tried = ", ".join(dict.fromkeys(str(path) for path, _ in places))
    raise InputError(
        f"{particle_file}: image stack '{name}' not found (tried {tried}); give the folder of the stacks with --datadir"
    )


def _places(relative: Path, data_folder: Path | None, folders: list[Path]) -> list[tuple[Path, bool]]:
    """Where a stack may lie, and whether that is its bare name's place."""
    places: list[tuple[Path, bool]] = []
    if data_folder is not None:
        below_root = relative.relative_to(relative.anchor)
        places += [(data_folder / below_root, False), (data_folder / relative.name, True)]
    # An absolute name makes `folder / relative` the name itself.
    return places + [(folder / relative, False) for folder in folders]


def _is_latin1(name: str) -> bool:
    return not name.isascii() and all(ord(letter) < 256 for letter in name)
