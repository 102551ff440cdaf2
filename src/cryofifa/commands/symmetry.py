"""`cryofifa symmetry`: which point group a map has, and where its axes lie."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "symmetry"
HELP = "which point group a map has, and where its axes lie"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the map and the groups to try."""
    add = parser.add_argument
    add("map", type=Path, metavar="MAP")
    add("--groups", nargs="+", metavar="G", help="groups to try (default: C2 to C8, D2 to D7, T, O, I)")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the map in its group's frame, symmetrised (a single --groups G: whether G fits or not)",
    )
    add("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> None:
    """Look for the group and print how well each one fits, as a table or as JSON."""
    from cryofifa.after_run.map_symmetry import find_symmetry

    report = find_symmetry(options.map, options.groups, options.output)
    print(report.as_json() if options.json else report.as_text())
