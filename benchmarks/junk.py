"""What the junk filter does: a simulated set with junk, reconstructed with the filter and without it.

    python benchmarks/junk.py                   # 2,000 particles of 32 px, 30 % junk; run again to continue
    python benchmarks/junk.py --structure 3SN6.cif --select R,A,B,G --box 48 --pixel-size 3.3 --seeds 1 2 3

"With" is the default; "without" lets every particle of a minibatch update the network (keep_fraction 1) and makes the
final map of all particles. Every run is a process of its own and is resumed if it was cut off, for nothing is timed.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page
from simulated_runs import SimulatedSet, junk_rows, reconstructed, sample_settings

from cryofifa.after_run.evaluate import evaluate
from cryofifa.half_map_refinement.half_maps import back_project_halves, solve_half_maps
from cryofifa.half_map_refinement.score_split import roc_auc
from cryofifa.mrc_map import write_map
from cryofifa.particles.files.star import read_poses_star, read_star
from cryofifa.particles.files.star_blocks import read_star_blocks
from cryofifa.particles.files.star_columns import SCORE_LABEL
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.poses import known
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.fourier import HalfPlane

WITHOUT = "[curriculum]\nkeep_fraction = 1.0\n\n[junk]\nmap_of_kept = false\n"
MASK_EDGE_PIXEL = 3.0


def main() -> None:
    options = _options()
    work = options.runs
    work.mkdir(parents=True, exist_ok=True)
    (work / "without.toml").write_text(WITHOUT, encoding="utf-8")
    weights = sample_settings(options.sample).junk.weights
    kinds = tuple(kind for kind, weight in weights.items() if weight > 0)
    rows = []
    for seed in options.seeds:
        one = SimulatedSet(
            structure=options.structure,
            select=options.select,
            particles=options.particles,
            box=options.box,
            pixel_size_angstrom=options.pixel_size,
            snr=options.snr,
            junk=options.junk,
            seed=seed,
            sample=options.sample,
        )
        particles = one.made(work)
        for name in ("with", "without"):
            run = work / f"{name}-{one.name}"
            reconstructed(particles, run, seed, work / "without.toml" if name == "without" else None)
            rows.append([str(seed), name, *measured(run, particles.parent, kinds)])
            print("   " + " | ".join(rows[-1]), flush=True)
    write_page(options.results, "junk", as_lines(options, rows, kinds))


HEAD = ("seed", "filter", "rotation error of good (deg)", "within 10 deg")
HEAD_OF_ALL = (
    "AUC",
    "kept",
    "junk among kept",
    "good lost",
    "FSC 0.5, all (A)",
    "FSC 0.5, kept (A)",
    "FSC 0.5, good (A)",
)


def measured(run: Path, particle_set: Path, kinds: tuple[str, ...]) -> list[str]:
    """One row of the table, from the third column on."""
    truth = particle_set / "truth"
    particles = read_star_blocks(run / "particles.star").particles
    names = read_star_blocks(run / "kept.star").particles["rlnImageName"]
    score = particles[SCORE_LABEL].astype(float).to_numpy()
    kept = particles["rlnImageName"].isin(names).to_numpy()
    kind = np.full(len(particles), "good", dtype=object)
    kind[junk_rows(particle_set / "particles.star")] = (truth / "junk_kind.txt").read_text().split()
    good = kind == "good"
    found = evaluate(run, truth_poses=truth / "poses.star")
    error = np.array(found.rotation_error_degree)[good]
    areas = [roc_auc(score[good | (kind == one)], good[good | (kind == one)]) for one in kinds]
    maps = [_resolution(run, particle_set, taken) for taken in (np.ones_like(kept), kept, good)]
    return [
        f"{np.median(error):.1f}",
        f"{(error < 10).mean():.1%}",
        *(f"{area:.3f}" for area in (*areas, roc_auc(score, good))),
        f"{kept.mean():.1%}",
        f"{(kept & ~good).sum() / kept.sum():.1%}",
        f"{(~kept & good).sum() / good.sum():.1%}",
        *(f"{resolution:.2f}" for resolution in maps),
    ]


def _resolution(run: Path, particle_set: Path, taken: np.ndarray) -> float:
    """FSC 0.5 to the truth of the map that these particles give in their found poses, made as the run makes its own."""
    table, poses = read_star(particle_set / "particles.star"), read_poses_star(run / "particles.star")
    images = ParticleImages(table, ImageStacks(table))
    plane = HalfPlane.of_box(table.box_size, images.pixel_size_angstrom, with_origin=True)
    sums = back_project_halves(
        images.normalised,
        images.ctf_parameters(),
        poses.rotation.float(),
        poses.shift_angstrom.float(),
        torch.where(torch.from_numpy(taken), known(poses.half), 0),
        plane,
    )
    radius = 1.15 * radius_of_volume(sums[0].volume() + sums[1].volume())
    maps = solve_half_maps(sums, min(radius, 0.45 * table.box_size), MASK_EDGE_PIXEL)
    path = run / "compared.mrc"
    write_map(path, maps.combined, images.pixel_size_angstrom)
    resolution = evaluate(path, particle_set / "truth" / "map.mrc").resolution_fsc05_angstrom
    path.unlink()
    assert resolution is not None
    return resolution


def as_lines(options: argparse.Namespace, rows: list[list[str]], kinds: tuple[str, ...]) -> list[str]:
    """The whole page."""
    structure = "pseudo-protein" if options.structure is None else options.structure.name
    return [
        title("Junk filter"),
        "",
        f"{options.particles} particles of {options.box} px of {options.pixel_size:g} A, SNR {options.snr:g}, "
        f"{options.junk:.0%} junk ({', '.join(kinds)}); structure: {structure}.",
        versions("cryofifa", "torch", "numpy", "scipy"),
        "AUC: probability that a good particle has a higher score than junk. FSC 0.5 to the true map: of all particles",
        "in the poses found, of those in kept.star, and of those that are no junk. Without the filter: keep_fraction 1",
        "and a final map of all particles; its kept.star is written all the same.",
        made_by("junk.py"),
        "",
        *table((*HEAD, *(f"AUC, {kind}" for kind in kinds), *HEAD_OF_ALL), (row for row in rows)),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = Path(os.environ.get("CRYOFIFA_RUNS", REPOSITORY / "benchmarks" / "runs")) / "junk"
    parser.add_argument("--structure", type=Path, help="map or model (default: a made-up protein)")
    parser.add_argument("--select", help="part of the model, in gemmi's syntax")
    parser.add_argument("--particles", type=int, default=2000)
    parser.add_argument("--box", type=int, default=32, help="pixels")
    parser.add_argument("--pixel-size", type=float, default=5.0, help="angstrom")
    parser.add_argument("--snr", type=float, default=0.5)
    parser.add_argument("--junk", type=float, default=0.3, help="share of junk, over 0")
    parser.add_argument("--sample", type=Path, help="what makes images hard, as in `cryofifa simulate --sample`")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--runs", type=Path, default=runs, help="folder of the sets and runs")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
