"""Attacks on a run while it goes on: each must end in one line or as if nothing had been, and go on to the same end."""

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from attacked_process import Ended, Running, started

from cryofifa import main_path
from cryofifa.run.starts import Starts
from cryofifa.stochastic_em.start import Start
from cryofifa.system.atomic_file import PART
from cryofifa.system.folder_lock import NAME as LOCK
from cryofifa.train.training_loop import TrainingLoop
from cryofifa_testkit.same_results import differing

RESULTS = ("particles.star", "map.mrc", "half1.mrc", "half2.mrc", "decoder.mrc", "mask.mrc")
STOPPED = tuple(128 + number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1))
NOBODY = 65534


@dataclass
class Target:
    """A small set and its undisturbed run, beside which an attacked one is made.

    particles: the set's STAR file, beside which its settings lie.
    undisturbed: the folder of the undisturbed run.
    seconds: how long that took.
    """

    particles: Path
    undisturbed: Path
    seconds: float
    run: Path

    def command(self, *more: str) -> list[str]:
        """The command that makes the attacked run, or goes on with it."""
        settings = str(self.particles.with_name("settings.toml"))
        return ["reconstruct", str(self.particles), "-o", str(self.run), "--config", settings, *more]

    def started(self, before: Callable[[], object] = lambda: None, *more: str) -> Running:
        """Start the attacked run."""
        return started(self.command(*more), before)

    def end(self, *, same: bool = True) -> str:
        """Go on undisturbed; what is wrong then: another result, or a file that should not be there."""
        ended = self.started().wait()
        return ended.fault(0) or self.difference(same=same)

    def difference(self, *, same: bool = True) -> str:
        """What is wrong in the folder of the finished run."""
        different = differing(self.run, self.undisturbed, RESULTS) if same else []
        left = [path.name for path in self.run.rglob("*") if PART.fullmatch(path.name) or path.name == LOCK]
        return ", ".join([*different, *left])


def storm(numbers: tuple[int, ...]) -> Callable[[random.Random, Target], str]:
    """Signals at random moments, many of them, again and again until the run has ended."""

    def attack(draw: random.Random, target: Target) -> str:
        for _ in range(3):
            running = target.started()
            time.sleep(draw.uniform(0, target.seconds))
            for _ in range(draw.randint(1, 30)):
                running.send(draw.choice(numbers))
                time.sleep(draw.uniform(0, 0.02))
            # a signal may meet the program before it looks out for it
            if fault := running.wait().fault(0, *STOPPED, *(-number for number in numbers)):
                return fault
        return target.end()

    return attack


def stop_and_continue(draw: random.Random, target: Target) -> str:
    running = target.started()
    for _ in range(draw.randint(1, 5)):
        time.sleep(draw.uniform(0, target.seconds / 3))
        running.send(signal.SIGSTOP)
        second = target.started().wait() if (target.run / LOCK).exists() else None
        if second is not None and (fault := second.fault(2) or _unless(second, "another cryofifa works")):
            running.send(signal.SIGKILL)
            running.wait()
            return f"beside a stopped one: {fault}"
        running.send(signal.SIGCONT)
    return running.wait().fault(0) or target.difference()


def killed(draw: random.Random, target: Target) -> str:
    for _ in range(draw.randint(1, 4)):
        running = target.started()
        time.sleep(draw.uniform(0, target.seconds))
        running.send(signal.SIGKILL)
        if fault := running.wait().fault(0, -signal.SIGKILL):
            return fault
    return target.end()


def killed_as_starts_are_judged(draw: random.Random, target: Target) -> str:
    for _ in range(draw.randint(1, 3)):
        name, calls, after = draw.choice(("_compare", "_judge")), draw.randint(1, 3), draw.random() < 0.5
        ended = target.started(lambda: _at_call(Starts, name, calls, _kill, after=after)).wait()  # noqa: B023 - forked now
        if fault := ended.fault(0, -signal.SIGKILL):
            return fault
    return target.end()


def disk_full_in_the_last_outputs(draw: random.Random, target: Target) -> str:
    size = draw.choice((draw.randint(0, 3000), draw.randint(3000, 30_000)))

    def limit() -> None:
        _at_call(main_path, "write_outputs", 1, lambda: _limited(resource.RLIMIT_FSIZE, size), after=False)

    ended = target.started(limit).wait()
    return ended.fault(0, 2) or (_unless(ended, "cannot be written") if ended.code else "") or target.end()


