"""Runs killed (SIGKILL) at random moments and resumed by the same command: is the end that of an undisturbed run?

    nice -n 19 taskset -c 1 python benchmarks/kill.py    # 20 runs of a small simulated set, twenty minutes on a core

Every other run is killed a second time while it resumes, if that takes long enough. Compared are the poses in
particles.star and the values of all maps, byte by byte. After every kill the checkpoint must be whole; in the end no
temporary file may be left. Ends with exit code 1 if anything differs.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page
from simulated_runs import SimulatedSet

from cryofifa.errors import InputError
from cryofifa.names import (
    AB_INITIO_PART,
    ENCODER_REFINEMENT_PART,
    HALF_MAP_ITERATION_PART,
    HALF_MAP_POSES_PART,
    STARTS_UNDER_WAY_PART,
)
from cryofifa.run.folder import RunFolder
from cryofifa.run.progress import read_run_state
from cryofifa.system.atomic_file import PART
from cryofifa_testkit.same_results import differing

SET = SimulatedSet(None, None, particles=1000, box=32, pixel_size_angstrom=5.0, snr=0.3)
SETTINGS = """checkpoint_seconds = 0.5
[curriculum]
visits = 3000
fewest_epochs = 3
[encoder_refinement]
epochs = 1
"""
MAPS = ("map.mrc", "half1.mrc", "half2.mrc", "decoder.mrc", "mask.mrc")


@dataclass(frozen=True)
class Killed:
    """One run: when it was killed (seconds after each start), how far its checkpoint was, and what came of it."""

    moments: list[float]
    reached: list[str]
    parts_left: int  # temporary files that the kills left behind
    difference: str


def main() -> int:
    options = _options()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        particles = SET.made(Path(folder))
        (Path(folder) / "settings.toml").write_text(SETTINGS, encoding="utf-8")
        started = time.monotonic()
        undisturbed = Path(folder) / "undisturbed"
        run_to_the_end(particles, undisturbed)
        seconds = time.monotonic() - started
        print(f"undisturbed: {seconds:.1f} s", flush=True)
        killed = []
        for number in range(options.kills):
            killed.append(
                killed_run(particles, Path(folder) / "run", undisturbed, draw, seconds, again=number % 2 == 1)
            )
            print(f"{number + 1:3}  " + " | ".join(as_cells(killed[-1])), flush=True)
    write_page(options.results, "kills", as_lines(killed, seconds, options.seed))
    return 1 if any(as_cells(one)[-1] != "the same" for one in killed) else 0


def started_run(particles: Path, run: Path) -> subprocess.Popen[str]:
    settings = particles.parent.parent / "settings.toml"
    command = [sys.executable, "-m", "cryofifa", "reconstruct", str(particles), "-o", str(run), "--config"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def run_to_the_end(particles: Path, run: Path) -> None:
    """The command once.

    Raises:
        SystemExit: if it fails.
    """
    process = started_run(particles, run)
    _, message = process.communicate()
    if process.returncode != 0:
        sys.exit(f"the command ended with {process.returncode}:\n{message}")


def killed_run(
    particles: Path, run: Path, undisturbed: Path, draw: random.Random, seconds: float, *, again: bool
) -> Killed:
    """Kill a new run at a random moment, with `again` once more as it resumes, resume it, and compare."""
    moment = draw.uniform(0, seconds)
    shutil.rmtree(run, ignore_errors=True)
    while not was_killed(particles, run, moment):  # it was faster than the undisturbed run
        moment = draw.uniform(0, seconds)
        shutil.rmtree(run)
    moments, reached, parts = [moment], [reached_by(RunFolder(run))], len(parts_in(run))
    if again:
        moment = draw.uniform(0, seconds - moment)
        if was_killed(particles, run, moment):
            moments.append(moment)
            reached.append(reached_by(RunFolder(run)))
            parts += len(parts_in(run))
    run_to_the_end(particles, run)
    return Killed(moments, reached, parts, difference(run, undisturbed))


def was_killed(particles: Path, run: Path, moment: float) -> bool:
    """Start the command and kill it after so many seconds; not if it has ended by then.

    Raises:
        SystemExit: if it fails.
    """
    process = started_run(particles, run)
    try:
        _, message = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.kill()
        _, message = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        sys.exit(f"the command ended with {process.returncode}:\n{message}")
    return process.returncode != 0


def reached_by(run: RunFolder) -> str:
    """How far the checkpoint goes, in words."""
    if run.summary.exists():
        return "finished"
    if run.map().combined.exists():
        return "outputs"
    if not run.checkpoint.exists():
        return "before the first checkpoint" if run.log.exists() else "before the run folder"
    try:
        tensors, progress = read_run_state(run.checkpoint, torch.device("cpu"))
    except InputError as error:
        return f"DAMAGED: {error}"
    epochs = len(progress.history) + len(progress.start_history)
    parts = (HALF_MAP_POSES_PART, ENCODER_REFINEMENT_PART, STARTS_UNDER_WAY_PART, AB_INITIO_PART)
    phase = next(part for part in parts if _has(tensors, f"{part}."))
    under_way = HALF_MAP_ITERATION_PART if phase == HALF_MAP_POSES_PART else f"{phase}.epoch"
    within = f"{under_way}.particles"
    named = f"start {len(progress.starts) + 1}" if phase == STARTS_UNDER_WAY_PART else phase.replace("_", " ")
    done = f"{named}, {epochs} epochs"
    return f"{done} and {int(tensors[within])} particles" if within in tensors else done


def _has(tensors: dict[str, torch.Tensor], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)


def parts_in(run: Path) -> list[Path]:
    return [path for path in run.rglob("*") if PART.fullmatch(path.name)]


def difference(run: Path, undisturbed: Path) -> str:
    """What is not as in the undisturbed run; headers say when they were written and do not count."""
    found = differing(run, undisturbed, (*MAPS, "particles.star"))
    names, wanted = ({path.relative_to(top) for path in top.rglob("*")} for top in (run, undisturbed))
    return ", ".join(found + sorted(str(name) for name in names ^ wanted))


def as_cells(one: Killed) -> list[str]:
    moments = ", ".join(f"{moment:.1f}" for moment in one.moments)
    damaged = any(reached.startswith("DAMAGED") for reached in one.reached)
    verdict = one.difference or ("damaged" if damaged else "the same")
    return [moments, "; ".join(one.reached), str(one.parts_left), verdict]


def as_lines(killed: list[Killed], seconds: float, seed: int) -> list[str]:
    """The whole page."""
    same = sum(as_cells(one)[-1] == "the same" for one in killed)
    kills = sum(len(one.moments) for one in killed)
    return [
        title("Kills"),
        "",
        f"{same} of {len(killed)} runs, killed {kills} times in all, end as the undisturbed one: poses and maps",
        "byte by byte, the same files, no temporary one. Checkpoints found after a kill were whole, or their row says",
        "otherwise.",
        "",
        f"{SET.particles} simulated particles of {SET.box} px, one CPU thread; undisturbed {seconds:.1f} s, over which",
        f"the moments are drawn evenly (seed {seed}). A checkpoint every 0.5 s instead of 300, that kills meet many;",
        "a short run (four starts of two epochs, one epoch more, one of refinement), otherwise default settings.",
        versions("cryofifa", "torch", "numpy", "safetensors"),
        made_by("kill.py"),
        "",
        *table(("killed after (s)", "checkpoint then at", "temporary files then", "end"), map(as_cells, killed)),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="runs (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
