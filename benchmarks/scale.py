"""What size costs: whole default runs against the number of particles, and single passes over a very large set.

    python benchmarks/scale.py                                  # 1,000 to 100,000 particles, 32 px; one hour
    python benchmarks/scale.py --passes 1000000                 # 8 GB of disk, some 1.5 hours; deleted afterwards
    python benchmarks/scale.py --counts 200 --passes 500 --check

Simulated particles, 16-bit numbers on disk. The passes are those that no set can do without: one of training at low
resolution, over all particles, with a limit on memory and a scratch file for what has no room; and one of inference by
the encoder that it taught. What was measured is kept as JSON in the folder of the runs, so that a call goes on where
another ended.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page
from simulated_runs import SimulatedSet
from timed_process import Cost, processor, run_on_two_cores

from cryofifa.after_run.evaluate import evaluate
from cryofifa.run.folder import write_json
from cryofifa.settings.config import Config, config_as_toml
from cryofifa.system.atomic_file import atomic_path

MEMORY_GIB = 3.5  # that the passes are allowed, under the 4 GiB that they must not exceed
SMALL_SET = SimulatedSet(None, None, 0, 32, 5.0, 0.5)
LARGE_SET = SimulatedSet(None, None, 0, 64, 4.0, 0.2, dtype="float16")


@dataclass(frozen=True)
class Measured:
    """One process. seconds: of its phases, as the program itself counts them."""

    what: str
    particles: int
    cost: Cost
    seconds: dict[str, float]
    median_rotation_error_degree: float | None

    @property
    def particles_per_second(self) -> float:
        return self.particles / self.cost.wall_seconds


def main() -> None:
    options = _options()
    options.runs.mkdir(parents=True, exist_ok=True)
    runs = [whole_run(count, options) for count in options.counts]
    passes = [one for count in options.passes for one in passes_over(count, options)]
    write_page(options.results, "scale", as_lines(runs, passes))
    if len(runs) > 1:
        draw(runs, options.results / "scale.png")


def whole_run(count: int, options: argparse.Namespace) -> Measured:
    """A default run."""
    particles = replace(SMALL_SET, particles=count).made(options.runs)
    name = f"run-{count}"
    return measured(name, particles, _settings(name, options, Config()), options, count)


def passes_over(count: int, options: argparse.Namespace) -> Iterator[Measured]:
    """One pass of training at low resolution, one of inference; the images go when both are measured."""
    names = [f"{name}-{count}" for name in ("train", "infer")]
    one = replace(LARGE_SET, particles=count)
    if not all((options.runs / f"{name}.json").exists() for name in names):
        started = time.monotonic()
        # in a process of its own: the peak memory of a child that is measured begins with its parent's
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            particles = pool.submit(one.made, options.runs).result()
        print(f"simulated in {time.monotonic() - started:.0f} s", flush=True)
    else:
        particles = options.runs / f"set-{one.name}" / "particles.star"
    config = Config().changed(
        end_resolution_angstrom=30.0,
        starts={"count": 1, "growth_visits": count, "most_visits": count},
        curriculum={"epochs": 1, "most_particles": count},
        search={"encoder_share": 0.0},
        half_map_refinement={"iterations": 0},
        memory_gib=MEMORY_GIB,
        cache_folder=str(options.runs / "cache"),
    )
    yield measured(names[0], particles, _settings(names[0], options, config), options, count)
    inference = [str(options.runs / names[0]), str(particles), "-o", str(options.runs / names[1]), "--encoder-only"]
    yield measured(names[1], particles, inference, options, count)
    for folder in (particles.parent, options.runs / "cache"):
        shutil.rmtree(folder, ignore_errors=True)


def measured(
    name: str, particles: Path, settings: list[str] | Path, options: argparse.Namespace, count: int
) -> Measured:
    """Run `reconstruct` with a settings file, or `infer` with its arguments; or what an earlier call measured."""
    numbers = options.runs / f"{name}.json"
    if numbers.exists():
        values: dict[str, Any] = json.loads(numbers.read_text(encoding="utf-8"))
        return Measured(**{**values, "cost": Cost(**values["cost"])})
    output = options.runs / name
    shutil.rmtree(output, ignore_errors=True)  # a resumed run cannot be timed
    command = [sys.executable, "-m", "cryofifa"]
    if isinstance(settings, Path):
        command += ["reconstruct", str(particles), "-o", str(output), "--config", str(settings)]
    else:
        command += ["infer", *settings]
    print(f"{name} ...", flush=True)
    cost = run_on_two_cores(command, output.with_suffix(".txt"))
    summary = json.loads((output / ("run.json" if isinstance(settings, Path) else "infer.json")).read_text())
    seconds = summary.get("timings_seconds", {"encoder": summary.get("encoder_seconds")})
    truth = particles.parent / "truth"
    error = evaluate(output, None, truth / "poses.star").median_rotation_error_degree
    result = Measured(name, count, cost, seconds, error)
    write_json(numbers, asdict(result))
    return result


def as_lines(runs: list[Measured], passes: list[Measured]) -> list[str]:
    """The whole page."""
    lines = [
        title("Scale"),
        "",
        f"Hardware: {processor()}, {min(2, len(os.sched_getaffinity(0)))} core(s). {versions('cryofifa', 'torch')}",
        made_by("scale.py"),
        "",
    ]
    if runs:
        head = ("particles", "wall (s)", "CPU (s)", "CPU s per 1,000", "peak memory (GiB)", "rotation error (deg)")
        rows = [
            [
                f"{one.particles:,}",
                f"{one.cost.wall_seconds:.0f}",
                f"{one.cost.cpu_seconds:.0f}",
                f"{one.cost.cpu_seconds / one.particles * 1000:.1f}",
                f"{one.cost.peak_memory_gib:.2f}",
                _degrees(one),
            ]
            for one in runs
        ]
        box = f"{SMALL_SET.box} px of {SMALL_SET.pixel_size_angstrom:g} A, SNR {SMALL_SET.snr:g}"
        lines += [f"Whole default runs, {box}.", "", *table(head, rows), ""]
    if passes:
        head = ("pass", "particles", "wall (s)", "particles/s", "10 million (h)", "peak memory (GiB)", "error (deg)")
        rows = [
            [
                one.what.split("-")[0],
                f"{one.particles:,}",
                f"{one.cost.wall_seconds:.0f} ({_phases(one)})",
                f"{one.particles_per_second:.0f}",
                f"{1e7 / one.particles_per_second / 3600:.1f}",
                f"{one.cost.peak_memory_gib:.2f}",
                _degrees(one),
            ]
            for one in passes
        ]
        box = f"{LARGE_SET.box} px of {LARGE_SET.pixel_size_angstrom:g} A, SNR {LARGE_SET.snr:g}"
        memory = f"--memory-gib {MEMORY_GIB} and a scratch folder"
        lines += [f"One pass over all particles, {box}, 16 bits; {memory}.", "", *table(head, rows)]
    return lines


def draw(runs: list[Measured], path: Path) -> None:
    """CPU time against the number of particles, and a line on which each particle costs the same."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    counts = [one.particles for one in runs]
    cost = [one.cost.cpu_seconds / 60 for one in runs]
    axes.loglog(counts, cost, "o-", label="default run")
    proportional = [cost[-1] * count / counts[-1] for count in counts]
    axes.loglog(counts, proportional, ":", color="gray", label="cost ~ particles")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("particles")
    axes.set_ylabel("CPU minutes")
    axes.legend(frameon=False)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=120)


def _phases(one: Measured) -> str:
    return ", ".join(f"{name} {seconds:.0f}" for name, seconds in one.seconds.items())


def _degrees(one: Measured) -> str:
    return "-" if one.median_rotation_error_degree is None else f"{one.median_rotation_error_degree:.1f}"


def _settings(name: str, options: argparse.Namespace, config: Config) -> Path:
    if options.check:
        config = config.changed(encoder={"channels": 4, "feature_width": 32}, curriculum={"visits": 500})
    path = options.runs / f"{name}.toml"
    path.write_text(config_as_toml(config), encoding="utf-8")
    return path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="*", help="particles of whole runs (default: without --passes 3)")
    parser.add_argument("--passes", type=int, nargs="*", default=[], help="particles of single passes")
    parser.add_argument("--check", action="store_true", help="tiny networks: does it run; its numbers say nothing")
    parser.add_argument(
        "--runs", type=Path, default=REPOSITORY / "benchmarks" / "runs" / "scale", help="working folder"
    )
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    options = parser.parse_args()
    if options.counts is None:
        options.counts = [] if options.passes else [1000, 10_000, 100_000]
    return options


if __name__ == "__main__":
    main()
