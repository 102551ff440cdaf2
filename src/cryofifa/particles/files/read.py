"""Read the particles of one input file, whichever program wrote it."""

import warnings
from pathlib import Path

from cryofifa.errors import InputError
from cryofifa.particles.files.cs import read_cs
from cryofifa.particles.files.improbable_optics import improbable
from cryofifa.particles.files.plausible_optics import check_plausible
from cryofifa.particles.files.star import read_star
from cryofifa.particles.files.table import ParticleTable
from cryofifa.settings.optics import NOTHING_GIVEN, OpticsSettings
from cryofifa.system.file_kind import other_kind_of_file
from cryofifa.system.input_file import check_input_file


def read_particles(
    path: Path | str,
    data_folder: Path | str | None = None,
    rows_file: Path | str | None = None,
    given: OpticsSettings = NOTHING_GIVEN,
) -> ParticleTable:
    """Read a particle file: RELION's .star (3.0, 3.1) or cryoSPARC's .cs; warnings tell what is improbable in it.

    Args:
        path: the particle file.
        data_folder: where the image stacks lie, if not where the particle file says (`--datadir`).
        rows_file: list of 0-based rows to use (`--ind`); for its forms see `chosen_rows`.
        given: optics that the file may lack.

    Raises:
        InputError: for anything wrong with these files; one line that names the file and what to do.
    """

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such particle file")
    if path.suffix not in (".star", ".cs"):
        raise InputError(f"{path}: unknown kind of particle file{_hint(path)}; give a RELION .star or a cryoSPARC .cs")
    if data_folder is not None and not Path(data_folder).is_dir():
        raise InputError(f"{data_folder}: the data folder does not exist; correct --datadir")
    data_folder = None if data_folder is None else Path(data_folder)
    rows_file = None if rows_file is None else Path(rows_file)
    for file in (path, rows_file):
        if file is not None:
            check_input_file(file, bytes_per_byte=3)  # text, and what it says
    read = read_star if path.suffix == ".star" else read_cs
    table = read(path, data_folder, rows_file, given=given)
    check_plausible(table)
    for line in improbable(table):
        warnings.warn(line, stacklevel=2)
    return table


def _hint(path: Path) -> str:
    """What a file of another name is, where that is known."""
    if path.suffix == ".csg":
        return " (it only names the .cs files of a result group)"
    try:
        kind = other_kind_of_file(path)
    except OSError:
        kind = None
    return "" if kind is None else f": it {kind}"
