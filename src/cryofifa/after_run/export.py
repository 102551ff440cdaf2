"""Write the poses of a finished run for RELION or cryoSPARC, whichever of them the particles came from."""

import shutil
import warnings
from pathlib import Path
from typing import Literal

from cryofifa.errors import InputError
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.star import poses_of_star, read_star
from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.results.summary import read_summary
from cryofifa.run.folder import RunFolder
from cryofifa.system.atomic_file import atomic_path


def export(
    run: Path | str, file_format: Literal["star", "cs"], output: Path | str | None = None, *, kept: bool = False
) -> Path:
    """Write the particles of a finished run with their poses; the images themselves are not needed.

    output: the file; by default named as the run's folder and beside it.  Returns the file written.
    kept: without the particles that the run took for junk.

    Raises:
        InputError: if `run` is no finished run, or `output` has another format's name or is the run's input.
    """
    folder = RunFolder(Path(run))
    folder.check_finished()
    given = Path(folder.read_settings()["particles"])
    whole = folder.path.resolve()
    output = whole.parent / f"{whole.name}.{file_format}" if output is None else Path(output)
    if output.suffix != f".{file_format}":
        raise InputError(f"{output}: a {file_format} file is asked for; end its name with .{file_format}")
    if output.resolve() == given:
        raise InputError(f"{output}: is the run's input, which stays as it is; choose another file with -o")
    if not output.parent.is_dir():
        raise InputError(f"{output}: the folder does not exist; make it or choose another file with -o")
    if read_summary(folder).verdict == "not converged":
        warnings.warn("the run has not converged: these poses are not to be used", stacklevel=2)
    star, cs = (folder.kept, folder.kept_cs) if kept else (folder.particles, folder.particles_cs)
    if file_format == "cs" and given.suffix == ".star":
        table = read_star(star, find_stacks=False)
        assert isinstance(table.source, StarBlocks)
        poses = poses_of_star(table.source)
        if folder.read_config().invert:  # a .cs file records the contrast
            table = table.inverted()
        write_particles_cs(output, table, poses)
        return output
    written = star if file_format == "star" else cs
    if not written.is_file():
        raise InputError(f"{written}: is absent; reconstruct the particles again into another folder")
    with atomic_path(output) as temporary:
        shutil.copyfile(written, temporary)
    return output
