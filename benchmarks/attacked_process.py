"""One command of the program in a process of its own, forked from one that has all imported: it begins at once."""

import contextlib
import encodings.utf_8_sig  # noqa: F401 - a process that may open few files cannot import it any more
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from cryofifa.cli import main

LONGEST_SECONDS = 120.0
ESCAPED = 99  # exit code for what no command ends with


@dataclass(frozen=True)
class Ended:
    """How a command has ended: its exit code, or the signal that killed it as a negative number, and what it said."""

    code: int
    errors: str

    def fault(self, *codes: int) -> str:
        """What is wrong with this end: another exit code, or not one line where it fails; empty if nothing is."""
        lines = [line for line in self.errors.strip().splitlines() if not line.startswith("warning: ")]
        if self.code not in codes:
            return f"exit code {self.code}: {' / '.join(lines[-2:])[:300]}"
        if "Traceback" in self.errors or "Warning:" in self.errors or len(lines) > 1:
            return f"more than a line: {' / '.join(lines[-3:])[:300]}"
        if self.code == 2 and not lines:
            return "exit code 2 without a word"
        return ""


@dataclass
class Running:
    """A command that runs."""

    process: int
    _said: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)

    def wait(self, seconds: float = LONGEST_SECONDS) -> Ended:
        """Wait for the end; what does not end is killed, and that is its exit code."""
        deadline = time.monotonic() + seconds
        while True:
            found, status = os.waitpid(self.process, os.WNOHANG)
            if found:
                break
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
            time.sleep(0.005)
        self._said.seek(0)
        return Ended(os.waitstatus_to_exitcode(status), self._said.read().decode(errors="replace"))


def started(words: list[str], before: Callable[[], object] = lambda: None) -> Running:
    """Start a command; before: called in its process first, to limit or to patch it."""
    said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
    process = os.fork()
    if process:
        return Running(process, said)
    code = ESCAPED
    try:
        os.dup2(said.fileno(), 2)
        sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), line_buffering=True)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        before()
        code = main(words)
    except SystemExit as error:  # of argparse
        code = error.code if isinstance(error.code, int) else ESCAPED
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stderr.flush()
        os._exit(code)
