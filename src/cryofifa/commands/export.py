"""`cryofifa export`: the poses of a finished run as a particle file for RELION or cryoSPARC."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

NAME = "export"
HELP = "poses of a finished run for RELION or cryoSPARC"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run, the format, and which particles are wanted."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN")
    add("--format", choices=("star", "cs"), required=True, help="RELION's or cryoSPARC's particle file")
    add("-o", "--output", type=Path, metavar="FILE", help="default: exported_particles or exported_kept in RUN")
    add("--kept", action="store_true", help="without the particles that the run took for junk")
    add("--paths-from", type=Path, metavar="DIR", help="folder from which images are named, as a RELION project's")
    add("--absolute-paths", action="store_true", help="name images from the root, so that the file opens anywhere")


def run(options: argparse.Namespace) -> None:
    """Write the file and print where it lies; what the format cannot hold is said on standard error."""
    from cryofifa.after_run.export import export

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        output = export(
            options.run_folder,
            options.format,
            options.output,
            kept=options.kept,
            paths_from=options.paths_from,
            absolute_paths=options.absolute_paths,
        )
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    print(f"particles  {output}")
    if output.suffix == ".cs":
        print(f"to import  {output.with_suffix('.csg')}")
