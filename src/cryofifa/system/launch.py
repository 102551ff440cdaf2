"""`--devices N`: N processes of one command on this machine, which end together and speak with one voice.

They find each other as torchrun's do, by the same environment variables; the store they meet at is held here. The first
one has the terminal. Of the others only the one that fails first is heard, if the first has said nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

import torch
import torch.distributed as distributed

from cryofifa.system.processes import LAUNCHER
from cryofifa.system.stop_signals import SIGNALS

LOOK_SECONDS = 0.05
# between the first failure and the end of all others, for those that have something to say; less than QUIET_SECONDS
GRACE_SECONDS = 1.0


def launch(command: Sequence[str], count: int) -> int:
    """Run `command` in `count` processes; returns the exit code of the one that failed first, or 0.

    Signals that ask to stop are passed on. None of the processes is left when this ends, however it ends.
    """
    processes: list[subprocess.Popen] = []
    with ExitStack() as stack:
        port = stack.enter_context(store_port())
        voices = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, count)]
        stack.callback(lambda: _kill(processes))
        stack.enter_context(_passed_on(lambda number: _tell(processes, number)))
        for rank, voice in enumerate([None, *voices]):
            processes.append(
                subprocess.Popen(
                    command,
                    env=os.environ | environment(rank, count, port),
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    stderr=voice,
                    start_new_session=True,  # Ctrl-C comes here alone, and is passed on
                )
            )
        return _end_of(processes, voices)


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torchrun would tell a process; each takes its share of the threads."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is held by whoever starts the processes
        # torch takes MKL's number where it is set: measured, two threads for each core make a step 2.5 times as long
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(max(1, torch.get_num_threads() // count))),
        LAUNCHER: str(os.getpid()),
    }


@contextmanager
def store_port() -> Iterator[int]:
    """Port of a store on this machine, at which processes meet."""
    store = distributed.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )
    yield store.port


def _end_of(processes: list[subprocess.Popen], voices: Sequence[IO[bytes]]) -> int:
    while not any(codes := [process.poll() for process in processes]):
        if None not in codes:
            return 0
        time.sleep(LOOK_SECONDS)
    failed = next(rank for rank, code in enumerate(codes) if code)
    deadline = time.monotonic() + GRACE_SECONDS
    while None in [process.poll() for process in processes] and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    if processes[0].returncode:
        failed = 0
    else:
        voice = voices[failed - 1]
        voice.seek(0)
        sys.stderr.write(voice.read().decode(errors="backslashreplace"))
    code = processes[failed].returncode
    if code > 0:
        return code
    name = signal.Signals(-code).name
    print(f"cryofifa: process {failed + 1} was ended by {name}; the same command again resumes", file=sys.stderr)
    return 128 - code


def _tell(processes: list[subprocess.Popen], number: int) -> None:
    for process in processes:
        process.send_signal(number)


def _kill(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


@contextmanager
def _passed_on(tell: Callable[[int], None]) -> Iterator[None]:
    before = {one: signal.signal(one, lambda number, _: tell(number)) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
