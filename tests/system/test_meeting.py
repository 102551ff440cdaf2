"""Processes find each other, and nobody else; what the environment says wrongly ends in one line, and soon."""

import socket
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cryofifa.errors import InputError
from cryofifa.system import meeting
from cryofifa.system.launch import launch, store_port
from cryofifa.system.meeting import place_among_processes, store_of_all
from cryofifa.system.memory import allowed_bytes
from cryofifa.system.processes import ALONE, joined

NAMES = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "JOIN_SECONDS", 1.0)
    monkeypatch.setattr(meeting, "CONNECT_SECONDS", 1.0)


def set_variables(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    for name, _, value in (word.partition("=") for word in said.split()):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("WORLD_SIZE=4", "RANK is not set"),
        ("RANK=0", "WORLD_SIZE is not set"),
        ("WORLD_SIZE=1", "RANK is not set"),
        ("WORLD_SIZE=2 RANK=0 MASTER_PORT=29500", "MASTER_ADDR is not set"),
        ("WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1", "MASTER_PORT is not set"),
        ("WORLD_SIZE=two RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=1", "WORLD_SIZE is 'two'"),
        ("WORLD_SIZE=2 RANK=-1 MASTER_ADDR=127.0.0.1 MASTER_PORT=1", "RANK is '-1'"),
        ("WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=1 LOCAL_RANK=x", "LOCAL_RANK is 'x'"),
        ("WORLD_SIZE=2 RANK=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=1", "RANK=2 and WORLD_SIZE=2 contradict"),
        ("WORLD_SIZE=0 RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=1", "RANK=0 and WORLD_SIZE=0 contradict"),
    ],
)
def test_variables_that_are_half_set_or_wrong_are_named(monkeypatch: pytest.MonkeyPatch, said: str, wanted: str):
    set_variables(monkeypatch, said)
    with pytest.raises(InputError, match=wanted) as caught, joined():
        pass
    assert "--devices or torchrun" in str(caught.value)


@pytest.mark.parametrize("said", ["", "WORLD_SIZE=1 RANK=0", "LOCAL_WORLD_SIZE=many", "MASTER_PORT=x"])
def test_without_others_a_process_is_alone(monkeypatch: pytest.MonkeyPatch, said: str):
    set_variables(monkeypatch, said)
    with joined() as processes:
        assert processes == ALONE
    assert allowed_bytes(None) > 0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server of something else, which never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("rank", "kind"), [(1, "dead"), (1, "foreign"), (0, "alone"), (0, "foreign")])
def test_who_finds_no_others_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], silent_port: int, rank: int, kind: str
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = silent_port if kind == "foreign" else free.getsockname()[1]
    set_variables(monkeypatch, f"WORLD_SIZE=2 RANK={rank} MASTER_ADDR=127.0.0.1 MASTER_PORT={port}")
    began = time.monotonic()
    with pytest.raises(InputError, match=f"process {rank} of 2 does not find all others at 127.0.0.1:{port}"):
        store_of_all(rank, 2, timedelta(seconds=1))
    assert time.monotonic() - began < 20
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("soon")
def test_a_store_at_which_not_all_arrive_is_left(monkeypatch: pytest.MonkeyPatch):
    with store_port() as port:
        said = f"WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT={port} TORCHELASTIC_USE_AGENT_STORE=True"
        set_variables(monkeypatch, said)
        assert place_among_processes() == (0, 2)
        with pytest.raises(InputError, match="process 0 of 2 does not find all others"):
            store_of_all(0, 2, timedelta(seconds=1))


MEET = """
import os, sys
from pathlib import Path
from cryofifa.system.processes import joined
with joined() as processes:
    processes.barrier()
    Path(sys.argv[1], os.environ["RANK"]).write_text("\\n".join(map(str, (os.getpid(), os.getppid()))))
    processes.barrier()
    listening = [line.split() for file in ("tcp", "tcp6") for line in open(f"/proc/net/{file}")]
    own = {os.stat(f"/proc/{who}/fd/{one}").st_ino for who in (os.getpid(), os.getppid())
           for one in os.listdir(f"/proc/{who}/fd") if os.path.exists(f"/proc/{who}/fd/{one}")}
    addresses = {line[1].split(":")[0] for line in listening if line[3] == "0A" and int(line[9]) in own}
    Path(sys.argv[1], os.environ["RANK"]).write_text("\\n".join(addresses))
"""


def test_processes_of_one_machine_listen_on_its_loopback_only(tmp_path: Path):
    """The launcher's store and each process: addresses as the kernel lists them, 127.0.0.1 being 0100007F."""
    assert launch([sys.executable, "-c", MEET, str(tmp_path)], 2) == 0
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["0100007F", "0100007F"]
