"""Other programs beside ours, on the same particles, machine and threads: cost, quality, and time to reach a quality.

    python benchmarks/peers.py                          # every program that is installed; run again to go on
    python benchmarks/peers.py --programs ours cryodrgn --particles 1000 --cryodrgn-python ENV/bin/python
    python benchmarks/peers.py --check                  # a tiny run of each, one slow thread

Ours are run every day; a peer once, and it goes on where it was cut off. Our own runs of the day on which a peer ended
stand beside it. Maps are scored after a program has ended, so scoring costs no run time.
"""

import argparse
import json
import os
import shlex
import shutil
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from particle_sets import DATA, REPOSITORY
from peer_ledger import Ledger
from peer_particles import COMPARED_SETS, copied_particles
from peer_programs import Job, Program, RelionRefinement, programs
from peer_scores import Score, as_lines, read_score, row, scored
from result_page import write_page
from timed_process import CORES, next_free

CHECK_PARTICLES = 300


def main() -> None:
    options = _options()
    if options.check:
        os.nice(19)
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
        shutil.rmtree(options.runs / "check", ignore_errors=True)
    if not options.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    day = f"{datetime.now(tz=UTC):%Y-%m-%d}"
    known, scores = programs(options.cryodrgn_python), []
    for set_name in options.sets:
        job = _job(set_name, options, day)
        for program in (known[name] for name in options.programs):
            if reason := program.missing(job):
                print(f"{set_name} {program.name}: skipped, {reason}", flush=True)
            else:
                measured(program, known, job, options.data)
        scores += kept(job.folder, options.programs)
    if not scores:
        sys.exit("nothing was measured")
    if options.check:
        print("\n".join(as_lines(scores)))
        return
    write_page(options.results, "peers", as_lines(scores))


def measured(program: Program, known: dict[str, Program], job: Job, data: Path) -> Score:
    """Run to the end and score, or read what an earlier call has measured."""
    folder = job.folder / (f"{program.name}-{job.day}" if program.daily else program.name)
    numbers = folder / "score.json"
    if numbers.exists():
        return read_score(numbers)
    before = None if program.after is None else measured(known[program.after], known, job, data)
    if folder.exists() and not program.resumes:
        # A resumed run would be measured too short.
        folder.rename(next_free(folder))
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.at(folder / "ledger.json")
    if before is not None and not ledger.checkpoints:
        ledger.spent = before.cost
    print(f"{job.set_name} {program.name} ...", flush=True)
    while command := program.next_command(job, folder, ledger.names):
        messages = folder / f"messages{len(list(folder.glob('messages*')))}.txt"
        ledger.commands.append(_public(command, job))
        ledger.run(command, messages, lambda: program.left(folder))
    truth = data / job.set_name / "truth"
    score = scored(program, COMPARED_SETS[job.set_name], job, folder, ledger, truth, before)
    numbers.write_text(json.dumps(asdict(score), indent=2) + "\n", encoding="utf-8")
    print("   " + " | ".join(row(score)), flush=True)
    return score


def kept(folder: Path, chosen: list[str]) -> list[Score]:
    """All that is measured of these programs, in their order; of ours the last day and those of the peers."""
    scores = [read_score(path) for path in sorted(folder.glob("*/score.json"))]
    daily = {name for name, program in programs(None).items() if program.daily}
    days = {one.day for one in scores if one.program not in daily} | {max((one.day for one in scores), default="")}
    shown = [one for one in scores if one.program in chosen and one.day in days]
    return sorted(shown, key=lambda one: chosen.index(one.program))


def _job(set_name: str, options: argparse.Namespace, day: str) -> Job:
    star = options.data / set_name / f"{set_name}.star"
    if not star.is_file():
        sys.exit(f"{star}: no such particle file; give the folder of the sets with --data")
    most = CHECK_PARTICLES if options.check else options.particles
    folder = options.runs.resolve() / ("check" if options.check else "") / (set_name + (f"-{most}" if most else ""))
    return Job(
        set_name=set_name,
        folder=folder.with_name(folder.name + ("-gpu" if options.gpu else "")),
        day=day,
        copy=copied_particles(star, most, folder / "particles"),
        mask_diameter_angstrom=COMPARED_SETS[set_name].mask_diameter_angstrom,
        symmetry=COMPARED_SETS[set_name].symmetry,
        threads=min(CORES, len(os.sched_getaffinity(0))),
        gpu=options.gpu,
        short=options.check,
    )


def _public(command: list[str], job: Job) -> str:
    program, *arguments = command
    text = shlex.join([Path(program).name, *arguments])
    return text.replace(str(job.copy.star.parent), "PARTICLES").replace(str(job.folder), "RUNS")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = list(programs(None))
    usual = [name for name in every if name != RelionRefinement.name]
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    add("--sets", nargs="+", choices=COMPARED_SETS, default=list(COMPARED_SETS))
    add("--programs", nargs="+", choices=every, help=f"default: {' '.join(usual)}")
    add("--particles", type=int, metavar="N", help="the first N of each set, for every program (default: all)")
    add("--cryodrgn-python", type=Path, metavar="PATH", help="Python of the environment where cryoDRGN 4.3 is")
    add("--gpu", action="store_true", help="ours and cryoDRGN on the GPU, cryoDRGN with its default epochs")
    add("--check", action="store_true", help=f"{CHECK_PARTICLES} particles, few iterations, one niced thread")
    add("--runs", type=Path, default=REPOSITORY / "benchmarks" / "runs" / "peers", help="folder of the runs")
    add("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    options = parser.parse_args()
    options.programs = options.programs or (every if options.check else usual)
    return options


if __name__ == "__main__":
    main()