def stack_changed(draw: random.Random, target: Target) -> str:
    stack = target.particles.with_suffix(".mrcs")
    whole, kind = stack.read_bytes(), draw.choice(("cut", "other", "gone", "touched"))

    def change() -> None:
        if kind == "cut":
            os.truncate(stack, draw.randint(0, len(whole) - 1))
        elif kind == "other":
            stack.write_bytes(whole[:1024] + bytes(reversed(whole[1024:])))
        elif kind == "gone":
            stack.unlink()
        else:
            os.utime(stack)

    step = draw.randint(1, 12)
    holder = Start if draw.random() < 0.5 else TrainingLoop
    ended = target.started(lambda: _at_call(holder, "_step", step, change, after=True)).wait()
    stack.write_bytes(whole)
    # what is not read any more is not missed
    return ended.fault(0, 2) or (_unless(ended, stack.name) if ended.code else "") or target.end()


def little_address_space(draw: random.Random, target: Target) -> str:
    room = int(2 ** draw.uniform(20, 30))

    def limit() -> None:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _limited(resource.RLIMIT_AS, taken + room)

    return target.started(limit).wait().fault(0, 2) or target.end()


def few_processes_or_files(draw: random.Random, target: Target) -> str:
    """As a user who may have no thread more, or few open files."""
    count = draw.randint(16, 60)  # with fewer Python itself finds none of its modules
    threads = draw.random() < 0.5

    def limit() -> None:
        if not threads:
            _limited(resource.RLIMIT_NOFILE, count)
            return
        torch.set_num_threads(2)
        _limited(resource.RLIMIT_NPROC, 1)
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)

    for folder in (target.run.parent, target.particles.parent):
        folder.chmod(0o777)
    ended = target.started(limit).wait()
    if target.run.exists():
        shutil.copytree(target.run, target.run.with_name("own"))
        shutil.rmtree(target.run)
        target.run.with_name("own").rename(target.run)
    return ended.fault(0, 2) or target.end(same=not threads)


def other_number_of_threads(draw: random.Random, target: Target) -> str:
    running = target.started(lambda: torch.set_num_threads(draw.choice((2, 3))))
    time.sleep(draw.uniform(0, target.seconds))
    running.send(signal.SIGTERM)
    return running.wait().fault(0, *STOPPED, -signal.SIGTERM) or target.end(same=False)


def other_number_of_devices(draw: random.Random, target: Target) -> str:
    """Begun by two processes, gone on with by one, or the other way round."""
    order = draw.choice((("2", "1"), ("1", "2")))
    running = target.started(lambda: None, "--devices", order[0], "--device", "cpu")
    time.sleep(draw.uniform(0, 20))
    running.send(signal.SIGTERM)
    if fault := running.wait().fault(0, *STOPPED, -signal.SIGTERM):
        return fault
    ended = target.started(lambda: None, "--devices", order[1], "--device", "cpu").wait()
    if ended.code == 2:
        return ended.fault(2) or _unless(ended, "go on with as many")
    return ended.fault(0) or target.difference(same=False)


def two_at_once(draw: random.Random, target: Target) -> str:
    first = target.started()
    time.sleep(draw.uniform(0, target.seconds))
    second = target.started()
    ended = [one.wait() for one in (first, second)]
    for one in ended:
        if fault := one.fault(0, 2) or (_unless(one, "another cryofifa works") if one.code else ""):
            return fault
    return target.difference() if any(one.code == 0 for one in ended) else "none of both went on"


WAYS: dict[str, Callable[[random.Random, Target], str]] = {
    "storm of SIGTERM": storm((signal.SIGTERM,)),
    "storm of SIGINT": storm((signal.SIGINT,)),
    "storm of all three": storm((signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)),
    "stopped and continued, a second one meanwhile": stop_and_continue,
    "killed up to four times": killed,
    "killed as starts are judged": killed_as_starts_are_judged,
    "disk full in the last outputs": disk_full_in_the_last_outputs,
    "stack changed in mid-run": stack_changed,
    "little address space": little_address_space,
    "few processes or files": few_processes_or_files,
    "another number of threads": other_number_of_threads,
    "another number of devices": other_number_of_devices,
    "two at once in one folder": two_at_once,
}


def _unless(ended: Ended, wanted: str) -> str:
    return "" if wanted in ended.errors else f"says something else: {ended.errors.strip()[:300]}"


def _limited(what: int, most: int) -> None:
    resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_call(owner: Any, name: str, number: int, act: Callable[[], object], *, after: bool) -> None:
    """Do something at a call of this function, counted from 1; in a forked process, which this patches for good."""
    original, calls = getattr(owner, name), 0

    def patched(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            act()
        found = original(*arguments, **named)
        if calls == number and after:
            act()
        return found

    setattr(owner, name, patched)
