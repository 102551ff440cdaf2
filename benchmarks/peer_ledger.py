"""What a run of any program has spent, kept in JSON beside it, so that hours of work can be stopped and gone on with.

Work lost when a run is cut off is not counted: the run goes on from its last checkpoint, and so does the ledger.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from timed_process import Cost, run_on_two_cores

NOTHING = Cost(0.0, 0.0, 0.0)
SETTLED_SECONDS = 2.0  # a file not touched for so long is complete
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Checkpoint:
    """Something that a program has left on its way, and what it had spent by then."""

    name: str
    spent: Cost


@dataclass
class Ledger:
    """One run; written anew whenever it grows."""

    path: Path
    checkpoints: list[Checkpoint] = field(default_factory=list)
    spent: Cost = NOTHING  # up to the last checkpoint or finished command
    commands: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Of the checkpoints."""
        return [checkpoint.name for checkpoint in self.checkpoints]

    @classmethod
    def at(cls, path: Path) -> "Ledger":
        """The ledger of an earlier call, or a new one."""
        if not path.exists():
            return cls(path)
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            path,
            [Checkpoint(one["name"], Cost(**one["spent"])) for one in values["checkpoints"]],
            Cost(**values["spent"]),
            values["commands"],
        )

    def write(self) -> None:
        """All of it, whole or not at all."""
        values = {name: value for name, value in asdict(self).items() if name != "path"}
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def run(self, command: list[str], messages: Path, left: Callable[[], list[Path]]) -> None:
        """Run one command and book what it spends.

        left: what the program has left so far, oldest first.
        """
        before = self.spent
        known = set(self.names)

        def book(spent: Cost, settled_seconds: float) -> None:
            for path in left():
                age = time.time() - path.stat().st_mtime
                # older than this command: of a run that was cut off before it was booked, and will be written again
                if path.name not in known and settled_seconds <= age <= spent.wall_seconds:
                    known.add(path.name)
                    then = Cost(spent.wall_seconds - age, spent.cpu_seconds, spent.peak_memory_gib)
                    self.spent = together(before, then)
                    self.checkpoints.append(Checkpoint(path.name, self.spent))
                    self.write()

        peak = 0.0

        def look(seconds: float, process: int) -> None:
            nonlocal peak
            cpu_seconds, memory = spent_by(process)
            peak = max(peak, memory)
            book(Cost(seconds, cpu_seconds, peak), SETTLED_SECONDS)

        cost = run_on_two_cores(command, messages, look)
        # the kernel's own number is no less than the memory of the process that started the program: this one
        cost = replace(cost, peak_memory_gib=peak)
        book(cost, 0.0)
        self.spent = together(before, cost)
        self.write()


def together(first: Cost, second: Cost) -> Cost:
    """Of two processes one after the other."""
    return Cost(
        first.wall_seconds + second.wall_seconds,
        first.cpu_seconds + second.cpu_seconds,
        max(first.peak_memory_gib, second.peak_memory_gib),
    )


def spent_by(process: int) -> tuple[float, float]:
    """CPU seconds and peak memory in GiB of a running process so far, the children it has waited for included."""
    try:
        # the program's name stands in brackets and may hold spaces
        times = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:15]
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0, 0.0
    peak_kib = next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
    return sum(map(int, times)) / TICKS_PER_SECOND, peak_kib / 2**20
