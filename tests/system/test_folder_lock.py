"""One process at a time works in a folder; what a dead one left is recognised, on this machine and on others."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cryofifa.errors import InputError, Stopped
from cryofifa.system import folder_lock
from cryofifa.system.folder_lock import FolderLock

HOLD = """
import sys, time
from pathlib import Path
from cryofifa.system.folder_lock import FolderLock
with FolderLock(Path(sys.argv[1])).take():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Another process of this machine, which holds the folder `run`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEAT_SECONDS", 0.05), ("SILENT_SECONDS", 0.5), ("LOOK_SECONDS", 0.02)):
        monkeypatch.setattr(folder_lock, name, seconds)


def lock_of_another_machine(folder: Path) -> Path:
    """The folder's lock, as if its holder, with this process's number, ran on a machine called elsewhere."""
    with FolderLock(folder).take() as lock:
        values = json.loads(lock.path.read_text())
    folder.mkdir(exist_ok=True)
    lock.path.write_text(json.dumps(values | {"place": "elsewhere", "host": "elsewhere"}))
    return lock.path


def test_the_second_process_is_told_who_holds_the_folder(other: subprocess.Popen, tmp_path: Path):
    with pytest.raises(InputError, match=rf"run: another cryofifa works .*\(process {other.pid} on .*since"):
        FolderLock(tmp_path / "run").take()
    other.send_signal(signal.SIGSTOP)  # stopped, but not dead: it may go on
    with pytest.raises(InputError, match="another cryofifa works"):
        FolderLock(tmp_path / "run").take()


def test_the_lock_of_a_killed_process_is_recognised_at_once(other: subprocess.Popen, tmp_path: Path):
    other.kill()  # before it is waited for, a process without life is still listed
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    with FolderLock(tmp_path / "run").take() as lock:
        assert json.loads(lock.path.read_text())["process"] == os.getpid()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_process_number_that_was_given_again_is_no_holder(tmp_path: Path):
    with FolderLock(tmp_path).take() as lock:
        values = json.loads(lock.path.read_text())
    lock.path.write_text(json.dumps(values | {"began": "1"}))
    FolderLock(tmp_path).take()


def test_the_same_program_cannot_work_twice_in_a_folder(tmp_path: Path):
    with FolderLock(tmp_path).take() as lock:
        assert lock.take() is lock
        with pytest.raises(InputError, match=f"process {os.getpid()}"):
            FolderLock(tmp_path).take()
    FolderLock(tmp_path).take()


@pytest.mark.usefixtures("fast")
def test_another_machine_that_gives_a_sign_of_life_holds_the_folder(tmp_path: Path):
    path = lock_of_another_machine(tmp_path)
    said = []

    def say(line: str) -> None:
        said.append(line)
        os.utime(path, (time.time() + 1, time.time() + 1))  # its beat

    with pytest.raises(InputError, match=r"another cryofifa works in this folder .* on elsewhere"):
        FolderLock(tmp_path, say=say).take()
    assert len(said) == 1


@pytest.mark.usefixtures("fast")
def test_another_machine_that_is_silent_is_waited_for_and_given_up(tmp_path: Path):
    lock_of_another_machine(tmp_path)
    began = time.monotonic()
    with FolderLock(tmp_path, say=lambda _: None).take() as lock:
        assert time.monotonic() - began > folder_lock.SILENT_SECONDS / 2
        assert json.loads(lock.path.read_text())["host"] != "elsewhere"


def test_a_lock_that_has_long_been_silent_is_given_up_without_a_wait(tmp_path: Path):
    path = lock_of_another_machine(tmp_path)
    os.utime(path, (1, 1))
    FolderLock(tmp_path, say=pytest.fail).take()


@pytest.mark.parametrize("text", ["", "[]", '{"process": "x"}', "[" * 9999, "\0" * 99])
def test_a_lock_that_cannot_be_read_counts_as_another_machines(tmp_path: Path, text: str):
    (tmp_path / "lock.json").write_text(text)
    with pytest.raises(Stopped):
        FolderLock(tmp_path, stop=lambda: True, say=lambda _: None).take()
    os.utime(tmp_path / "lock.json", (1, 1))
    FolderLock(tmp_path).take()


@pytest.mark.usefixtures("fast")
def test_the_holder_gives_signs_of_life(tmp_path: Path):
    with FolderLock(tmp_path).take() as lock:
        os.utime(lock.path, (1, 1))
        deadline = time.monotonic() + 10
        while lock.path.stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.usefixtures("fast")
def test_who_was_taken_over_notices_and_leaves_the_other_lock(tmp_path: Path):
    with FolderLock(tmp_path).take() as lock:
        lock.check()
        lock_text = lock.path.read_text()
        lock.path.unlink()
        time.sleep(2 * folder_lock.LOOK_SECONDS)
        lock.check()  # deleted by hand: nobody else is there, and it is made again
        assert lock.path.read_text() == lock_text
        other = lock_text.replace(json.loads(lock_text)["mark"], "other")
        lock.path.write_text(other)
        time.sleep(2 * folder_lock.LOOK_SECONDS)
        with pytest.raises(InputError, match="was taken over by process"):
            lock.check()
    assert lock.path.read_text() == other


@pytest.mark.parametrize("links", [True, False])
def test_of_many_at_once_one_gets_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool):
    """Also on a file system that has no links."""
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", refuse)
    locks = [FolderLock(tmp_path) for _ in range(20)]

    def taken(lock: FolderLock) -> bool:
        try:
            lock.take()
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(taken, locks)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["lock.json"]
