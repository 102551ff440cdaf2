"""Signals that ask a run to stop: it ends after the step it is in, with a checkpoint.

SIGTERM (kill, a batch system's end), SIGUSR1 (Slurm's `--signal=USR1@300`, before the time limit) and SIGINT (Ctrl-C).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within the block these signals go to `handler`, afterwards to what they went to before. Main thread only."""
    before = {one: signal.signal(one, handler) for one in SIGNALS}
    try:
        yield
    finally:
        for one, earlier in before.items():
            signal.signal(one, earlier)


class StopSignals:
    """Notes whether a signal to stop has arrived.

    came: the last one that arrived, None before.
    """

    def __init__(self) -> None:
        self.came: signal.Signals | None = None

    def stop(self) -> bool:
        """Whether a signal has asked this process to stop."""
        return self.came is not None

    def caught(self) -> AbstractContextManager[None]:
        """Catch the signals within the block; a second Ctrl-C ends the program at once. Main thread only."""
        return handled_by(self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.came = signal.Signals(number)
