"""`cryofifa refine-encoder`: local refinement of a finished run by the second encoder."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryofifa.settings.config import DEVICES

NAME = "refine-encoder"
HELP = "local refinement of a finished run by the second encoder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run to refine, for how long, and what it was given when it was made."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="folder of a finished run")
    add("-o", "--output", type=Path, metavar="OUT", help="folder of the refined run (default: RUN/refined)")
    add("--epochs", type=int, metavar="N", help="passes over the particles (default: the run's own setting, or 4)")
    add("--device", choices=DEVICES, help="where to compute (default: as the run did)")
    add("--datadir", type=Path, metavar="D", help="as the run was given it")
    add("--ind", type=Path, metavar="FILE", help="as the run was given it")
    add("--devices", type=int, metavar="N", help="GPUs, or processes on a CPU, that share the work (default: 1)")
    parser.set_defaults(resumes=True)


def run(options: argparse.Namespace) -> None:
    """Refine and print where the map, the poses and the report of the refined run lie."""
    from cryofifa.after_run.refine_encoder import refine_encoder
    from cryofifa.system.processes import joined

    with options.signals.caught(), joined() as processes:
        result = refine_encoder(
            options.run_folder,
            options.output,
            epochs=options.epochs,
            device=options.device,
            data_folder=options.datadir,
            rows_file=options.ind,
            stop=options.signals.stop,
            processes=processes,
        )
    if processes.is_first:
        print(result.as_text())
