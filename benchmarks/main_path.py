"""The main path on three particle sets: wall and CPU time, peak memory, and errors against the truth.

    python benchmarks/main_path.py                      # default sets and seeds; run again to continue
    python benchmarks/main_path.py --sets gpcr --seeds 1 --prototype path/to/guided.py
    python benchmarks/main_path.py --amortized

Every run uses the default settings, two cores and a process of its own. Its numbers are kept as JSON in the folder of
the runs; the table is made from all of them.
"""

import argparse
import csv
import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from particle_sets import DATA, REPOSITORY, SETS, ParticleSet
from pose_watch import CURVE_HEAD, PoseWatch
from result_page import made_by, table, title, versions, write_page
from timed_process import CORES, Cost, next_free, processor, run_on_two_cores

from cryofifa.after_run.evaluate import Evaluation, evaluate


@dataclass(frozen=True)
class Result:
    """One finished run against the truth."""

    set_name: str
    seed: int
    pose_mode: str
    cost: Cost
    resolution_fsc05_angstrom: float | None
    nyquist_angstrom: float | None
    median_rotation_error_degree: float | None
    share_within_10_degree: float | None
    median_shift_error_angstrom: float | None
    particle_radius_angstrom: float | None
    command: str
    finished: str
    prototype_wall_seconds: float | None = None


def main() -> None:
    options = _options()
    sets = [SETS[name] for name in options.sets]
    absent = [star for one in sets if not (star := options.data / one.name / f"{one.name}.star").is_file()]
    if absent:
        sys.exit(f"{absent[0]}: no such particle file; give the folder of the sets with --data")
    runs = options.runs
    runs.mkdir(parents=True, exist_ok=True)
    results = []
    for one in sets:
        for seed in options.seeds or one.seeds:
            results.append(measured(one, seed, "guided", options.data, runs))
            if options.prototype:
                results[-1] = with_prototype(results[-1], options.prototype, options.data, runs)
    curves = []
    if options.amortized:
        ribosome, seed = SETS["ribosome"], (options.seeds or (1,))[0]
        for mode in ("guided", "amortized"):
            result = measured(ribosome, seed, mode, options.data, runs)
            if result not in results:
                results.append(result)
            curves.append((mode, error_against_time(ribosome, seed, mode, runs)))
    write_page(options.results, "main-path", as_lines(results, curves))


def measured(one: ParticleSet, seed: int, mode: str, data: Path, runs: Path) -> Result:
    """Run and evaluate, or read the numbers of an earlier call."""
    numbers = runs / f"{_run_name(one, seed, mode)}.json"
    if numbers.exists():
        return _result_from_json(json.loads(numbers.read_text(encoding="utf-8")))
    output = runs / _run_name(one, seed, mode)
    star = data / one.name / f"{one.name}.star"
    if output.exists():
        # A resumed run would be measured too short.
        output = next_free(output)
    arguments = ["reconstruct", str(star), "-o", str(output), "--seed", str(seed), "--symmetry", one.symmetry]
    if mode != "guided":
        arguments += ["--pose-mode", mode]
    print(f"{one.name} seed {seed} {mode} ...", flush=True)
    watch = PoseWatch(output)
    cost = run_on_two_cores([sys.executable, "-m", "cryofifa", *arguments], output.with_suffix(".txt"), watch.look)
    true_poses = data / one.name / "truth" / "poses.star"
    watch.write(runs / f"{_run_name(one, seed, mode)}-poses.csv", true_poses, one.symmetry)
    truth = _evaluation(one, output, data)
    result = Result(
        set_name=one.name,
        seed=seed,
        pose_mode=mode,
        cost=cost,
        resolution_fsc05_angstrom=truth.resolution_fsc05_angstrom,
        nyquist_angstrom=truth.nyquist_angstrom,
        median_rotation_error_degree=truth.median_rotation_error_degree,
        share_within_10_degree=truth.share_within_10_degree,
        median_shift_error_angstrom=truth.median_shift_error_angstrom,
        particle_radius_angstrom=_summary(output).get("particle_radius_angstrom"),
        command=_public_command(arguments, data, runs),
        finished=f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC",
    )
    _write(numbers, result)
    print("   " + " | ".join(_row(result)), flush=True)
    return result


