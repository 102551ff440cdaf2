"""How the processes of one run find each other: what the environment says of them, and the place where they meet."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from torch.distributed import PrefixStore, rendezvous  # pyright: ignore[reportPrivateImportUsage]

from cryofifa.errors import InputError

JOIN_SECONDS = 40.0  # until all processes have come; those of one command begin within a few seconds
CONNECT_SECONDS = 5.0


def place_among_processes() -> tuple[int, int] | None:
    """This process's number and that of all processes, as the environment says; None where it says of no others.

    Raises:
        InputError: if it says it in part, or what cannot be.
    """
    said = {name: os.environ.get(name, "") for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")}
    if not said["WORLD_SIZE"] and not said["RANK"]:
        return None
    remedy = f"start with --devices or torchrun, or without these variables (env {' '.join(f'-u {n}' for n in said)})"
    for name, text in said.items():
        if name.startswith("MASTER") and said["WORLD_SIZE"] == "1":
            continue
        if not text:
            raise InputError(f"environment variable {name} is not set, though others are: {remedy}")
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        text = os.environ.get(name, "0")
        if not re.fullmatch(r"[0-9]{1,5}", text):
            raise InputError(f"environment variable {name} is '{text}', which is no number: {remedy}")
    rank, count = int(said["RANK"]), int(said["WORLD_SIZE"])
    if rank >= count:
        raise InputError(f"environment variables RANK={rank} and WORLD_SIZE={count} contradict each other: {remedy}")
    return (rank, count) if count > 1 else None


def store_of_all(rank: int, count: int, timeout: timedelta) -> Any:
    """The store of torch through which the processes find each other, once all have come there.

    timeout: of what they ask of it afterwards.

    Raises:
        InputError: if it cannot be reached, or others do not come.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    holds_store = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        if not holds_store:
            _wait_for_server(address, port)
        with _silent_stderr():  # torch prints its own stack there
            seconds = JOIN_SECONDS if holds_store else CONNECT_SECONDS
            meeting = rendezvous("env://", rank, count, timeout=timedelta(seconds=seconds))
            store = _within(JOIN_SECONDS + CONNECT_SECONDS, lambda: next(meeting)[0])
            store.set(f"cryofifa {rank}", "here")
            store.wait([f"cryofifa {other}" for other in range(count)], timedelta(seconds=JOIN_SECONDS))
    except (RuntimeError, ValueError, OSError) as error:  # torch's own errors are RuntimeErrors
        reason = str(error).partition("\n")[0][:200]
        raise InputError(
            f"process {rank} of {count} does not find all others at {address}:{port} (MASTER_ADDR, MASTER_PORT; "
            f"{reason}); start all at the same time with --devices or torchrun"
        ) from None
    store.set_timeout(timeout)
    return PrefixStore("processes", store)


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """What the call returns or raises, if it does within this time; another program's server may never answer.

    Raises:
        TimeoutError: if it does not.
    """
    found, raised = list[Any](), list[BaseException]()

    def called() -> None:
        try:
            found.append(call())
        except BaseException as error:  # raised again below
            raised.append(error)

    thread = threading.Thread(target=called, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise TimeoutError("no answer")
    return found[0]


def _wait_for_server(address: str, port: int) -> None:
    """Wait until something listens there, `JOIN_SECONDS` at most.

    Raises:
        OSError: if nothing does.
    """
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            socket.create_connection((address, port), timeout=CONNECT_SECONDS).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Within the block nothing that C++ code prints to stderr is seen."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
