"""Damaged files: none may end in a traceback, hang, take all memory, or be read as something it does not say.

    python benchmarks/fuzz.py                                  # 2,000 files, two minutes on one core
    python benchmarks/fuzz.py --seed 3 --kinds star cs         # other damage, two kinds
    python benchmarks/fuzz.py --kinds star --only 137          # one case again, by its number

What is damaged, how, and what judges it: src/cryofifa_testkit/damaged_files. Ends with exit code 1 if anything escapes.
"""

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import get_args

import torch
from particle_sets import DATA, REPOSITORY
from result_page import made_by, table, title, versions, write_page

from cryofifa_testkit.damaged_files.case import KINDS, Outcome, Seed, Verdict, run_case
from cryofifa_testkit.damaged_files.seeds import make_seeds

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
LONGEST_SECONDS = 10.0  # of one case; the slowest that is read takes about one
MOST_GIB = 2.0  # of address space beyond what the program has once it has read every whole file


def main() -> int:
    options = _options()
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _out_of_time)
    counts: dict[str, Counter[Verdict]] = {kind: Counter() for kind in options.kinds}
    escaped: list[Outcome] = []
    outside_fails: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        seeds = make_seeds(Path(folder), options.data, tuple(options.kinds))
        for seed in [seed for kind in options.kinds for seed in seeds[kind]]:
            seed.path.write_bytes(seed.content)
            seed.judge(seed.path)  # a whole file must be read
        _limit_memory()
        each = options.count // len(options.kinds)
        for kind in options.kinds:
            for number in range(each) if options.only is None else [options.only]:
                outcome = timed_case(seeds, kind, number, options.seed)
                counts[kind][outcome.verdict] += 1
                if outcome.verdict == "FAILURE":
                    escaped.append(outcome)
                    print(f"{outcome.case}\n{outcome.detail}\n", flush=True)
                if outcome.verdict == "outside fails":
                    outside_fails.append(outcome)
                if options.only is not None:
                    print(f"{outcome.case}: {outcome.verdict}\n{outcome.detail}")
    if options.only is None:
        write_page(options.results, "fuzz", as_lines(options, counts, escaped, outside_fails))
    return 1 if escaped else 0


class OutOfTimeError(BaseException):
    """No `except Exception` of the program may swallow it."""


def _out_of_time(*_: object) -> None:
    raise OutOfTimeError


def timed_case(seeds: dict[str, list[Seed]], kind: str, number: int, seed: int) -> Outcome:
    """One case under the limit of time; code that no signal can stop ends the whole program, saying where it was."""
    faulthandler.dump_traceback_later(6 * LONGEST_SECONDS, exit=True)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    try:
        return run_case(seeds, kind, number, seed)
    except OutOfTimeError:
        return Outcome(f"{kind} {number}", "FAILURE", f"over {LONGEST_SECONDS:g} s\n{traceback.format_exc()}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    """More than this is a MemoryError, which is an escape; where the system does not say (no Linux), no limit."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + int(MOST_GIB * 2**30), resource.RLIM_INFINITY))


MEANING = {
    "refused": "refused in one line (InputError: exit code 2)",
    "equal": "read, and equal to what the outside reader says",
    "outside fails": "read, where the outside reader fails",
    "FAILURE": "**escaped**: another exception, no end, too much memory, or another reading",
}


def as_lines(
    options: argparse.Namespace,
    counts: dict[str, Counter[Verdict]],
    escaped: list[Outcome],
    outside_fails: list[Outcome],
) -> list[str]:
    """The whole page."""
    real = "with" if (options.data / "formats").is_dir() else "without"
    rows = [(MEANING[verdict], [counts[kind][verdict] for kind in options.kinds]) for verdict in VERDICTS]
    rows.append(("all", [sum(counts[kind].values()) for kind in options.kinds]))
    return [
        title("Damaged files"),
        "",
        f"{sum(rows[-1][1])} damaged files, {real} the real ones of the data folder; seed {options.seed}.",
        versions("cryofifa", "torch", "numpy", "pandas", "starfile", "mrcfile", "safetensors"),
        "Outside readers: starfile and a plain split into words (star), numpy (cs), mrcfile (mrc and all images),",
        "tomllib (config), json and safetensors (checkpoint). Settings that are read are planned and train for one",
        "epoch; a run that is read is taken up again.",
        made_by("fuzz.py"),
        "",
        *table(("", *options.kinds, "all"), ((name, *map(str, [*row, sum(row)])) for name, row in rows)),
        "",
        *(f"- escaped: {outcome.case}: `{outcome.detail.strip().splitlines()[-1][:200]}`" for outcome in escaped),
        *(f"- the outside reader fails: {outcome.case}: `{outcome.detail[:200]}`" for outcome in outside_fails),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000, help="cases, in equal parts by kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one case of every kind given, and no table")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
