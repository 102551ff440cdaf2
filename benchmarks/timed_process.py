"""Runs a program on the cores that are measured, and says what it took."""

import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

CORES = 2
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Cost:
    """What a process took, its own children included."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory_gib: float


def run_on_two_cores(command: list[str], messages: Path, look: Callable[[float, int], None] | None = None) -> Cost:
    """Run to the end, on the first cores of this process; the program's own words go to a file.

    look: called every second with the time since the start and the process's number.

    Raises:
        SystemExit: if the program fails.
    """
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(len(cores)))
    started = time.monotonic()
    with messages.open("wb") as file:
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        # wait4 tells of this one process, not of all children so far
        while not (found := os.wait4(process.pid, os.WNOHANG))[0]:
            if look is not None:
                look(time.monotonic() - started, process.pid)
            time.sleep(1.0 if look is not None else 0.1)
        _, status, usage = found
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    if process.returncode != 0:
        tail = messages.read_text(encoding="utf-8", errors="replace")[-2000:]
        sys.exit(f"{shlex.join(command)}\nended with {process.returncode}:\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def next_free(output: Path) -> Path:
    tries = (output.with_name(f"{output.name}.again{number}") for number in count(1))
    return next(path for path in tries if not path.exists())


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
