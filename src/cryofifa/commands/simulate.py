"""`cryofifa simulate`: particles with known poses from a map or an atomic model."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "simulate"
HELP = "particles with known poses from a map or model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the structure and how it is imaged."""
    add = parser.add_argument
    add("structure", type=Path, metavar="MAP.mrc|MODEL.cif|MODEL.pdb")
    add("-o", "--output", type=Path, required=True, metavar="DIR")
    add("-n", "--particles", type=int, required=True, metavar="N")
    add("--box", type=int, required=True, metavar="B", help="pixels")
    add("--pixel-size", type=float, required=True, metavar="A", help="angstrom per pixel")
    add("--snr", type=float, required=True, metavar="S", help="variance of signal in the central disc over noise")
    add("--shift-sd", type=float, default=1.5, metavar="PX", help="sd of the origins in pixels (default: 1.5)")
    add(
        "--defocus",
        type=float,
        nargs=2,
        default=(8000.0, 25000.0),
        metavar=("LO", "HI"),
        help="angstrom (default: 8000 25000)",
    )
    add(
        "--realistic",
        action="store_true",
        help="as hard as real data: molecule in water, coloured noise, junk of seven kinds, neighbours, ramps, "
        "preferred views, spread of B factors, contrast and defocus",
    )
    add(
        "--sample",
        type=Path,
        metavar="TOML",
        help="what makes images hard, named one by one in a file (a micelle and several structures, too), or "
        "truth/settings.toml of another set; with --realistic, changes to that",
    )
    add("--junk", type=float, metavar="F", help="share of junk particles (default: 0; with --realistic 0.3)")
    add("--select", metavar="GEMMI_SELECTION", help="part of the model")
    add("--seed", type=int, default=0, help="the same one gives the same files (default: 0)")


def run(options: argparse.Namespace) -> None:
    """Simulate the particles and print where they and the truth lie."""
    from cryofifa.particles.simulated.simulate import simulate
    from cryofifa.settings.sample import PLAIN, REALISTIC, SampleSettings, read_sample

    sample = REALISTIC if options.realistic else PLAIN
    if options.sample is not None:
        sample = read_sample(options.sample, REALISTIC if options.realistic else SampleSettings())
    simulate(
        options.structure,
        options.output,
        particles=options.particles,
        box=options.box,
        pixel_size_angstrom=options.pixel_size,
        snr=options.snr,
        shift_sd_pixel=options.shift_sd,
        defocus_angstrom=tuple(options.defocus),
        junk=options.junk,
        select=options.select,
        sample=sample,
        seed=options.seed,
    )
    print(f"particles  {options.output / 'particles.star'}\ntruth      {options.output / 'truth'}")
