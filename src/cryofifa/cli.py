"""The command line: reads arguments, calls the library, turns the user's mistakes into one line and exit code 2."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cryofifa.errors import InputError, Stopped
from cryofifa.settings.config import DEVICES, Config, read_config
from cryofifa.settings.presets import PRESETS, presets_as_text
from cryofifa.system.stop_signals import StopSignals

if TYPE_CHECKING:
    from cryofifa.main_path import Reconstruction


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `cryofifa` command; returns the exit code.

    0: done. 2: a mistake in files or settings, or a disk that is full. 128 + a signal's number: stopped by it (SIGINT
    130, SIGUSR1 138, SIGTERM 143), as a shell would say of a program that it has killed.
    """
    options = _parser().parse_args(arguments)
    options.signals = StopSignals()
    try:
        if getattr(options, "devices", None) is not None and _launches(options):
            from cryofifa.system.launch import launch

            return launch([sys.executable, "-m", "cryofifa", *(arguments or sys.argv[1:])], options.devices)
        options.run(options)
    except InputError as error:
        print(f"cryofifa: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cryofifa: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except Stopped:
        # of several processes one may have been told, and have told the others
        came = signal.Signals(options.signals.came or signal.SIGTERM)
        print(f"cryofifa: stopped by {came.name}; the same command goes on where it was", file=sys.stderr)
        return 128 + came
    except KeyboardInterrupt:
        resumes = options.run in (_reconstruct, _refine) and not getattr(options, "dry_run", False)
        print(f"cryofifa: stopped{'; the same command again resumes' if resumes else ''}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cryofifa", description="Ab-initio cryo-EM reconstruction: particles in; map, poses and report out."
    )
    parser.add_argument("--version", action="version", version=f"cryofifa {version('cryofifa')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add = commands.add_parser("reconstruct", help="particles in; map, poses and report out").add_argument
    add("particles", type=Path, metavar="PARTICLES", help="RELION .star (3.0, 3.1) or cryoSPARC .cs file")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the run; run again to resume")
    add("--datadir", type=Path, metavar="D", help="folder in which image paths are looked up first")
    add("--box", type=int, metavar="N", help="working box of the ab-initio search in pixels (default: from the data)")
    add("--seed", type=int, metavar="S", help="random seed (default: 0)")
    add("--pose-mode", choices=("guided", "amortized"), help="how poses are inferred (default: guided)")
    add("--device", choices=DEVICES, help="where to compute (default: auto)")
    add("--devices", type=int, metavar="N", help="GPUs, or processes on a CPU, that share the work (default: 1)")
    add("--invert", action="store_true", default=None, help="multiply the images by -1 (dark particles)")
    add("--ind", type=Path, metavar="FILE", help="text or .npy list of 0-based rows to use")
    add("--diameter", type=float, metavar="A", help="particle diameter in angstrom (default: estimated)")
    add("--start-resolution", type=float, metavar="A", help="first Fourier mask in angstrom (default: from the data)")
    add("--end-resolution", type=float, metavar="A", help="last Fourier mask of the search in angstrom")
    add("--symmetry", metavar="G", help="point group imposed from the start: Cn, Dn, T, O, I or I1 to I4 (default: C1)")
    add("--mask", metavar="FILE", help="map of 0 to 1 in which the halves are compared (default: made from the map)")
    add(
        "--memory-gib",
        type=float,
        metavar="G",
        help="memory for one process (default: most of what is free)",
    )
    add(
        "--cache",
        metavar="DIR",
        help="folder on a fast disk for images that have no room in memory",
    )
    add("--cache-gib", type=float, metavar="G", help="size of DIR; what was used longest ago goes (default: 100)")
    add("--quick", action="store_true", help="one start instead of several: faster, and nothing confirms the poses")
    add("--preset", choices=tuple(PRESETS), metavar="NAME", help="the paper's recipe for a set (`cryofifa presets`)")
    add("--config", type=Path, metavar="FILE", help="TOML file with settings of the method")
    add("--dry-run", action="store_true", help="print the resolved plan and touch nothing")
    commands.choices["reconstruct"].set_defaults(run=_reconstruct)

    commands.add_parser("presets", help="list the paper's recipes").set_defaults(run=_presets)

    add = commands.add_parser("infer", help="poses of new particles by a finished run").add_argument
    add("run_folder", type=Path, metavar="RUN", help="folder of a finished run of the same structure")
    add("particles", type=Path, metavar="PARTICLES", help="RELION .star (3.0, 3.1) or cryoSPARC .cs file")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for particles.star and infer.json")
    add("--datadir", type=Path, metavar="D", help="folder in which image paths are looked up first")
    add("--ind", type=Path, metavar="FILE", help="text or .npy list of 0-based rows to use")
    add("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")
    add(
        "--encoder-only",
        "--no-polish",
        action="store_true",
        help="the encoder's own poses, without a search against the run's map",
    )
    commands.choices["infer"].set_defaults(run=_infer)

    add = commands.add_parser("refine", help="local refinement of a finished run by the second encoder").add_argument
    add("run_folder", type=Path, metavar="RUN", help="folder of a finished run")
    add("-o", "--output", type=Path, metavar="OUT", help="folder of the refined run (default: RUN/refined)")
    add("--epochs", type=int, metavar="N", help="passes over the particles (default: the run's own setting, or 4)")
    add("--device", choices=DEVICES, help="where to compute (default: as the run did)")
    add("--datadir", type=Path, metavar="D", help="as the run was given it")
    add("--ind", type=Path, metavar="FILE", help="as the run was given it")
    add("--devices", type=int, metavar="N", help="GPUs, or processes on a CPU, that share the work (default: 1)")
    commands.choices["refine"].set_defaults(run=_refine)

    add = commands.add_parser("simulate", help="particles with known poses from a map or model").add_argument
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
    add("--junk", type=float, default=0.0, metavar="F", help="share of junk particles (default: 0)")
    add("--select", metavar="GEMMI_SELECTION", help="part of the model")
    add("--seed", type=int, default=0, help="the same one gives the same files (default: 0)")
    commands.choices["simulate"].set_defaults(run=_simulate)

    add = commands.add_parser("evaluate", help="compare a run or a map with the truth or a model").add_argument
    add("run_or_map", type=Path, metavar="RUN|MAP")
    add("--truth-map", type=Path, metavar="MAP")
    add("--model", type=Path, metavar="MODEL.cif|.pdb", help="atomic model, in place of the true map")
    add("--select", metavar="GEMMI_SELECTION", help="part of the model")
    add("--truth-poses", type=Path, metavar="STAR")
    add("--symmetry", default="C1", metavar="G", help="point group of the truth (default: C1)")
    add("--radius", type=float, default=0.45, help="soft sphere's radius as a share of the box (default: 0.45)")
    add("--json", action="store_true", help="print JSON instead of a table")
    commands.choices["evaluate"].set_defaults(run=_evaluate)

    add = commands.add_parser("export", help="poses of a finished run for RELION or cryoSPARC").add_argument
    add("run_folder", type=Path, metavar="RUN")
    add("--format", choices=("star", "cs"), required=True, help="RELION's or cryoSPARC's particle file")
    add("-o", "--output", type=Path, metavar="FILE", help="default: RUN.star or RUN.cs, beside the run")
    add("--kept", action="store_true", help="without the particles that the run took for junk")
    commands.choices["export"].set_defaults(run=_export)

    add = commands.add_parser("sharpen", help="sharpen the map of a run, or another").add_argument
    add("run_or_map", type=Path, metavar="RUN|MAP", help="finished run, or an unfiltered map")
    add("-o", "--output", type=Path, metavar="FILE", help="default: RUN/map_sharpened.mrc, or beside the map")
    add("--b-factor", type=float, metavar="B", help="square angstrom, negative sharpens (default: Guinier fit)")
    add("--fsc", type=Path, metavar="CSV", help="curve as fsc.csv (default: the run's, or of the half maps beside)")
    add("--mask", type=Path, metavar="MAP", help="where FSC and amplitudes are measured (default: a soft sphere)")
    add("--deepemhancer", action="store_true", help="hand the unfiltered half maps to DeepEMhancer instead")
    commands.choices["sharpen"].set_defaults(run=_sharpen)

    add = commands.add_parser("symmetry", help="which point group a map has, and where its axes lie").add_argument
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
    commands.choices["symmetry"].set_defaults(run=_symmetry)

    add = commands.add_parser("volume", help="the network's own volume on any grid").add_argument
    add("run_folder", type=Path, metavar="RUN", help="finished or running")
    add("--box", type=int, required=True, metavar="B", help="pixels")
    add("--pixel-size", type=float, required=True, metavar="A", help="angstrom per pixel")
    add("-o", "--output", type=Path, metavar="FILE", help="default: RUN/volume.mrc")
    add("--resolution", type=float, metavar="A", help="cut at this (default: as far as the network was trained)")
    commands.choices["volume"].set_defaults(run=_volume)
    return parser


def _launches(options: argparse.Namespace) -> bool:
    """Whether this process has to start the others, as which this very command is then run."""
    import torch

    started = os.environ.get("WORLD_SIZE")
    if started is not None:
        if options.devices != int(started):
            raise InputError(f"--devices {options.devices}: torchrun has started {started} processes; leave it out")
        return False
    if options.devices < 1:
        raise InputError(f"--devices {options.devices}: give a number from 1")
    on_gpu = torch.cuda.is_available() and getattr(options, "device", None) != "cpu"
    if on_gpu and options.devices > torch.cuda.device_count():
        raise InputError(
            f"--devices {options.devices}: torch sees {torch.cuda.device_count()} GPU(s); give no more, or --device cpu"
        )
    return options.devices > 1 and not getattr(options, "dry_run", False)


def _config(options: argparse.Namespace) -> Config:
    """Defaults, overlaid by the preset, by the settings file, and by the options given."""
    config = PRESETS[options.preset].config() if options.preset else Config()
    if options.config:
        config = read_config(options.config, config)
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
        "curriculum": {"starts": 1} if options.quick else None,
    }
    return config.changed(**{name: value for name, value in given.items() if value is not None})


def _reconstruct(options: argparse.Namespace) -> None:
    from cryofifa.main_path import reconstruct
    from cryofifa.run.prepare import prepare
    from cryofifa.system.processes import joined

    config = _config(options)
    if options.dry_run:
        prepared = prepare(options.particles, options.datadir, options.ind, config)
        print(prepared.plan.describe())
        print(f"{'device':<20} {prepared.device}")
        for warning in prepared.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        return
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
        _print_result(result)


def _print_result(result: Reconstruction) -> None:
    print(f"map     {result.folder.map}\nposes   {result.folder.particles}\nreport  {result.report}")
    resolution = result.resolution_fsc0143_angstrom
    reached = "" if resolution is None else f", half maps agree to {resolution:.1f} A"
    print(f"verdict {result.verdict}{reached}: {'; '.join(result.verdict_reasons)}")


def _presets(_: argparse.Namespace) -> None:
    print(presets_as_text())


def _infer(options: argparse.Namespace) -> None:
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


def _refine(options: argparse.Namespace) -> None:
    from cryofifa.after_run.refine_encoder import refine
    from cryofifa.system.processes import joined

    with options.signals.caught(), joined() as processes:
        result = refine(
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
        _print_result(result)


def _simulate(options: argparse.Namespace) -> None:
    from cryofifa.particles.simulated.simulate import simulate

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
        seed=options.seed,
    )
    print(f"particles  {options.output / 'particles.star'}\ntruth      {options.output / 'truth'}")


def _evaluate(options: argparse.Namespace) -> None:
    from cryofifa.after_run.evaluate import evaluate

    evaluation = evaluate(
        options.run_or_map,
        options.truth_map,
        options.truth_poses,
        options.symmetry,
        options.radius,
        model=options.model,
        select=options.select,
    )
    print(evaluation.as_json() if options.json else evaluation.as_text())


def _export(options: argparse.Namespace) -> None:
    from cryofifa.after_run.export import export

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        output = export(options.run_folder, options.format, options.output, kept=options.kept)
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    print(f"particles  {output}")


def _sharpen(options: argparse.Namespace) -> None:
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


def _symmetry(options: argparse.Namespace) -> None:
    from cryofifa.after_run.map_symmetry import find_symmetry

    report = find_symmetry(options.map, options.groups, options.output)
    print(report.as_json() if options.json else report.as_text())


def _volume(options: argparse.Namespace) -> None:
    from cryofifa.after_run.volume import volume

    result = volume(
        options.run_folder, options.box, options.pixel_size, options.output, resolution_angstrom=options.resolution
    )
    print(f"map         {result.path}\nresolution  {result.resolution_angstrom:.2f} A")


if __name__ == "__main__":
    sys.exit(main())
