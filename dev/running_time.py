"""How long the program takes to say its version and its help, and how long its tests take."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

REPEATS = 5


@dataclass(frozen=True)
class TestTime:
    """One run of all tests: its last line, wall seconds, and CPU seconds of all its processes."""

    outcome: str
    wall_seconds: float
    cpu_seconds: float


def start_up_cpu_seconds(repository: Path, option: str) -> float:
    """CPU seconds of `python -m cryofifa OPTION`, the median of five after one that is not counted."""
    times = [_measured(repository, ["-m", "cryofifa", option])[2] for _ in range(REPEATS + 1)]
    return median(times[1:])


def test_time(repository: Path) -> TestTime:
    """All tests, as `make test` runs them: two processes of one thread each."""
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"]
    output, wall, cpu = _measured(repository, arguments, may_fail=True)
    lines = [line.strip("= ") for line in output.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    return TestTime(re.sub(r" in [\d.]+s.*", "", lines[-1]) if lines else "no tests", wall, cpu)


def _measured(repository: Path, arguments: list[str], may_fail: bool = False) -> tuple[str, float, float]:
    """What Python printed, wall seconds and CPU seconds; the repository's own environment where it has one."""
    own = repository / ".venv" / "bin" / "python"
    command = [str(own) if own.exists() else sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and not may_fail:
        sys.exit(f"{' '.join(command)} in {repository}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout, wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
