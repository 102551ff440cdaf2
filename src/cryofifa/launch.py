"""`--devices N`: N processes of one command on this machine, which end together and speak with one voice.

They find each other as torchrun's do, by the same environment variables; the store they meet at is held here. The first
one writes to this process's own output. Of the others only the one that fails first is heard.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO

import torch

LOOK_SECONDS = 0.05
# a process whose neighbour has ended fails too, with words that say nothing: it keeps quiet for so long
QUIET_SECONDS = 3.0
END_SECONDS = 5.0  # from the request to end to the kill


def launch(command: Sequence[str], count: int) -> int:
    """Run `command` in `count` processes; returns the exit code of the one that failed first, or 0.

    None is left when this returns or raises, whatever it raises.
    """
    with store_port() as port, tempfile.TemporaryFile() as unheard, _ended_by_sigterm():
        processes: list[subprocess.Popen] = []
        voices: list[IO[bytes] | None] = []
        try:
            for rank in range(count):
                voice = None if rank == 0 else tempfile.TemporaryFile()  # noqa: SIM115
                voices.append(voice)
                processes.append(
                    subprocess.Popen(
                        command,
                        env=os.environ | environment(rank, count, port),
                        stdout=None if rank == 0 else unheard,
                        stderr=voice,
                        start_new_session=True,  # Ctrl-C comes here, and is passed on
                    )
                )
            failed = _first_failed(processes)
            if failed is None:
                return 0
            _say(failed, processes[failed], voices[failed])
            code = processes[failed].returncode
            return code if code > 0 else 128 - code
        finally:
            _end(processes)
            for voice in filter(None, voices):
                voice.close()


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torchrun would tell a process; each takes its share of the threads."""
    threads = max(1, torch.get_num_threads() // count)
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is held by the starting process
        "OMP_NUM_THREADS": str(threads),
        "CRYOFIFA_LAUNCHER": str(os.getpid()),
    }


@contextmanager
def store_port() -> Iterator[int]:
    """Port of a store on this machine, at which processes meet."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield store.port


def _first_failed(processes: list[subprocess.Popen]) -> int | None:
    """Wait for all; the rank of the first that fails, as soon as it does."""
    while True:
        codes = [process.poll() for process in processes]
        # the first one's own words are on the screen already
        failed = next((rank for rank, code in enumerate(codes) if code), None)
        if failed is not None or None not in codes:
            return failed
        time.sleep(LOOK_SECONDS)


def _say(rank: int, process: subprocess.Popen, voice: IO[bytes] | None) -> None:
    if voice is not None:
        voice.seek(0)
        sys.stderr.write(voice.read().decode(errors="backslashreplace"))
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        print(f"cryofifa: process {rank + 1} was ended by {name}; the same command again resumes", file=sys.stderr)


def _end(processes: list[subprocess.Popen]) -> None:
    """Ask all to stop as Ctrl-C does, so that nothing half-written stays; kill those that do not."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + END_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """A scheduler's request to end becomes an exception, so that the processes are ended too."""

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
