"""`--devices N`: run one command in N processes on this machine, which start and end together.

The processes find each other through torchrun's environment variables, at a store that this process holds. Process 0
writes to the terminal. If another one fails, its error output is shown, unless process 0 failed too.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

import torch
import torch.distributed as distributed

from cryofifa.system.processes import LAUNCHER
from cryofifa.system.stop_signals import handled_by

POLL_SECONDS = 0.05
# after the first failure all others are ended; until then they may still print their own error. Less than QUIET_SECONDS
GRACE_SECONDS = 1.0


def launch(command: Sequence[str], count: int) -> int:
    """Run `command` in `count` processes; returns the exit code of the one that failed first, or 0.

    Signals that ask a run to stop are forwarded to all processes. None of them is left when this returns or raises.
    """
    processes: list[subprocess.Popen] = []
    with ExitStack() as stack:
        port = stack.enter_context(store_port())
        error_outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, count)]
        stack.callback(lambda: _kill(processes))
        stack.enter_context(handled_by(lambda number, _: _send_signal(processes, number)))
        for rank, error_output in enumerate([None, *error_outputs]):
            processes.append(
                subprocess.Popen(
                    command,
                    env=os.environ | environment(rank, count, port),
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    stderr=error_output,
                    start_new_session=True,  # Ctrl-C reaches this process only, which forwards it
                )
            )
        return _wait_for(processes, error_outputs)


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """The environment variables torchrun would set for process `rank` of `count`; the CPU's threads are divided evenly.

    port: of the store on this machine at which the processes meet.
    """
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), "")
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is held by this process
        # torch obeys MKL's variable where it is set: measured, two threads per core make a step 2.5 times as long
        # they talk to each other within this machine only, too
        **dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if loopback else (), loopback),
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(max(1, torch.get_num_threads() // count))),
        LAUNCHER: str(os.getpid()),
    }


@contextmanager
def store_port() -> Iterator[int]:
    """Hold a store at which processes of this machine meet, and which no other machine can reach; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # the store itself would listen on every address
        port = server.getsockname()[1]
        store = distributed.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
            "127.0.0.1", port, is_master=True, wait_for_workers=False, master_listen_fd=server.detach()
        )
    yield store.port


def _wait_for(processes: list[subprocess.Popen], error_outputs: Sequence[IO[bytes]]) -> int:
    """Wait until all have ended or one has failed; returns the exit code."""
    while not any(codes := [process.poll() for process in processes]):
        if None not in codes:
            return 0
        time.sleep(POLL_SECONDS)
    failed = next(rank for rank, code in enumerate(codes) if code)
    deadline = time.monotonic() + GRACE_SECONDS
    while None in [process.poll() for process in processes] and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if processes[0].returncode:
        failed = 0
    else:
        error_output = error_outputs[failed - 1]
        error_output.seek(0)
        sys.stderr.write(error_output.read().decode(errors="backslashreplace"))
    code = processes[failed].returncode
    if code > 0:
        return code
    name = signal.Signals(-code).name
    print(f"cryofifa: process {failed + 1} was ended by {name}; the same command again resumes", file=sys.stderr)
    return 128 - code


def _send_signal(processes: list[subprocess.Popen], number: int) -> None:
    for process in processes:
        process.send_signal(number)


def _kill(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
