"""Write the poses of a finished run for RELION or cryoSPARC, whichever of them the particles came from."""

import shutil
import warnings
from pathlib import Path
from typing import Literal

from cryofifa.errors import InputError
from cryofifa.particles.files.cs_file import read_cs_records
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.result_group import write_result_group
from cryofifa.particles.files.star import poses_of_star, read_star
from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.particles.files.star_writer import write_star_elsewhere
from cryofifa.results.summary import read_summary
from cryofifa.run.folder import RunFolder
from cryofifa.system.atomic_file import atomic_path


def export(
    run: Path | str,
    file_format: Literal["star", "cs"],
    output: Path | str | None = None,
    *,
    kept: bool = False,
    paths_from: Path | str | None = None,
    absolute_paths: bool = False,
) -> Path:
    """Write the particles of a finished run with their poses; the images themselves are not needed.

    output: the file; by default exported_particles or exported_kept in the run's folder.  Returns the file written;
        beside a .cs file lies a .csg of the same name, by which cryoSPARC imports it.
    kept: without the particles that the run took for junk.
    paths_from: the folder from which the image names of a STAR file hold, such as that of a RELION project; by default
        the file's own.
    absolute_paths: they hold from everywhere instead.

    Raises:
        InputError: if `run` is no finished run, or `output` has another format's name or is a file of the run.
    """
    folder = RunFolder(Path(run))
    folder.check_finished()
    which = "kept" if kept else "particles"
    output = folder.path / f"exported_{which}.{file_format}" if output is None else Path(output)
    _check(output, folder, file_format)
    if file_format == "cs" and (paths_from is not None or absolute_paths):
        raise InputError(f"{output}: --paths-from and --absolute-paths are for STAR files; leave them out")
    if paths_from is not None and (absolute_paths or not Path(paths_from).is_dir()):
        raise InputError(f"{paths_from}: is no folder, or --absolute-paths is given too; correct --paths-from")
    if read_summary(folder).verdict == "not converged":
        warnings.warn("the run has not converged: these poses are not to be used", stacklevel=2)
    star, cs = (folder.kept, folder.kept_cs) if kept else (folder.particles, folder.particles_cs)
    from_star = Path(folder.read_settings()["particles"]).suffix == ".star"
    if not (star if file_format == "star" or from_star else cs).is_file():
        raise InputError(f"{star}: is absent; reconstruct the particles again into another folder")
    if file_format == "star":
        names_from = None if absolute_paths else output.parent if paths_from is None else Path(paths_from)
        write_star_elsewhere(output, read_star(star, find_stacks=False), names_from)
    elif from_star:
        table = read_star(star, find_stacks=False)
        assert isinstance(table.source, StarBlocks)
        poses = poses_of_star(table.source)
        if folder.read_config().invert:  # a .cs file records the contrast
            table = table.inverted()
        write_particles_cs(output, table, poses)
    else:
        with atomic_path(output) as temporary:
            shutil.copyfile(cs, temporary)
        records = read_cs_records(output)
        write_result_group(output, records.dtype.names or (), len(records))
    return output


def _check(output: Path, folder: RunFolder, file_format: str) -> None:
    """Check that a file of this format may be written there."""
    if output.suffix != f".{file_format}":
        raise InputError(f"{output}: a {file_format} file is asked for; end its name with .{file_format}")
    if output.resolve() == Path(folder.read_settings()["particles"]):
        raise InputError(f"{output}: is the run's input, which stays as it is; choose another file with -o")
    own = (folder.particles, folder.kept, folder.particles_cs, folder.kept_cs)
    if output.resolve() in [path.resolve() for path in own]:
        raise InputError(f"{output}: is a result of the run, which stays as it is; choose another file with -o")
    if not output.parent.is_dir():
        raise InputError(f"{output}: the folder does not exist; make it or choose another file with -o")
