"""`cryofifa infer`: poses of particles that a finished run has never seen."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryofifa.settings.config import DEVICES

NAME = "infer"
HELP = "poses of new particles by a finished run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run, the new particles, and how far their poses are searched."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="folder of a finished run of the same structure")
    add("particles", type=Path, metavar="PARTICLES", help="RELION .star (3.0, 3.1) or cryoSPARC .cs file")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for particles.star and infer.json")
    add("--datadir", type=Path, metavar="D", help="folder in which image paths are looked up first")
    add("--ind", type=Path, metavar="FILE", help="text or .npy list of 0-based rows to use")
    add("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")
    add("--encoder-only", action="store_true", help="the encoder's own poses, without a search against the run's map")
    add("--no-polish", dest="encoder_only", action="store_true", help=argparse.SUPPRESS)  # its former name


def run(options: argparse.Namespace) -> None:
    """Pose the particles and print where the poses lie and how fast they were found."""
    from cryofifa.after_run.infer import infer

    found = infer(
        options.run_folder,
        options.particles,
        options.output,
        data_folder=options.datadir,
        rows_file=options.ind,
        device=options.device,
        match_to_map=not options.encoder_only,
    )
    print(f"poses   {found.particles_star}\nspeed   {found.particles_per_second:.0f} particles per second")
