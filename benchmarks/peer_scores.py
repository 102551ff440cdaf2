"""A finished run of any program against the truth, and the table of all."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from peer_ledger import Ledger
from peer_particles import COMPARED_SETS, ComparedSet
from peer_programs import Job, Program
from result_page import made_by, table, title
from timed_process import Cost, processor

from cryofifa.after_run.evaluate import evaluate
from cryofifa.particles.files.row_list import evenly_spread

MOST_SCORED = 60  # checkpoints of a run: ours leave hundreds, each takes seconds to align


@dataclass(frozen=True)
class Score:
    """One finished run.

    curve: wall seconds and FSC 0.5 in angstrom of every checkpoint's map and of the final one.
    """

    set_name: str
    program: str
    particles: int
    cost: Cost
    resolution_fsc05_angstrom: float
    median_rotation_error_degree: float
    curve: list[tuple[float, float]]
    threads: int
    machine: str
    day: str
    commands: list[str]


def scored(
    program: Program, one: ComparedSet, job: Job, folder: Path, ledger: Ledger, truth: Path, before: Score | None
) -> Score:
    """All maps and the last poses against the truth.

    before: of the run that this one began with; its curve is the first part of this one's.
    """
    booked, true_map = ledger.names, truth / "map.mrc"
    result = folder / "result"
    result.mkdir(exist_ok=True)
    for source, name in zip(program.results(folder, booked), ("map.mrc", "particles.star"), strict=True):
        shutil.copy(source, result / name)
    final = evaluate(result, true_map, truth / "poses.star", one.symmetry, one.mask_radius_share)
    assert final.resolution_fsc05_angstrom is not None
    assert final.median_rotation_error_degree is not None
    curve = [] if before is None else list(before.curve)
    for which in evenly_spread(len(ledger.checkpoints), MOST_SCORED):
        checkpoint = ledger.checkpoints[which]
        density = program.density(checkpoint.name, job, folder)
        if density is None:
            continue
        found = evaluate(density, true_map, radius=one.mask_radius_share).resolution_fsc05_angstrom
        assert found is not None
        curve.append((checkpoint.spent.wall_seconds, found))
    curve.append((ledger.spent.wall_seconds, final.resolution_fsc05_angstrom))
    return Score(
        set_name=one.name,
        program=program.name,
        particles=job.copy.particles,
        cost=ledger.spent,
        resolution_fsc05_angstrom=final.resolution_fsc05_angstrom,
        median_rotation_error_degree=final.median_rotation_error_degree,
        curve=curve,
        threads=job.threads,
        machine=processor() + (" and a GPU" if job.gpu else ""),
        day=job.day,
        commands=ledger.commands,
    )


def first_time_within(curve: Iterable[tuple[float, float]], limit: float) -> float | None:
    """Seconds after which the resolution was first at or under the limit; None if it never was."""
    return min((seconds for seconds, resolution in curve if resolution <= limit), default=None)


def read_score(path: Path) -> Score:
    values = json.loads(path.read_text(encoding="utf-8"))
    curve = [(seconds, resolution) for seconds, resolution in values["curve"]]
    return Score(**{**values, "cost": Cost(**values["cost"]), "curve": curve})


HEAD = (
    "set",
    "program",
    "particles",
    "wall (min)",
    "CPU (min)",
    "memory (GiB)",
    "FSC 0.5 (A)",
    "rotation error (deg)",
    "min to coarse",
    "min to middle",
    "min to fine",
    "day",
)


def as_lines(scores: list[Score]) -> list[str]:
    """The whole page."""
    shown = {one.set_name: COMPARED_SETS[one.set_name].limits_angstrom for one in scores}
    limits = "; ".join(f"{name} {', '.join(f'{limit:g}' for limit in three)} A" for name, three in shown.items())
    machines = "; ".join(sorted({f"{one.machine}, {one.threads} threads" for one in scores}))
    commands = dict.fromkeys(command for one in scores for command in one.commands)
    return [
        title("Peers"),
        "",
        f"Hardware: {machines}. cryofifa {version('cryofifa')}, torch {version('torch')}.",
        "FSC 0.5 against the truth under a soft sphere; memory of the largest process. The last columns before the",
        f"day: minutes to the first map whose FSC 0.5 is coarse, middle or fine ({limits}); - never.",
        made_by("peers.py"),
        "",
        *table(HEAD, map(row, scores)),
        "",
        "Commands:",
        "",
        *(f"    {command}" for command in commands),
    ]


def row(one: Score) -> list[str]:
    times = [first_time_within(one.curve, limit) for limit in COMPARED_SETS[one.set_name].limits_angstrom]
    return [
        one.set_name,
        one.program,
        str(one.particles),
        f"{one.cost.wall_seconds / 60:.1f}",
        f"{one.cost.cpu_seconds / 60:.1f}",
        f"{one.cost.peak_memory_gib:.2f}",
        f"{one.resolution_fsc05_angstrom:.2f}",
        f"{one.median_rotation_error_degree:.2f}",
        *("-" if seconds is None else f"{seconds / 60:.1f}" for seconds in times),
        one.day,
    ]
