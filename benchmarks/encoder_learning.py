"""How fast a pose encoder learns, taught with projections of the true map; and whether it earns its place in a run.

    python benchmarks/encoder_learning.py               # every design on gpcr and ribosome; run again to continue
    python benchmarks/encoder_learning.py --designs default omega-5 --sets --simulate 20000
    python benchmarks/encoder_learning.py --designs --runs RUN1 RUN2    # only the table of finished runs

The true map stands in for a decoder that has finished learning: what is left is the encoder's own part. It learns from
synthetic particles alone, in the working frame of a default run, and is tried on the set's real images: the map chooses
the best of the copies, and its pose is compared with the true one. Time is that of learning, without the trials.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import cryofifa.system.threads  # isort: skip  # before torch  # noqa: F401
import torch
from jaxtyping import Float
from particle_sets import DATA
from result_page import made_by, table, title, versions, write_page
from simulated_runs import SimulatedSet
from timed_process import processor
from torch import Tensor
from working_set import working_set

from cryofifa import Config, InputError, evaluate, infer
from cryofifa.mrc_map import read_map
from cryofifa.particles.files.star import read_poses_star
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import form_image, mask_transform
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.resample import resample_volume
from cryofifa.physics.rotations import rotation_distance_radian
from cryofifa.run.folder import RunFolder, read_json, write_json
from cryofifa.run.plan import RunPlan
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.copy_selection import best_of_copies
from cryofifa.train.curriculum import stage_at
from cryofifa.train.image_copies import CopiedImages, Copies
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.training_targets import synthetic_loss
from cryofifa.train.working_set import WorkingSet

BENCHMARKS = Path(__file__).resolve().parent
SCALED_ON, TRIED_ON = 500, 1000  # real images
SIMULATED_SNR = 0.2

# what differs from the default [encoder] settings
DESIGNS: dict[str, dict[str, Any]] = {
    "default": {},
    "every-copy": {},
    "4x90": {"augmentation": "4x90"},
    "omega-1": {"omega": 1.0},
    "omega-5": {"omega": 5.0},
    "adam-5e-4": {"learning_rate": 5e-4},
    "channels-8": {"channels": 8},
    "channels-32": {"channels": 32},
    "stages-2": {"stages": 2},
    "stages-4": {"stages": 4},
    "width-128": {"feature_width": 128},
    "width-512": {"feature_width": 512},
    "heads-4": {"heads": 4},
    "heads-8": {"heads": 8},
}
# of "every-copy": synthetic poses are uniform over all rotations, and so are their copies', so the image itself will do
ITSELF = Copies(torch.zeros(1, 0), 4, torch.eye(3)[None, None])


@dataclass(frozen=True)
class KnownSet:
    """Real images at the working box with their true poses, and the true map in the scale of the images."""

    plan: RunPlan
    particles: WorkingSet
    rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    grid: FourierGrid

    def ab_initio(self, config: Config) -> AbInitio:
        plan, particles = self.plan, self.particles
        radius, shift_range = plan.particle_radius_angstrom, plan.shift_range_angstrom
        ab_initio = AbInitio(config, plan.curriculum, particles, radius, shift_range)
        ab_initio.shift_sd_angstrom = float(self.shift_angstrom.square().mean().sqrt())
        return ab_initio


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        sets = {name: options.data / name / f"{name}.star" for name in options.sets}
        if options.simulate:
            size = options.simulate, 32, options.pixel_size
            made = SimulatedSet(options.structure, options.select, *size, snr=SIMULATED_SNR, seed=1)
            sets[made.name] = made.made(options.work)
        learning = [learning_row(options, *one, design) for one in sets.items() for design in options.designs]
        finished = [run_row(options.work, RunFolder(run.resolve())) for run in options.runs]
    except InputError as error:
        sys.exit(str(error))
    write_page(options.results, "encoder-learning", as_lines(options, learning, finished))


def kept(path: Path, about: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an earlier call measured of the same, or else is measured now."""
    if path.exists() and (earlier := read_json(path))["about"] == about:
        return earlier["numbers"]
    print(f"{path.stem} ...", flush=True)
    numbers = measure()
    write_json(path, {"about": about, "numbers": numbers})
    return numbers


