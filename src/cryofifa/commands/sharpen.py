"""`cryofifa sharpen`: the map of a run, or another, with its fall-off at high resolution made good."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryofifa.errors import InputError

NAME = "sharpen"
HELP = "sharpen the map of a run, or another"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the map and what is known of it."""
    add = parser.add_argument
    add("run_or_map", type=Path, metavar="RUN|MAP", help="finished run, or an unfiltered map")
    add("-o", "--output", type=Path, metavar="FILE", help="default: RUN/map_sharpened.mrc, or beside the map")
    add("--b-factor", type=float, metavar="B", help="square angstrom, negative sharpens (default: Guinier fit)")
    add("--fsc", type=Path, metavar="CSV", help="curve as fsc.csv (default: the run's, or of the half maps beside)")
    add("--mask", type=Path, metavar="MAP", help="where FSC and amplitudes are measured (default: a soft sphere)")
    add("--deepemhancer", action="store_true", help="hand the unfiltered half maps to DeepEMhancer instead")


def run(options: argparse.Namespace) -> None:
    """Sharpen and print where the map lies, its B-factor, and where it was cut."""
    from cryofifa.after_run.sharpen import sharpen, sharpen_with_deepemhancer

    if options.deepemhancer:
        if (options.b_factor, options.fsc, options.mask) != (None, None, None):
            raise InputError("--deepemhancer takes no --b-factor, --fsc or --mask; leave them out")
        print(f"map         {sharpen_with_deepemhancer(options.run_or_map, options.output)}")
        return
    result = sharpen(
        options.run_or_map,
        options.output,
        b_factor_square_angstrom=options.b_factor,
        fsc_file=options.fsc,
        mask_file=options.mask,
    )
    if result.note is not None:
        print(f"warning: {result.note}", file=sys.stderr)
    print(
        f"map         {result.path}\nB-factor    {result.b_factor_square_angstrom:.0f} square angstrom\n"
        f"low-pass    {result.resolution_angstrom:.2f} A"
    )
