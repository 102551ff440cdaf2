"""Attacks on runs and on the command line: which ended rightly, and which did not.

    nice -n 19 python benchmarks/attacks.py               # 500 attacks, an hour on one core
    python benchmarks/attacks.py --each 2 --ways "killed up to four times"
    python benchmarks/attacks.py --ways words             # odd command lines only

A run that was attacked must have ended in one line, or as if nothing had been, and the same command must then lead to
the poses and maps of an undisturbed run, byte by byte, with no temporary file left. A command with odd values must
succeed or end in one line. Ends with exit code 1 if anything is otherwise.
"""

import argparse
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from attacked_process import started
from attacks_by_words import ENVIRONMENTS, command_lines, fault_of_environment, fault_of_words, make_files
from attacks_on_runs import WAYS, Target
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page

from cryofifa import after_run  # noqa: F401 - forked processes have everything at once
from cryofifa.after_run import evaluate, infer, map_symmetry, refine_encoder, sharpen, volume  # noqa: F401
from cryofifa.settings.config import config_as_toml
from cryofifa_testkit.damaged_files.small_run import SMALL
from cryofifa_testkit.small_sets import simulated_particles

WORDS, ENVIRONMENT = "words", "environment"
# two starts that are judged, a checkpoint after nearly every step
SETTINGS = SMALL.changed(
    starts={"count": 2}, curriculum={"visits": 72, "minibatch": 8}, checkpoint_seconds=0.02, device="cpu"
)


@dataclass
class Count:
    """How many attacks of one kind there were, and what was wrong."""

    tried: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, fault: str, what: str) -> None:
        self.tried += 1
        if fault:
            self.faults.append(f"{what}: {fault}")
            print(f"WRONG {what}: {fault}", flush=True)


def main() -> int:
    options = _options()
    torch.set_num_threads(1)
    counts = {way: Count() for way in options.ways}
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        target = target_in(folder)
        for way in [way for way in options.ways if way in WAYS]:
            for number in range(options.each):
                shutil.rmtree(target.run, ignore_errors=True)
                draw = random.Random(f"{options.seed} {way} {number}")
                counts[way].add(WAYS[way](draw, target), f"{way}, {number}")
            print(f"{way}: {counts[way].tried}, {time.monotonic() - started_at:.0f} s", flush=True)
        (folder / "odd").mkdir()
        os.chdir(folder / "odd")
        make_files(folder / "odd")
        particles, run = str(target.particles), str(target.undisturbed)
        if WORDS in counts:
            for words in command_lines(particles, run):
                counts[WORDS].add(fault_of_words(words), shlex.join(words).replace(name, "FOLDER"))
        if ENVIRONMENT in counts:
            for said in ENVIRONMENTS:
                counts[ENVIRONMENT].add(fault_of_environment(said, particles), said)
        os.chdir(REPOSITORY)
    write_page(options.results, "attacks", as_lines(counts, options))
    return 1 if any(count.faults for count in counts.values()) else 0


def target_in(folder: Path) -> Target:
    """A set, its settings, and its undisturbed run."""
    particles = simulated_particles(folder, particles=24, box=16, pixel_size_angstrom=10.0)
    particles.with_name("settings.toml").write_text(config_as_toml(SETTINGS))
    target = Target(particles, folder / "undisturbed", 0.0, folder / "undisturbed")
    begun = time.monotonic()
    ended = started(target.command()).wait()
    if ended.code != 0:
        sys.exit(f"the undisturbed run ended with {ended.code}:\n{ended.errors}")
    (folder / "attacked").mkdir()
    return Target(particles, target.undisturbed, time.monotonic() - begun, folder / "attacked" / "run")


def as_lines(counts: dict[str, Count], options: argparse.Namespace) -> Iterable[str]:
    """The whole page."""
    tried, wrong = sum(count.tried for count in counts.values()), sum(len(count.faults) for count in counts.values())
    rows = [
        (way, str(count.tried), str(count.tried - len(count.faults)), str(len(count.faults)))
        for way, count in counts.items()
    ]
    return [
        title("Attacks"),
        "",
        f"{tried} attacks, {tried - wrong} ended rightly, {wrong} wrongly; seed {options.seed}.",
        versions("cryofifa", "torch", "numpy"),
        "24 simulated particles of 16 px, two starts of ab initio, one CPU thread, checkpoints after nearly all steps.",
        made_by("attacks.py"),
        "",
        *table(("attack", "tried", "right", "wrong"), [*rows, ("all", str(tried), str(tried - wrong), str(wrong))]),
        "",
        *(f"- {fault[:400]}" for count in counts.values() for fault in count.faults),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [*WAYS, WORDS, ENVIRONMENT]
    parser.add_argument("--each", type=int, default=20, help="attacks on a run, of each kind (default: 20)")
    parser.add_argument("--ways", nargs="+", choices=every, default=every, help="kinds of attack (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
