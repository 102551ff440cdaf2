"""Find the image stacks that a particle file names on this machine."""

import os
from collections.abc import Sequence
from pathlib import Path

from cryofifa.errors import InputError


def resolve_stack_paths(names: Sequence[str], particle_file: Path, data_folder: Path | None = None) -> tuple[Path, ...]:
    """Find every stack; one path per name, in the same order.

    A leading '>' (cryoSPARC) and './' are dropped.  Places, in order: `data_folder` (the whole name, then the bare file
    name), the particle file's own folder, the current folder, the parents of the particle file's folder (the project
    root of RELION and cryoSPARC is one of them).

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
    """The name without cryoSPARC's '>' and without './' in front.

    >>> clean_stack_name(">./J12/extract/a.mrc")
    'J12/extract/a.mrc'
    """
    return str(Path(name.strip().lstrip(">")))


def _folders(particle_file: Path) -> list[Path]:
    """The folders that names are relative to, in the order in which they are tried."""
    own = particle_file.absolute().parent
    # A symlinked particle file still belongs to the project where it really lies.
    real = particle_file.resolve().parent
    return list(dict.fromkeys([own, Path.cwd(), *own.parents, real, *real.parents]))


def _resolve(name: str, particle_file: Path, data_folder: Path | None, folders: list[Path]) -> tuple[Path, bool]:
    """The file of one stack, and whether only its bare name was found."""
    relative = Path(clean_stack_name(name))
    places: list[tuple[Path, bool]] = []
    if data_folder is not None:
        below_root = relative.relative_to(relative.anchor)
        places += [(data_folder / below_root, False), (data_folder / relative.name, True)]
    # An absolute name makes `folder / relative` the name itself.
    places += [(folder / relative, False) for folder in folders]
    for path, by_bare_name in places:
        if os.path.isfile(path):  # False too for a name that no file can have
            return path, by_bare_name and relative.name != str(relative)
    tried = ", ".join(dict.fromkeys(str(path) for path, _ in places))
    raise InputError(
        f"{particle_file}: image stack '{name}' not found (tried {tried}); give the folder of the stacks with --datadir"
    )
