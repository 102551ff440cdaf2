"""How often the verdict of a run is right: forty simulated sets from easy to hopeless, and the truth of each.

    python benchmarks/verdict.py                # 40 runs of a minute each; run again to continue
    python benchmarks/verdict.py --cases noise  # pure noise, five seeds: ends with exit code 1 unless all are refused

A run is right if the median rotation error of its particles is under 15 degrees: wrong minima are 30 to 140 off. Ends
with exit code 1 if a wrong run is called converged, or pure noise gets a resolution.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from particle_sets import DATA, REPOSITORY
from result_page import made_by, table, title, versions, write_page
from simulated_runs import SimulatedSet, junk_rows, reconstructed

from cryofifa.after_run.evaluate import evaluate
from cryofifa.results.summary import read_summary
from cryofifa.results.verdict import Word
from cryofifa.run.folder import RunFolder
from cryofifa.system.atomic_file import atomic_path

RIGHT_DEGREE = 15.0
NOTHING = 1e-6  # SNR of what is called pure noise
PSEUDO = SimulatedSet(None, None, particles=1500, box=32, pixel_size_angstrom=5.0, snr=0.2)
RECEPTOR = replace(PSEUDO, structure=Path("3SN6.cif"), select="/1/A,B,G,N,R/1-1000")
SMALL = replace(RECEPTOR, select="/1/A,R/1-1000", pixel_size_angstrom=4.0)


@dataclass(frozen=True)
class Case:
    """One kind of set, simulated and reconstructed with several seeds."""

    name: str
    set: SimulatedSet
    seeds: int = 3


CASES = (
    Case("noise", replace(PSEUDO, snr=NOTHING), seeds=5),
    *(Case(f"pseudo-{snr:g}", replace(PSEUDO, snr=snr)) for snr in (0.02, 0.05, 0.1, 0.3)),
    *(Case(f"receptor-{snr:g}", replace(RECEPTOR, snr=snr)) for snr in (0.05, 0.1, 0.2, 0.5)),
    *(Case(f"small-{snr:g}", replace(SMALL, snr=snr)) for snr in (0.1, 0.5)),
    Case("junk", replace(PSEUDO, snr=0.3, junk=0.3)),
    Case("preferred", replace(PSEUDO, snr=0.3, views="preferred"), seeds=2),
)


@dataclass(frozen=True)
class Judged:
    """One run: what it says of itself, and what is true."""

    case: str
    seed: int
    verdict: Word
    resolution_angstrom: float | None
    rotation_error_degree: float
    true_resolution_angstrom: float | None

    @property
    def right(self) -> bool:
        return self.rotation_error_degree < RIGHT_DEGREE


def main() -> int:
    options = _options()
    options.runs.mkdir(parents=True, exist_ok=True)
    judged = [one for case in CASES if case.name in options.cases for one in runs_of(case, options)]
    write_page(options.results, "verdict", as_lines(judged))
    false = [one for one in judged if one.verdict == "converged" and not one.right]
    believed = [one for one in judged if one.case == "noise" and one.resolution_angstrom is not None]
    return 1 if false or believed else 0


def runs_of(case: Case, options: argparse.Namespace) -> Iterator[Judged]:
    one = case.set
    if one.structure is not None:
        structure = options.data / "models" / one.structure
        if not structure.is_file():
            print(f"{structure}: no such model; the table goes without {case.name}", file=sys.stderr)
            return
        one = replace(one, structure=structure)
    for seed in range(1, case.seeds + 1):
        particles = replace(one, seed=seed).made(options.runs)
        run = options.runs / f"run-{case.name}-{seed}"
        reconstructed(particles, run, seed)
        found = judged_run(case.name, seed, particles, run)
        print("   " + " | ".join(as_cells(found)), flush=True)
        yield found


def judged_run(case: str, seed: int, particles: Path, run: Path) -> Judged:
    truth, summary = particles.parent / "truth", read_summary(RunFolder(run))
    known = run / "judged.json"
    if not known.exists():
        found = evaluate(run, truth / "map.mrc", truth / "poses.star")
        error = np.delete(np.array(found.rotation_error_degree), junk_rows(particles))
        with atomic_path(known) as path:
            path.write_text(json.dumps([float(np.median(error)), found.resolution_fsc05_angstrom]))
    error, resolution = json.loads(known.read_text())
    return Judged(case, seed, summary.verdict, summary.resolution_fsc0143_angstrom, error, resolution)


HEAD = ("case", "seed", "verdict", "half maps, 0.143 (A)", "to the truth, 0.5 (A)", "rotation error (deg)", "truth")


def as_cells(one: Judged) -> list[str]:
    def angstrom(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    found, true = angstrom(one.resolution_angstrom), angstrom(one.true_resolution_angstrom)
    error = f"{one.rotation_error_degree:.1f}"
    return [one.case, str(one.seed), one.verdict, found, true, error, "right" if one.right else "wrong"]


def as_lines(judged: list[Judged]) -> list[str]:
    """The whole page."""
    count = Counter((one.verdict, one.right) for one in judged)
    sizes = f"{PSEUDO.particles} particles of {PSEUDO.box} px"
    return [
        title("Verdicts"),
        "",
        f"{len(judged)} simulated sets of {sizes}, default settings; the number of a case is its SNR.",
        f"Right: median rotation error under {RIGHT_DEGREE:g} degrees, junk not counted.",
        versions("cryofifa", "torch", "numpy", "scipy"),
        made_by("verdict.py"),
        "",
        *table(
            ("verdict", "right", "wrong"),
            ((word, str(count[word, True]), str(count[word, False])) for word in get_args(Word)),
        ),
        "",
        *table(HEAD, map(as_cells, judged)),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = Path(os.environ.get("CRYOFIFA_RUNS", REPOSITORY / "benchmarks" / "runs")) / "verdict"
    names = [case.name for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets, for the model 3SN6")
    parser.add_argument("--runs", type=Path, default=runs, help="folder of the sets and runs")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