@cache
def known_set(star: Path) -> KnownSet:
    """Read and plan as a default run does; the truth lies beside the particle file, its rows in the same order."""
    config = Config(device="cpu")
    prepared, particles = working_set(star, config)
    plan = prepared.plan
    frame, pixel_size = plan.ab_initio_frame, plan.pixel_size_angstrom
    poses = read_poses_star(star.parent / "truth" / "poses.star")
    rotation = poses.rotation.float()
    shift = poses.shift_angstrom.float()
    volume, map_pixel_size = read_map(star.parent / "truth" / "map.mrc")
    # a corner is background
    volume = resample_volume(volume - volume[0, 0, 0], map_pixel_size, pixel_size, frame.window_pixel)
    ball = plan.particle_size(config).image_mask(pixel_size)
    mask = spherical_mask(frame.window_pixel, ball.radius_pixel, ball.edge_pixel)
    grid = FourierGrid.from_volume(volume * mask, plan.curriculum.end_radius)
    known = KnownSet(plan, particles, rotation, shift, grid)
    some = torch.arange(min(SCALED_ON, len(particles)))
    batch = known.ab_initio(config).minibatch(some, stage_at(plan.curriculum, 1.0))
    predicted = form_image(grid.slices(rotation[some], batch.plane), batch.ctf, shift[some], batch.plane)
    predicted = mask_transform(predicted, batch.mask, batch.plane)
    scale = (predicted.conj() * batch.measured).real.sum() / predicted.abs().square().sum()  # least squares
    return KnownSet(plan, particles, rotation, shift, FourierGrid(grid.real_imaginary * scale, grid.radius))


def learned(known: KnownSet, config: Config, *, every_copy: bool, seconds: list[float]) -> dict[str, Any]:
    """Teach a new encoder, and try it at each of these times of learning; the rate falls as in a run of that length."""
    ab_initio, curriculum, encoding = known.ab_initio(config), known.plan.curriculum, config.encoder
    synthetic = config.synthetic_per_particle
    encoder, optimiser, stage = ab_initio.networks.encoder, ab_initio.networks.optimiser, stage_at(curriculum, 1.0)
    everyone, minibatch = torch.arange(len(known.particles)), config.curriculum.minibatch
    tried = RandomDraws(config.seed, "tried").order(everyone)[:TRIED_ON]
    spent, step, trials = 0.0, 0, []
    for mark in seconds:
        started = monotonic() - spent
        while (spent := monotonic() - started) < mark:
            rate = stage_at(curriculum, spent / seconds[-1]).encoder_rate
            optimiser.param_groups[0]["lr"] = encoding.learning_rate * rate
            batch = ab_initio.minibatch(RandomDraws(config.seed, "order", step).order(everyone)[:minibatch], stage)
            copies = ITSELF if every_copy else ab_initio.copy_choice.copies(batch.particle, step)
            draws = RandomDraws(config.seed, "imagined", step)
            optimiser.zero_grad(set_to_none=True)
            synthetic_loss(encoder, batch, synthetic, known.grid, copies, ab_initio.encoder_input, draws).backward()
            optimiser.step()
            step += 1
        errors = []
        for members in tried.split(minibatch):
            batch = ab_initio.minibatch(members, stage)
            copies = ab_initio.copy_choice.copies(members, 0)
            seen = CopiedImages.of_channels(copies, ab_initio.encoder_input(batch.image * batch.mask))
            found = best_of_copies(encoder, seen, batch.measured, batch.ctf, batch.plane, known.grid)
            errors.append(rotation_distance_radian(found.poses.rotation, known.rotation[members]).rad2deg())
        trials.append(_trial(torch.cat(errors)))
    return {
        "parameters": sum(values.numel() for values in encoder.parameters()),
        "images_per_second": step * minibatch * synthetic / spent,
        "trials": trials,
    }


