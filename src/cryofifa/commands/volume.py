"""`cryofifa volume`: what the network of a run has learned, on any grid."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "volume"
HELP = "the network's own volume on any grid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run and the grid."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="finished or running")
    add("--box", type=int, required=True, metavar="B", help="pixels")
    add("--pixel-size", type=float, required=True, metavar="A", help="angstrom per pixel")
    add("-o", "--output", type=Path, metavar="FILE", help="default: RUN/volume.mrc")
    add("--resolution", type=float, metavar="A", help="cut at this (default: as far as the network was trained)")


def run(options: argparse.Namespace) -> None:
    """Write the volume and print where it lies and how fine it is."""
    from cryofifa.after_run.volume import volume

    result = volume(
        options.run_folder, options.box, options.pixel_size, options.output, resolution_angstrom=options.resolution
    )
    print(f"map         {result.path}\nresolution  {result.resolution_angstrom:.2f} A")
