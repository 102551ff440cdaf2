"""The default command on sets as hard as real ones, against their truth: poses, map, verdict, junk.

    python benchmarks/hard_sets.py ../shared/data/hard/junk40 ../shared/data/hard/user --seeds 1 2 3 --jobs 2

Every folder has `particles.star` and `truth/`: poses.star, map.mrc, junk.txt with 0-based rows, ceiling.json. Every run
is a process of its own with one thread, and is resumed if it was cut off.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import torch
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page

from cryofifa.after_run.evaluate import evaluate
from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.files.star_blocks import read_star_blocks

HEAD = (
    "set, seed",
    "verdict",
    "halves (A)",
    "starts",
    "median error of good (deg)",
    "within 10 deg",
    "ceiling",
    "FSC 0.5 (A)",
    "ceiling (A)",
    "junk found",
    "of it junk",
    "seconds",
)


def main() -> None:
    options = _options()
    options.runs.mkdir(parents=True, exist_ok=True)
    pairs = list(product(options.sets, options.seeds))
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = list(pool.map(lambda pair: reconstructed(pair[0], pair[1], options.runs), pairs))
    rows = [measured(run, folder, seed) for run, (folder, seed) in zip(runs, pairs, strict=True)]
    lines = [title("Hard sets"), "", versions("torch", "numpy"), made_by("hard_sets.py"), "", *table(HEAD, rows)]
    write_page(options.results, "hard-sets", lines)


def reconstructed(folder: Path, seed: int, runs: Path) -> Path:
    """The finished run of one set, by the command, with one thread."""
    run = runs / f"{folder.name}-{seed}"
    arguments = ["reconstruct", str(folder / "particles.star"), "-o", str(run), "--seed", str(seed)]
    with (runs / f"{run.name}.txt").open("w", encoding="utf-8") as said:
        subprocess.run(
            [sys.executable, "-m", "cryofifa", *arguments],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=said,
            check=True,
        )
    return run


def measured(run: Path, folder: Path, seed: int) -> list[str]:
    """One row of the table."""
    truth, summary = folder / "truth", json.loads((run / "run.json").read_text())
    true, found = read_poses_star(truth / "poses.star"), read_poses_star(run / "particles.star")
    good = np.ones(len(true), dtype=bool)
    listed = (truth / "junk.txt").read_text().split() if (truth / "junk.txt").exists() else []
    good[[int(row) for row in listed]] = False
    rows = torch.from_numpy(good)
    compared = compare_poses(found.on_host().select(rows), true.on_host().select(rows))
    names = read_star_blocks(run / "particles.star").particles["rlnImageName"]
    kept = names.isin(read_star_blocks(run / "kept.star").particles["rlnImageName"]).to_numpy()
    left_out, junk = int((~kept).sum()), int((~good).sum())
    both = int((~kept & ~good).sum())
    ceiling = json.loads((truth / "ceiling.json").read_text())
    of_map = evaluate(run, truth_map=truth / "map.mrc", truth_poses=truth / "poses.star")
    halves = summary["resolution_fsc0143_angstrom"]
    return [
        f"{folder.name}, {seed}",
        summary["verdict"],
        "-" if halves is None else f"{halves:.1f}",
        f"{summary['agreeing_starts']} of {summary['starts']}",
        f"{compared.median_rotation_error_degree:.1f}",
        f"{compared.share_within_10_degree:.3f}",
        f"{ceiling['within_10deg_when_matched_to_the_true_map']:.3f}",
        "-" if of_map.resolution_fsc05_angstrom is None else f"{of_map.resolution_fsc05_angstrom:.2f}",
        f"{ceiling['all']:.2f}",
        f"{both / junk:.2f}" if junk else "-",
        f"{both / left_out:.2f}" if junk and left_out else f"{left_out} left out",
        f"{summary['seconds']:.0f}",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, help="folders of sets")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="where runs are kept")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
