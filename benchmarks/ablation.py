"""What each part of the method does: every part on and off, on several sets and seeds, in one table.

    python benchmarks/ablation.py                                   # all parts, small runs; run again to continue
    python benchmarks/ablation.py --parts starts "half-map refinement" --sets gpcr --seeds 1
    python benchmarks/ablation.py --full                            # default settings, the parts that matter most
    python benchmarks/ablation.py --gpu

Every run is a process of its own on two cores. Its numbers are kept as JSON under a name made of its settings, so runs
that parts share are made once, and changed defaults are measured anew. A run that fails is a row with its message,
and is tried again by the next call.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_parts import DATA_SETS, FULL, GPU, PARTS, SMALL, WHAT_MATTERS_MOST, Overlay, Part, Size
from ablation_sets import AblationSet, made_set
from particle_sets import DATA, REPOSITORY, SETS
from result_page import made_by, table, title, versions, write_page
from simulated_runs import junk_rows
from timed_process import CORES, Cost, next_free, processor, run_on_two_cores

from cryofifa.after_run.evaluate import evaluate
from cryofifa.run.folder import write_json
from cryofifa.settings.config import Config, config_as_toml

MADE_SETS = ("junk", "neighbours")


@dataclass(frozen=True)
class Run:
    """What is measured: one process."""

    set: AblationSet
    config: Config
    particles: int | None

    @property
    def name(self) -> str:
        digest = hashlib.sha256(config_as_toml(self.config).encode()).hexdigest()[:10]
        return f"{self.set.particles.parent.name}-{self.particles or 'all'}-{digest}-seed{self.config.seed}"


@dataclass(frozen=True)
class Measured:
    """One finished run against the truth; of the rotation errors, those of junk do not count."""

    cost: Cost
    median_rotation_error_degree: float
    resolution_fsc05_angstrom: float | None


@dataclass(frozen=True)
class Failed:
    """A run that ended badly."""

    message: str


Outcome = Measured | Failed


@dataclass(frozen=True)
class Row:
    """One variant of a part on one set; the outcomes in the order of the seeds."""

    part: str
    mode: str
    variant: str
    set_name: str
    outcomes: tuple[Outcome, ...]


def main() -> None:
    options = _options()
    size = _size(options)
    parts = [part for part in PARTS if part.name in options.parts]
    check_variants_differ(parts, size)
    options.runs.mkdir(parents=True, exist_ok=True)
    sets = {one.name: one for one in _sets(options, parts)}
    known: dict[str, Outcome] = {}
    rows = [
        row
        for part in parts
        for name in part.sets
        if name in sets
        for row in rows_of(part, sets[name], size, options, known)
    ]
    kind = "" if size.name == SMALL.name else f"-{size.name}"
    write_page(options.results, f"ablation{kind}", as_lines(options, size, rows))


def rows_of(
    part: Part, one: AblationSet, size: Size, options: argparse.Namespace, known: dict[str, Outcome]
) -> Iterator[Row]:
    """One row per variant.

    known: outcomes by the runs' names; grows. A failed run that several parts share is not tried for each of them.
    """
    for variant, overlay in part.variants.items():
        base = configured(size, one, part, overlay)
        outcomes = []
        for seed in options.seeds:
            print(f"{part.name}, {variant}, {one.name}, seed {seed} ...", flush=True)
            run = Run(one, replace(base, seed=seed), size.particles)
            if run.name not in known:
                known[run.name] = measured(run, options.runs)
            outcomes.append(known[run.name])
        row = Row(part.name, part.pose_mode, variant, one.name, tuple(outcomes))
        for cells in as_cells(row, options.seeds):
            print("   " + " | ".join(cells), flush=True)
        yield row


def configured(size: Size, one: AblationSet, part: Part, overlay: Overlay) -> Config:
    """Defaults, overlaid by the size, by what is known of the set, and by the part's variant."""
    return Config(pose_mode=part.pose_mode).changed(**size.settings).changed(**one.settings).changed(**overlay)


def check_variants_differ(parts: list[Part], size: Size) -> None:
    """A changed default could make "on" and "off" the same run.

    Raises:
        SystemExit: if so.
    """
    nothing = AblationSet("", Path(), 0.45)
    for part in parts:
        configs = [configured(size, nothing, part, overlay) for overlay in part.variants.values()]
        if any(config in configs[:index] for index, config in enumerate(configs)):
            sys.exit(f"{part.name}: two of its variants are the same settings; change benchmarks/ablation_parts.py")


