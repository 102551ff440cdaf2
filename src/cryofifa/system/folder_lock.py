"""One process at a time works in a folder: a file says which one, and a file that a dead process left is recognised.

The lock is a file that appears whole (a hard link, which NFS makes or does not make, too), with the machine, the
process and when that began. A process of the same machine is asked for. Of another machine only the file's age is seen:
its holder renews it every `BEAT_SECONDS`, and one that is not renewed for `SILENT_SECONDS` is given up. Ages are
differences of two times of the same file server, so that clocks need not agree. The kernel's own locks are not used:
shared file systems often have none, or one that holds on each machine alone.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import psutil

from cryofifa.errors import InputError, Stopped
from cryofifa.system.atomic_file import part_beside, unwritable

NAME = "lock.json"
BEAT_SECONDS = 20.0
SILENT_SECONDS = 90.0  # longer than the caches of a shared file system hide a beat: 60 s on NFS by default
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Holder:
    """Who holds a folder.

    place: the machine, since it was started, and the container, if any: within it process numbers mean one process.
    host: the machine's name, for people.
    process: its number.
    began: when the process began, as its machine counts, so that a number that was given again is told apart.
    since: date and time when the folder was taken, for people.
    mark: tells two locks of one process apart.
    """

    place: str
    host: str
    process: int
    began: str
    since: str
    mark: str

    @classmethod
    def here(cls) -> Holder:
        """This process, now."""
        process = os.getpid()
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(_place(), platform.node(), process, _began(process) or "", now, secrets.token_hex(8))

    @property
    def lives(self) -> bool | None:
        """Whether the process still exists; None if that cannot be seen from here."""
        return _began(self.process) == self.began if self.place == _place() else None

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


class FolderLock:
    """The lock of one folder, taken by `take`, and given back when the block of its `with` ends.

    Args:
        folder: the folder.
        stop: asked while waiting; when it says yes, the wait ends.
        say: is given one line when there is something to wait for; by default it goes to stderr.
    """

    def __init__(
        self, folder: Path, stop: Callable[[], bool] | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        self.path = folder / NAME
        self._folder, self._stop, self._say = folder, stop, say or _to_stderr
        self._text: str | None = None  # what the file says while it is ours
        self._checked = 0.0  # when it was last seen to say so
        self._ended = threading.Event()

    def take(self) -> FolderLock:
        """Take the folder, which is made if absent, and return this lock; nothing happens if it is held already.

        Raises:
            InputError: if another process works in the folder, or it cannot be written.
            Stopped: if asked to stop while waiting.
        """
        if self._text is not None:
            return self
        text = json.dumps(asdict(Holder.here()))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._wait_for(text)
        except OSError as error:
            raise unwritable(self._folder, error) from None
        self._text = text
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def check(self) -> None:
        """Check that the folder is still held, once a second at most; does nothing where it was never taken.

        Raises:
            InputError: if another process has taken it, as after a pause of this one.
        """
        if self._text is None or time.monotonic() - self._checked < LOOK_SECONDS:
            return
        self._checked = time.monotonic()
        with suppress(OSError):  # a file server that does not answer now is no other process
            found = _looked_at(self.path)
            if found is None and self._made(self._text) is None:
                return  # the file was deleted by hand
            if found is not None and found.text != self._text:
                raise InputError(f"{self._folder}: was taken over by {found}, as this run had paused; it ends here")

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._text is not None:
            with suppress(OSError):
                found = _looked_at(self.path)
                if found is not None and found.text == self._text:
                    self.path.unlink()
            self._text = None

    def _wait_for(self, text: str) -> None:
        """Make the lock file, once no other process holds it."""
        first: _Look | None = None
        since = time.monotonic()
        while (now := self._made(text)) is not None:
            found = _looked_at(self.path)
            if found is None:  # given back at this moment
                continue
            lives = found.holder.lives if found.holder is not None else None
            if lives or (first is not None and (found.text, found.renewed) != (first.text, first.renewed)):
                raise InputError(
                    f"{self._folder}: another cryofifa works in this folder ({found}); wait for its end, or choose "
                    "another folder with -o"
                )
            silent = max(now - found.renewed, time.monotonic() - since if first is not None else 0)
            if lives is False or silent > SILENT_SECONDS:
                self._remove(found)
                first = None
                continue
            if first is None:
                first, since = found, time.monotonic()
                self._say(f"{self._folder}: held by {found}; waits for a sign of life, {SILENT_SECONDS:g} s at most")
            if self._stop is not None and self._stop():
                raise Stopped
            time.sleep(LOOK_SECONDS)

    def _made(self, text: str) -> float | None:
        """Make the lock file; returns None, or, where there is one already, the time by the file server's clock."""
        own = part_beside(self.path)
        try:
            with own.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                with suppress(OSError):  # what counts is whether the link is there: an answer may be lost
                    os.link(own, self.path)
                state = os.fstat(file.fileno())
            if state.st_nlink == 2:
                return None
            if not self.path.exists():  # a file system without links
                with suppress(FileExistsError), self.path.open("x", encoding="utf-8") as file:
                    file.write(text)
                    return None
            return state.st_mtime
        finally:
            own.unlink(missing_ok=True)

    def _remove(self, dead: _Look) -> None:
        """Remove a lock that was given up, but not one that another process has put in its place by now."""
        aside = part_beside(self.path)
        with suppress(FileNotFoundError):
            os.rename(self.path, aside)
            if aside.read_text(encoding="utf-8", errors="replace") != dead.text:
                with suppress(FileExistsError):
                    os.link(aside, self.path)
            aside.unlink()

    def _beat(self) -> None:
        """Renew the file's time as long as it is held."""
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError):
                found = _looked_at(self.path)
                if found is not None and found.text == self._text:
                    os.utime(self.path)


@dataclass(frozen=True)
class _Look:
    """A lock file as it was found: its text, who it says holds the folder, and when it was renewed."""

    text: str
    holder: Holder | None  # None if that cannot be read
    renewed: float  # by the file server's clock, in seconds

    def __str__(self) -> str:
        return f"an unknown process ({NAME} cannot be read)" if self.holder is None else str(self.holder)


def _looked_at(path: Path) -> _Look | None:
    """The lock file, None if there is none; it is opened, for then a shared file system asks its server."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text, renewed = file.read(10_000), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    holder = None
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        values = json.loads(text)
        holder = Holder(**values | {"process": int(values["process"])})
    return _Look(text, holder, renewed)


def _to_stderr(line: str) -> None:
    print(InputError(line), file=sys.stderr, flush=True)


def _place() -> str:
    """This machine since it was started, and this container: a process number means one process within it."""
    found = [platform.node()]
    with suppress(OSError):  # Linux only
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        found.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(found)


def _began(process: int) -> str | None:
    """When a process of this machine began; None if there is none, or only what is left of one that has ended."""
    if Path("/proc/self/stat").exists():
        try:
            # "number (name) state ...": a name may hold anything
            state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if state[0] in (b"Z", b"X") else state[19].decode()  # ticks since the machine was started
    with suppress(psutil.Error):
        return f"{psutil.Process(process).create_time():.0f}"
    return None
