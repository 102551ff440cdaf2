"""What several processes bring on a CPU: wall time of whole runs and training steps per second, against one process.

    python benchmarks/processes.py                      # 2,000 particles of 48 px; one idle core per process
    python benchmarks/processes.py --check              # 200 particles, few visits: does it run
    python benchmarks/processes.py --processes 4 --minibatch 256

Same particles, same settings, one after the other: one process with one thread, one with as many threads as there are
processes, and the processes with one thread each. Efficiency is the first row's time over this row's time and threads.
Runs are made anew, for a resumed run cannot be timed.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page
from simulated_runs import SimulatedSet
from timed_process import THREAD_VARIABLES, processor

from cryofifa.settings.config import Config, config_as_toml


@dataclass(frozen=True)
class Measured:
    """One run; steps are minibatches of ab initio, all starts together."""

    processes: int
    threads: int  # of all processes together
    wall_seconds: float
    steps_per_second: float


def main() -> None:
    options = _options()
    particles = SimulatedSet(None, None, 200 if options.check else 2000, 48, 4.0, 0.5)
    visits = 400 if options.check else 20_000
    starts = {"count": options.starts, "growth_visits": visits, "most_visits": visits}
    curriculum = {"visits": visits, "minibatch": options.minibatch}
    config = Config().changed(device="cpu", starts=starts, curriculum=curriculum)
    options.runs.mkdir(parents=True, exist_ok=True)
    star, settings = particles.made(options.runs), options.runs / "processes.toml"
    settings.write_text(config_as_toml(config), encoding="utf-8")
    count = options.processes
    found = [
        measured(star, settings, options, processes, threads)
        for processes, threads in ((1, 1), (1, count), (count, count))
    ]
    write_page(options.results, "processes", as_lines(found, particles, options))


def measured(star: Path, settings: Path, options: argparse.Namespace, processes: int, threads: int) -> Measured:
    """Wall time from the start of the command to its end, and the steps per second that the run itself counts."""
    output = options.runs / f"processes-{processes}-threads-{threads}"
    shutil.rmtree(output, ignore_errors=True)
    run = [sys.executable, "-m", "cryofifa", "reconstruct", str(star), "-o", str(output), "--config", str(settings)]
    print(f"{processes} process(es), {threads} thread(s) ...", flush=True)
    started = time.monotonic()
    subprocess.run(
        [*run, "--devices", str(processes)],
        env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    wall = time.monotonic() - started
    summary = json.loads((output / "run.json").read_text(encoding="utf-8"))
    # run.json has the epochs of the best start only
    particles = re.findall(r"\(ab-initio\), (\d+) particles", (output / "log.txt").read_text(encoding="utf-8"))
    steps = sum(math.ceil(int(number) / options.minibatch) for number in particles)
    return Measured(processes, threads, wall, steps / summary["timings_seconds"]["ab-initio"])


HEAD = ("processes", "threads in all", "wall (s)", "steps/s", "efficiency, wall", "efficiency, steps")


def as_cells(one: Measured, alone: Measured) -> list[str]:
    by_wall = alone.wall_seconds / one.wall_seconds / one.threads
    by_steps = one.steps_per_second / alone.steps_per_second / one.threads
    known = [str(one.processes), str(one.threads), f"{one.wall_seconds:.1f}", f"{one.steps_per_second:.1f}"]
    return [*known, f"{by_wall:.0%}", f"{by_steps:.0%}"]


def as_lines(found: list[Measured], particles: SimulatedSet, options: argparse.Namespace) -> list[str]:
    """The whole page."""
    return [
        title("Processes"),
        "",
        f"{particles.particles} x {particles.box} px, minibatch {options.minibatch}, {options.starts} start(s).",
        f"Hardware: {processor()}, {len(os.sched_getaffinity(0))} core(s). {versions('cryofifa', 'torch')}",
        made_by("processes.py"),
        "",
        *table(HEAD, [as_cells(one, found[0]) for one in found]),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minibatch", type=int, default=Config().curriculum.minibatch, help="of all together")
    parser.add_argument("--starts", type=int, default=4, help="of ab initio, as a default run makes them")
    parser.add_argument("--check", action="store_true", help="a tiny run, whose numbers say nothing")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "benchmarks" / "runs", help="folder of the runs")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
