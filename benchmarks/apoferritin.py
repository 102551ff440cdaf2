"""Real apoferritin with its point group, beside the same images with phases drawn at random beyond 15 A.

    python benchmarks/apoferritin.py                 # seeds 1, 2, 3, ten minutes each on a core; run again to go on
    python benchmarks/apoferritin.py --seeds 1 --only null

What a run agrees with the model on is counted twice: as maps are, and without the spherical mean of both, which knows
no pose and agrees by itself. Images whose fine detail was destroyed must not show any.
"""

import argparse
import os
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from particle_sets import DATA, REPOSITORY, SETS
from peer_particles import copied_particles
from result_page import made_by, table, title, versions, write_page
from timed_process import processor, run_on_two_cores

from cryofifa.mrc_map import read_map
from cryofifa.physics.fourier import fourier_2d, inverse_fourier_2d
from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.spherical_mean import without_spherical_mean
from cryofifa.results.align_volumes import align_volumes
from cryofifa.results.fsc import in_soft_sphere
from cryofifa.results.summary import read_summary
from cryofifa.run.folder import RunFolder, read_json, write_json

SET = SETS["apoferritin"]
PIXEL_SIZE_ANGSTROM = 3.0
RANDOM_BEYOND_ANGSTROM = 15.0
SHOWN_ANGSTROM = (30.0, 24.0, 20.0, 17.0, 15.0, 13.3, 12.0, 10.9, 10.0, 9.0)


@dataclass(frozen=True)
class Measured:
    """One run: FSC to the model at the resolutions shown, as maps are and without spherical means."""

    particles: str
    seed: int
    wall_minutes: float
    cpu_minutes: float
    verdict: str
    starts: str
    halves_angstrom: float | None
    fsc: list[float]
    fsc_without_mean: list[float]


def main() -> None:
    options = _options()
    options.runs.mkdir(parents=True, exist_ok=True)
    particles = options.data / SET.name / f"{SET.name}.star"
    if not particles.is_file():
        sys.exit(f"{particles}: no such particle file; give the folder of the sets with --data")
    found = []
    for kind in options.only:
        star = particles
        if kind == "null":
            random = torch.Generator().manual_seed(0)
            prepared = partial(without_fine_detail, random=random)
            star = copied_particles(particles, None, options.runs / "null", prepared).star
        found += [measured(kind, star, seed, options) for seed in options.seeds]
    write_page(options.results, "apoferritin", as_lines(found))


def without_fine_detail(image: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Images of whose phases beyond 15 A none is what it was: they are those of white noise."""
    size = image.shape[-1]
    beyond = distance_from_centre(size, 2) * RANDOM_BEYOND_ANGSTROM > size * PIXEL_SIZE_ANGSTROM
    noise = fourier_2d(torch.randn(image.shape, generator=random))
    transform = fourier_2d(image)
    return inverse_fourier_2d(torch.where(beyond, transform.abs() * noise / noise.abs(), transform)).float()


def measured(kind: str, star: Path, seed: int, options: argparse.Namespace) -> Measured:
    """A run, or what an earlier call measured of it."""
    output = options.runs / f"{kind}-seed{seed}"
    numbers = output.with_suffix(".json")
    if not numbers.exists():
        print(f"{output.name} ...", flush=True)
        arguments = ["reconstruct", str(star), "-o", str(output), "--symmetry", SET.symmetry, "--seed", str(seed)]
        cost = run_on_two_cores([sys.executable, "-m", "cryofifa", *arguments], output.with_suffix(".txt"))
        said = read_summary(RunFolder(output))
        curves = curves_to_model(output / "map.mrc", options.data / SET.name / "truth" / "map.mrc")
        one = Measured(
            kind,
            seed,
            cost.wall_seconds / 60,
            cost.cpu_seconds / 60,
            said.verdict,
            f"{said.agreeing_starts} of {said.starts}",
            said.resolution_fsc0143_angstrom,
            *curves,
        )
        write_json(numbers, asdict(one))
    return Measured(**read_json(numbers))


def curves_to_model(found: Path, model: Path) -> tuple[list[float], list[float]]:
    """FSC inside a sphere little larger than the particle, at the resolutions shown."""
    (volume, pixel_size), (truth, true_pixel_size) = read_map(found), read_map(model)
    aligned = align_volumes(volume, pixel_size, truth, true_pixel_size).volume
    first, second = (in_soft_sphere(one, SET.mask_radius_share) for one in (aligned, truth))
    shell = [round(truth.shape[-1] * true_pixel_size / one) for one in SHOWN_ANGSTROM]
    whole = fourier_shell_correlation(first, second)
    rest = fourier_shell_correlation(without_spherical_mean(first), without_spherical_mean(second))
    return whole[shell].tolist(), rest[shell].tolist()


def as_lines(found: list[Measured]) -> list[str]:
    """The whole page."""
    head = ("particles", "seed", "wall (min)", "CPU (min)", "verdict", "starts that agree", "halves (A)")
    rows = [
        [
            one.particles,
            str(one.seed),
            f"{one.wall_minutes:.1f}",
            f"{one.cpu_minutes:.1f}",
            one.verdict,
            one.starts,
            "-" if one.halves_angstrom is None else f"{one.halves_angstrom:.1f}",
        ]
        for one in found
    ]
    curve_head = ("particles", "seed", "FSC to the model", *(f"{one:g} A" for one in SHOWN_ANGSTROM))
    curve_rows = [
        [one.particles, str(one.seed), name, *(f"{value:.2f}" for value in curve)]
        for one in found
        for name, curve in (("whole maps", one.fsc), ("without spherical means", one.fsc_without_mean))
    ]
    return [
        title("Apoferritin"),
        "",
        f"Hardware: {processor()}, {min(2, len(os.sched_getaffinity(0)))} core(s). {versions('cryofifa', 'torch')}",
        f"1,909 particles, real (EMPIAR-10146), `--symmetry {SET.symmetry}`. null: phases at random beyond "
        f"{RANDOM_BEYOND_ANGSTROM:g} A.",
        made_by("apoferritin.py"),
        "",
        *table(head, rows),
        "",
        *table(curve_head, curve_rows),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    parser.add_argument("--seeds", type=int, nargs="+", default=SET.seeds)
    parser.add_argument("--only", nargs="+", choices=("real", "null"), default=("real", "null"))
    parser.add_argument(
        "--runs", type=Path, default=REPOSITORY / "benchmarks" / "runs" / "apoferritin", help="folder of the runs"
    )
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
