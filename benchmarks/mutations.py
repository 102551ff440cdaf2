"""Mistakes put into the program on purpose: does a test notice each of them?

    nice -n 19 python benchmarks/mutations.py                       # all, ten minutes on one core
    python benchmarks/mutations.py --file results/gold_standard.py   # those of one file

A copy of sources and tests gets one mistake at a time, and the tests that are named with it are run until one fails. A
mistake that no test notices has survived. The list is mutation_list.py: whoever writes a formula adds a mistake in it.
Ends with exit code 1 if more than three in a hundred survive, or a line is no longer there.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutation_list import MUTATIONS, Mutation
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page

COPIED = ("src", "tests", "dev", "benchmarks", "docs", "pyproject.toml")
MOST_SURVIVORS = 0.03
LONGEST_SECONDS = 900.0


def main() -> int:
    options = _options()
    chosen = [one for one in MUTATIONS if options.file in (None, one.file)]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in COPIED:
            source = REPOSITORY / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / part)
        for mutation in chosen:
            rows.append((mutation, outcome(copy, mutation)))
            print(f"{rows[-1][1]:10} {mutation.file}: {mutation.right}", flush=True)
    write_page(options.results, "mutations", as_lines(rows))
    counted = sum(found != "noticed" for _, found in rows)
    return 1 if counted > MOST_SURVIVORS * len(rows) else 0


def outcome(copy: Path, mutation: Mutation) -> str:
    """noticed, survived, or absent, where the right line is not there exactly once."""
    path = copy / "src" / "cryofifa" / mutation.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutation.right) != 1:
        return "absent"
    path.write_text(whole.replace(mutation.right, mutation.wrong), encoding="utf-8")
    try:
        tests = [str(copy / "tests" / one) for one in mutation.tests.split()]
        # a mistake may also make the program wait for ever, which is noticed
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        return "noticed" if _fails(command, copy) else "survived"
    finally:
        path.write_text(whole, encoding="utf-8")


def _fails(command: list[str], folder: Path) -> bool:
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=LONGEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return ended.returncode != 0


def as_lines(rows: list[tuple[Mutation, str]]) -> list[str]:
    """The whole page."""
    survived = sum(found == "survived" for _, found in rows)
    return [
        title("Mutations"),
        "",
        f"{survived} of {len(rows)} mistakes survived the tests that should notice them.",
        versions("cryofifa", "pytest"),
        made_by("mutations.py"),
        "",
        *table(
            ("file", "right", "wrong", ""),
            ((one.file, f"`{one.right}`", f"`{one.wrong}`", found) for one, found in rows),
        ),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", help="of the list; all by default")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