def learning_row(options: argparse.Namespace, set_name: str, star: Path, design: str) -> list[str]:
    """A design on a set."""
    config, every_copy = Config(device="cpu", seed=1).changed(encoder=DESIGNS[design]), design == "every-copy"
    seconds = sorted(options.seconds)
    about = {"set": str(star), "encoder": asdict(config.encoder), "seconds": seconds, "threads": options.threads}
    path = options.work / f"{set_name}-{design}.json"
    numbers = kept(path, about, lambda: learned(known_set(star), config, every_copy=every_copy, seconds=seconds))
    row = [set_name, design, f"{numbers['parameters']:,}", f"{numbers['images_per_second']:.0f}"]
    return row + [_cell(trial) for trial in numbers["trials"]]


def run_row(work: Path, run: RunFolder) -> list[str]:
    """What a finished run's encoder finds by itself, beside what the run found."""
    run.check_finished()
    settings, name = read_json(run.settings), "-".join(run.path.parts[-2:])
    particles, alone = Path(settings["particles"]), work / f"inferred-{name}"

    def measure() -> dict[str, Any]:
        infer(run.path, particles, alone, device="cpu", match_to_map=False)
        truth = particles.parent / "truth" / "poses.star"
        found = (evaluate(path, truth_poses=truth).rotation_error_degree for path in (alone, run.path))
        return {"trials": [_trial(torch.tensor(error)) for error in found]}

    about = {"run": str(run.path), "finished": run.summary.stat().st_mtime}
    trials = kept(work / f"run-{name}.json", about, measure)["trials"]
    learning = [one for one in read_json(run.summary)["history"] if one["phase"] == AbInitio.phase]
    winners = " ".join(f"{100 * one['winner_shares']['encoder']:.0f}" for one in learning)
    return [run.path.name, particles.stem, settings["config"]["pose_mode"], *map(_cell, trials), winners]


def _trial(error_degree: Tensor) -> list[float]:
    """Median, and the shares within 10 and 20 degrees."""
    return [float(error_degree.median()), *(float((error_degree < limit).float().mean()) for limit in (10, 20))]


def _cell(trial: list[float]) -> str:
    return f"{trial[0]:.1f} ({trial[1]:.0%}, {trial[2]:.0%})"


def as_lines(options: argparse.Namespace, learning: list[list[str]], finished: list[list[str]]) -> list[str]:
    """The whole page."""
    default = ", ".join(f"{name} {value}" for name, value in asdict(Config().encoder).items())
    lines = [
        title("Encoder learning"),
        "",
        f"Hardware: {processor()}, threads: {options.threads}. {versions('cryofifa', 'torch', 'numpy')}",
        "Cells: median rotation error in degrees (share within 10 and 20 degrees), best of copies.",
        made_by("encoder_learning.py"),
    ]
    if learning:
        lines += ["", f"Taught with the true map, tried on {TRIED_ON} real images. Default: {default}.", ""]
        times = [f"after {seconds:g} s" for seconds in sorted(options.seconds)]
        lines += table(["set", "design", "parameters", "images/s", *times], learning)
    if finished:
        lines += ["", "Finished runs: the encoder alone (`infer --encoder-only`), and the poses at its end.", ""]
        lines += table(["run", "set", "mode", "encoder alone", "run", "encoder's winners by epoch (%)"], finished)
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    add("--sets", nargs="*", choices=("gpcr", "ribosome"), default=["gpcr", "ribosome"])
    add("--simulate", type=int, metavar="N", help="also N simulated particles of 32 px")
    add("--structure", type=Path, help="their map or model (default: a made-up protein)")
    add("--select", help="part of the model, in gemmi's syntax")
    add("--pixel-size", type=float, default=5.0, help="of these particles, angstrom")
    add("--designs", nargs="*", choices=DESIGNS, default=list(DESIGNS))
    add("--seconds", nargs="+", type=float, default=[15.0, 30.0, 60.0], help="of learning; the last one ends it")
    add("--threads", type=int, default=1)
    add("--runs", nargs="*", type=Path, default=[], metavar="RUN", help="finished runs, truth beside their particles")
    add("--work", type=Path, default=BENCHMARKS / "runs" / "encoder-learning", help="for sets and numbers")
    add("--results", type=Path, default=BENCHMARKS / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