def measured(run: Run, folder: Path) -> Outcome:
    """Run and evaluate, or read the numbers of an earlier call."""
    numbers = folder / f"{run.name}.json"
    if numbers.exists():
        values: dict[str, Any] = json.loads(numbers.read_text(encoding="utf-8"))
        return Measured(**{**values, "cost": Cost(**values["cost"])})
    output, settings = folder / run.name, folder / f"{run.name}.toml"
    if output.exists():
        # a resumed run would be measured too short
        output = next_free(output)
    settings.write_text(config_as_toml(run.config), encoding="utf-8")
    command = [sys.executable, "-m", "cryofifa", "reconstruct", str(run.set.particles), "-o", str(output)]
    command += ["--config", str(settings)]
    if run.particles is not None:
        rows = folder / f"first-{run.particles}.txt"
        rows.write_text("".join(f"{row}\n" for row in range(run.particles)), encoding="utf-8")
        command += ["--ind", str(rows)]
    try:
        cost = run_on_two_cores(command, output.with_suffix(".txt"))
    except SystemExit as failure:
        _, ending, *words = str(failure).strip().splitlines()
        message = f"{ending} {words[-1] if words else ''}".strip()
        # folders of this machine say nothing to others
        return Failed(message.replace(str(run.set.particles.parent), run.set.name).replace(f"{folder}/", ""))
    found = evaluate(output, run.set.truth / "map.mrc", run.set.truth / "poses.star", radius=run.set.mask_radius_share)
    assert found.rotation_error_degree is not None
    error = np.array(found.rotation_error_degree)
    good = ~np.isin(np.arange(len(error)), junk_rows(run.set.particles))
    result = Measured(cost, float(np.median(error[good])), found.resolution_fsc05_angstrom)
    write_json(numbers, asdict(result))
    return result


HEAD = ("part", "mode", "setting", "set", "rotation error (deg)", "FSC 0.5 (A)", "CPU minutes")


def as_cells(row: Row, seeds: list[int]) -> Iterator[list[str]]:
    """A table row of the numbers, seed by seed, and one for each failure."""
    ended = [outcome for outcome in row.outcomes if isinstance(outcome, Measured)]
    head = [row.part, row.mode, row.variant, row.set_name]
    if ended:
        yield [
            *head,
            ", ".join(f"{one.median_rotation_error_degree:.1f}" for one in ended),
            ", ".join("-" if (fsc := one.resolution_fsc05_angstrom) is None else f"{fsc:.1f}" for one in ended),
            ", ".join(f"{one.cost.cpu_seconds / 60:.1f}" for one in ended),
        ]
    for seed, outcome in zip(seeds, row.outcomes, strict=True):
        if isinstance(outcome, Failed):
            yield [*head, f"seed {seed} failed: {outcome.message}".replace("|", "/"), "-", "-"]


def as_lines(options: argparse.Namespace, size: Size, rows: list[Row]) -> list[str]:
    """The whole page."""
    device = f"{torch.cuda.get_device_name()} and " if options.gpu and torch.cuda.is_available() else ""
    cores = min(CORES, len(os.sched_getaffinity(0)))
    return [
        title("Ablation"),
        "",
        f"Hardware: {device}{processor()}, {cores} core(s). {versions('cryofifa', 'torch', 'numpy', 'scipy')}",
        f"Particles: {'all' if size.particles is None else f'the first {size.particles}'} of each set. Default settings"
        + (f" but for `{json.dumps(size.settings)}`." if size.settings else "."),
        "The first setting of a part is with it, the others are without. Median rotation error (junk does not count)",
        "and FSC 0.5 against the truth; CPU time of the whole process.",
        f"Numbers are those of seeds {', '.join(map(str, options.seeds))}, in this order.",
        made_by("ablation.py"),
        "",
        *table(HEAD, (cells for row in rows for cells in as_cells(row, options.seeds))),
    ]


def _size(options: argparse.Namespace) -> Size:
    size = FULL if options.full else GPU if options.gpu else SMALL
    if options.particles is not None:
        size = replace(size, particles=options.particles)
    if options.epochs is not None:
        curriculum = {**size.settings.get("curriculum", {}), "epochs": options.epochs}
        size = replace(size, settings={**size.settings, "curriculum": curriculum})
    return size


def _sets(options: argparse.Namespace, parts: list[Part]) -> Iterator[AblationSet]:
    """Those asked for that a part needs; made sets are made."""
    needed = {name for part in parts for name in part.sets}
    for name in options.sets or (*DATA_SETS, *MADE_SETS):
        particles = options.data / name / f"{name}.star"
        if name not in needed:
            continue
        if name in MADE_SETS:
            yield made_set(name, options.data, options.runs)
        elif particles.is_file():
            yield AblationSet(name, particles, SETS[name].mask_radius_share)
        elif options.sets:
            sys.exit(f"{particles}: no such particle file; give the folder of the sets with --data")
        else:
            print(f"{particles}: no such particle file; the table goes without {name}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = Path(os.environ.get("CRYOFIFA_RUNS", REPOSITORY / "benchmarks" / "runs")) / "ablation"
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS])
    parser.add_argument("--sets", nargs="+", choices=(*DATA_SETS, *MADE_SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    size = parser.add_mutually_exclusive_group()
    most = ", ".join(WHAT_MATTERS_MOST)
    size.add_argument("--full", action="store_true", help=f"whole sets, default settings; parts by default: {most}")
    size.add_argument("--gpu", action="store_true", help="whole sets and long amortized runs, on a GPU")
    parser.add_argument("--particles", type=int, help="of each set, instead of the size's own number")
    parser.add_argument("--epochs", type=int, help="of ab initio, instead of the size's own number of visits")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    parser.add_argument("--runs", type=Path, default=runs, help="folder of the made sets and the runs")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    options = parser.parse_args()
    if options.parts is None:
        options.parts = WHAT_MATTERS_MOST if options.full else [part.name for part in PARTS]
    return options


if __name__ == "__main__":
    main()
