"""`cryofifa states`: several states, or a motion, within a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryofifa.errors import InputError
from cryofifa.settings.config import DEVICES

NAME = "states"
HELP = "several states, or a motion, within a finished run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run, and what is looked for in it."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="folder of a finished run; results go to RUN/states")
    add("--components", type=int, default=6, metavar="Q", help="components that are looked for (default: 6)")
    add("--states", default="auto", metavar="auto|K", help="number of states (default: as the particles say)")
    add("--mask", type=Path, metavar="MAP", help="where to look (default: the run's mask.mrc)")
    add("--resolution", type=float, metavar="A", help="finest detail of components (default: radius / 6)")
    add("--datadir", type=Path, metavar="D", help="as the run was given it")
    add("--ind", type=Path, metavar="FILE", help="as the run was given it")
    add("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")


def run(options: argparse.Namespace) -> None:
    """Find the states and print what was found and where it lies."""
    from cryofifa.after_run.states import states

    found = states(
        options.run_folder,
        components=options.components,
        count=_count(options.states),
        mask_file=options.mask,
        resolution_angstrom=options.resolution,
        device=options.device,
        data_folder=options.datadir,
        rows_file=options.ind,
    )
    print(found.as_text())


def _count(text: str) -> int | None:
    """The number of states; None where the particles are to say it."""
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise InputError(f"--states {text}: give a number, or auto") from None