def with_prototype(result: Result, prototype: Path, data: Path, runs: Path) -> Result:
    """Time the prototype on the same set and cores, right after the run."""
    if result.prototype_wall_seconds is not None:
        return result
    star = data / result.set_name / f"{result.set_name}.star"
    name = f"prototype-{result.set_name}-seed{result.seed}"
    print(f"{name} ...", flush=True)
    command = [sys.executable, str(prototype), str(star), str(runs / name), "--seed", str(result.seed)]
    cost = run_on_two_cores(command, runs / f"{name}.txt")
    changed = Result(**{**vars(result), "prototype_wall_seconds": cost.wall_seconds})
    _write(runs / f"{_run_name(SETS[result.set_name], result.seed, result.pose_mode)}.json", changed)
    return changed


def error_against_time(one: ParticleSet, seed: int, mode: str, runs: Path) -> list[list[str]]:
    """What was written while the run went on, one row per epoch, without the head."""
    with (runs / f"{_run_name(one, seed, mode)}-poses.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def as_lines(results: list[Result], curves: list[tuple[str, list[list[str]]]]) -> list[str]:
    """The whole page."""
    cores = min(CORES, len(os.sched_getaffinity(0)))
    lines = [
        title("Main path"),
        "",
        f"Hardware: {processor()}, {cores} core(s). {versions('cryofifa', 'torch', 'numpy', 'scipy')}",
        "Default settings; FSC 0.5 against the truth under a soft sphere; peak memory of the whole process.",
        made_by("main_path.py"),
        "",
        *table(HEAD, (_row(result) for result in results)),
        "",
        "Commands: " + "; ".join(f"`{result.command}`" for result in results) + ".",
    ]
    for mode, rows in curves:
        lines += ["", f"## {mode} mode on the ribosome, against time", ""]
        lines += table(CURVE_HEAD, rows)
    return lines


HEAD = (
    "set",
    "seed",
    "mode",
    "FSC 0.5 (A)",
    "Nyquist (A)",
    "rotation error (deg)",
    "within 10 deg",
    "shift error (A)",
    "radius (A)",
    "wall (s)",
    "CPU (s)",
    "memory (GiB)",
    "prototype wall (s)",
    "prototype / ours",
    "finished",
)


def _row(result: Result) -> list[str]:
    share = result.share_within_10_degree
    prototype = result.prototype_wall_seconds
    return [
        result.set_name,
        str(result.seed),
        result.pose_mode,
        _cell(result.resolution_fsc05_angstrom),
        _cell(result.nyquist_angstrom),
        _cell(result.median_rotation_error_degree),
        "-" if share is None else f"{100 * share:.1f} %",
        _cell(result.median_shift_error_angstrom),
        _cell(result.particle_radius_angstrom, 1),
        _cell(result.cost.wall_seconds, 0),
        _cell(result.cost.cpu_seconds, 0),
        _cell(result.cost.peak_memory_gib),
        _cell(prototype, 0),
        _cell(None if prototype is None else prototype / result.cost.wall_seconds),
        result.finished,
    ]


def _cell(value: Any, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _evaluation(one: ParticleSet, output: Path, data: Path) -> Evaluation:
    truth = data / one.name / "truth"
    return evaluate(
        output, truth / "map.mrc", truth / "poses.star", symmetry=one.symmetry, radius=one.mask_radius_share
    )


def _summary(output: Path) -> dict[str, Any]:
    return json.loads((output / "run.json").read_text(encoding="utf-8"))


def _run_name(one: ParticleSet, seed: int, mode: str) -> str:
    return f"{one.name}-seed{seed}" + ("" if mode == "guided" else f"-{mode}")


def _public_command(arguments: list[str], data: Path, runs: Path) -> str:
    text = shlex.join(["python", "-m", "cryofifa", *arguments])
    return text.replace(str(data), "DATA").replace(str(runs), "RUNS")


def _write(path: Path, result: Result) -> None:
    path.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")


def _result_from_json(values: dict[str, Any]) -> Result:
    return Result(**{**values, "cost": Cost(**values["cost"])})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of each set's own")
    parser.add_argument("--amortized", action="store_true", help="amortized mode on the ribosome, beside guided")
    parser.add_argument("--prototype", type=Path, metavar="SCRIPT", help="timed beside: SCRIPT STAR OUT --seed S")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "benchmarks" / "runs", help="folder of the runs")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
