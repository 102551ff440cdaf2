"""`cryofifa reconstruct`: particles in; map, poses and report out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryofifa.settings.config import DEVICES, Config, read_config
from cryofifa.settings.presets import PRESETS

NAME = "reconstruct"
HELP = "particles in; map, poses and report out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes; an option that is not given leaves the setting as it is."""
    add = parser.add_argument
    add("particles", type=Path, metavar="PARTICLES", help="RELION .star (3.0, 3.1) or cryoSPARC .cs file")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the run; run again to resume")
    add("--datadir", type=Path, metavar="D", help="folder in which image paths are looked up first")
    add("--box", type=int, metavar="N", help="working box of the ab-initio search in pixels (default: from the data)")
    add("--seed", type=int, metavar="S", help="random seed (default: 0)")
    add("--pose-mode", choices=("guided", "amortized"), help="how poses are inferred (default: guided)")
    add("--device", choices=DEVICES, help="where to compute (default: auto)")
    add("--devices", type=int, metavar="N", help="GPUs, or processes on a CPU, that share the work (default: 1)")
    add("--invert", action="store_true", default=None, help="multiply the images by -1 (dark particles)")
    add("--ind", type=Path, metavar="FILE", help="list of 0-based rows to use: text, .npy, .npz or a mask")
    add("--pixel-size", type=float, metavar="A", help="pixel size in angstrom, where the particle file has none")
    add("--voltage", type=float, metavar="KV", help="voltage in kV, where the particle file has none")
    add("--spherical-aberration", type=float, metavar="MM", help="in mm, where the particle file has none")
    add("--amplitude-contrast", type=float, metavar="W", help="from 0 to 1, where the particle file has none")
    add("--diameter", type=float, metavar="A", help="particle diameter in angstrom (default: estimated)")
    add("--start-resolution", type=float, metavar="A", help="first Fourier mask in angstrom (default: from the data)")
    add("--end-resolution", type=float, metavar="A", help="last Fourier mask of the search in angstrom")
    add("--symmetry", metavar="G", help="point group imposed from the start: Cn, Dn, T, O, I or I1 to I4 (default: C1)")
    add("--mask", metavar="FILE", help="map of 0 to 1 in which the halves are compared (default: made from the map)")
    add("--memory-gib", type=float, metavar="G", help="memory for one process (default: most of what is free)")
    add("--cache", metavar="DIR", help="folder on a fast disk for images that have no room in memory")
    add("--cache-gib", type=float, metavar="G", help="size of DIR; what was used longest ago goes (default: 100)")
    add("--absolute-paths", action="store_true", default=None, help="in particles.star, instead of paths from OUT")
    add("--quick", action="store_true", help="one start instead of several: faster, and the result stays unconfirmed")
    add("--preset", choices=tuple(PRESETS), metavar="NAME", help="the paper's recipe for a set (`cryofifa presets`)")
    add("--config", type=Path, metavar="FILE", help="TOML file with settings of the method")
    add("--dry-run", action="store_true", help="print the resolved plan and touch nothing")
    parser.set_defaults(resumes=True)


def run(options: argparse.Namespace) -> None:
    """Reconstruct and print where the map, the poses and the report lie; or print the plan of a dry run."""
    config = _config(options)
    if options.dry_run:
        _print_plan(options, config)
        return
    from cryofifa.main_path import reconstruct
    from cryofifa.system.processes import joined

    with options.signals.caught(), joined() as processes:
        result = reconstruct(
            options.particles,
            options.output,
            data_folder=options.datadir,
            rows_file=options.ind,
            config=config,
            stop=options.signals.stop,
            processes=processes,
        )
    if processes.is_first:
        print(result.as_text())


def _print_plan(options: argparse.Namespace, config: Config) -> None:
    """Print what a run would do, which takes a look at the particles."""
    from cryofifa.run.prepare import prepare

    prepared = prepare(options.particles, options.datadir, options.ind, config)
    print(prepared.plan.describe())
    print(f"{'device':<20} {prepared.device}")
    for warning in prepared.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _config(options: argparse.Namespace) -> Config:
    """Defaults, overlaid by the preset, by the settings file, and by the options given."""
    config = PRESETS[options.preset].config() if options.preset else Config()
    if options.config:
        config = read_config(options.config, config)
    optics = {
        "pixel_size_angstrom": options.pixel_size,
        "voltage_kilovolt": options.voltage,
        "spherical_aberration_millimetre": options.spherical_aberration,
        "amplitude_contrast": options.amplitude_contrast,
    }
    given = {
        "seed": options.seed,
        "pose_mode": options.pose_mode,
        "device": options.device,
        "box": options.box,
        "diameter_angstrom": options.diameter,
        "start_resolution_angstrom": options.start_resolution,
        "end_resolution_angstrom": options.end_resolution,
        "invert": options.invert,
        "symmetry": options.symmetry,
        "mask_file": options.mask,
        "memory_gib": options.memory_gib,
        "cache_folder": options.cache,
        "cache_gib": options.cache_gib,
        "absolute_paths": options.absolute_paths,
        "optics": {name: value for name, value in optics.items() if value is not None},
        "starts": {"count": 1} if options.quick else None,
    }
    return config.changed(**{name: value for name, value in given.items() if value is not None})
