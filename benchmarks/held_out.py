"""Poses of particles never seen in training, against those of the training half.

    python benchmarks/held_out.py                        # gpcr and ribosome; run again to continue
    python benchmarks/held_out.py --sets gpcr --seed 2

Every second particle is reconstructed with the default settings; the others are posed by `cryofifa infer`, with the
encoder alone and with the search against the run's map. Errors are against the true poses.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from particle_sets import DATA, REPOSITORY, SETS, ParticleSet
from result_page import table, title, write_page
from timed_process import CORES, processor, run_on_two_cores

from cryofifa.after_run.evaluate import evaluate
from cryofifa.particles.files.star import read_poses_star

HEAD = ("set", "particles", "poses by", "rotation error (deg)", "within 10 deg", "shift error (A)", "particles / s")


def main() -> None:
    options = _options()
    options.runs.mkdir(parents=True, exist_ok=True)
    rows = [row for name in options.sets for row in measured(SETS[name], options.seed, options.data, options.runs)]
    lines = [
        title("Held-out particles"),
        "",
        f"Hardware: {processor()}, {CORES} cores; seed {options.seed}, default settings, half of 5,000 particles each.",
        "",
        *table(HEAD, rows),
    ]
    write_page(options.results, "held-out", lines)


def measured(one: ParticleSet, seed: int, data: Path, runs: Path) -> list[tuple[str, ...]]:
    """Three lines of the table; a finished run is not done again."""
    star, truth = data / one.name / f"{one.name}.star", data / one.name / "truth" / "poses.star"
    count = len(read_poses_star(truth))
    halves = []
    for which in range(2):
        rows = runs / f"{one.name}-half{which}.txt"
        rows.write_text("\n".join(map(str, np.arange(which, count, 2))), encoding="utf-8")
        halves.append(str(rows))
    run = runs / f"{one.name}-half0-seed{seed}"
    program = [sys.executable, "-m", "cryofifa"]
    command = [*program, "reconstruct", str(star), "-o", str(run), "--seed", str(seed), "--ind", halves[0]]
    run_on_two_cores(command, run.with_suffix(".txt"))
    lines = [line(one, "training", "the run", run, truth, None)]
    for how, extra in (("encoder alone", ["--encoder-only"]), ("encoder and search", [])):
        output = runs / f"{run.name}-{how.replace(' ', '-')}"
        command = [*program, "infer", str(run), str(star), "-o", str(output), "--ind", halves[1], *extra]
        run_on_two_cores(command, output.with_suffix(".txt"))
        speed = json.loads((output / "infer.json").read_text(encoding="utf-8"))["particles_per_second"]
        lines.append(line(one, "held out", how, output, truth, speed))
    return lines


def line(one: ParticleSet, particles: str, how: str, folder: Path, truth: Path, speed: float | None) -> tuple[str, ...]:
    found = evaluate(folder, truth_poses=truth, symmetry=one.symmetry)
    return (
        one.name,
        particles,
        how,
        f"{found.median_rotation_error_degree:.2f}",
        f"{100 * (found.share_within_10_degree or 0):.1f} %",
        f"{found.median_shift_error_angstrom:.2f}",
        "-" if speed is None else f"{speed:.0f}",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=["gpcr", "ribosome"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "benchmarks" / "runs", help="folder of the runs")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
