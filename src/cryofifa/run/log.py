"""What a run tells its user: a log file with a line per epoch, warnings, and a progress bar."""

from __future__ import annotations

import contextlib
import io
import math
import sys
from datetime import datetime
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from cryofifa.system.atomic_file import unwritable
from cryofifa.train.epoch_record import EpochRecord


class RunLog:
    """Writes lines to a file, and to a stream if that is a terminal or the run is verbose; warnings go to both always.

    Args:
        path: the log file, to which a resumed run appends; its folder is made if absent. None writes no file, as in
            all processes but the first.
        verbose: show lines on a stream that is no terminal, too.
        stream: where a person reads; by default stderr.

    Raises:
        InputError: from the methods below, if the file cannot be written any more.
    """

    def __init__(self, path: Path | None, *, verbose: bool = False, stream: io.TextIOBase | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shows_lines = verbose or self._stream.isatty()
        self._warnings: list[str] = []
        self._file: io.TextIOWrapper | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # closed by close(); a name that is not valid UTF-8 must not end a run
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")

    @property
    def warnings(self) -> list[str]:
        """Every different warning so far, oldest first."""
        return list(self._warnings)

    def line(self, text: str) -> None:
        """Write one line about something that happened."""
        self._to_file(text)
        if self._shows_lines:
            self._to_stream(text)

    def warning(self, text: str) -> None:
        """Warn the user of something; the same warning is written only once."""
        if text in self._warnings:
            return
        self._warnings.append(text)
        self._to_file(f"warning: {text}")
        self._to_stream(f"warning: {text}")

    def epoch(self, record: EpochRecord) -> None:
        """Write the record of an epoch as one line."""
        self.line(epoch_line(record))

    def close(self) -> None:
        """Close the log file; nothing is written to it afterwards."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # closing tries once more to write what a full disk has not taken
                self._file.close()
            self._file = None

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _to_file(self, text: str) -> None:
        if self._file is not None:
            now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
            try:
                self._file.write(f"{now}  {text}\n")
                self._file.flush()
            except OSError as error:
                raise unwritable(Path(self._file.name), error) from error

    def _to_stream(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        # tqdm.write lifts a progress bar out of the way first
        tqdm.write(text.encode(encoding, "backslashreplace").decode(encoding), file=self._stream)


def epoch_line(record: EpochRecord) -> str:
    """The record of an epoch as one line for a person to read."""
    parts = [
        f"epoch {record.epoch} ({record.phase})",
        f"{record.particles} particles",
        f"{record.resolution_angstrom:.1f} Å",
        f"loss {record.loss:.4g}",
        f"encoder loss {record.encoder_loss:.4g}",
        f"pose change {_or_dash(record.pose_change_median_degree)}°",
        f"shift change {_or_dash(record.shift_change_median_angstrom)} Å",
        "winners " + " ".join(f"{origin} {share:.0%}" for origin, share in record.winner_shares.items()),
        f"particle radius {record.particle_radius_angstrom:.0f} Å",
        f"{record.seconds:.1f} s",
    ]
    return ", ".join(parts)


def _or_dash(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2f}"


class Progress:
    """A progress bar with phase, resolution, pose change and time left; it shows nothing where there is no terminal.

    Args:
        total: particle visits of the whole run: every particle counts in each epoch that it takes part in.
        done: visits that a resumed run has made before.
        stream: where the bar is shown; by default stderr.
    """

    def __init__(self, total: int, *, done: int = 0, stream: io.TextIOBase | None = None) -> None:
        shown_on = sys.stderr if stream is None else stream
        self._bar = tqdm(
            total=total,
            initial=done,
            file=shown_on,
            disable=not shown_on.isatty(),
            unit=" particles",
            unit_scale=True,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining} left, {rate_fmt}{postfix}",
        )

    def stage(
        self,
        name: str,
        resolution_angstrom: float | None = None,
        pose_change_median_degree: float | None = None,
    ) -> None:
        """Show what is being done now, at which resolution, and how far the poses moved in the epoch before.

        Numbers that are None or not finite are left out.
        """
        parts = [name]
        if resolution_angstrom is not None and math.isfinite(resolution_angstrom):
            parts.append(f"{resolution_angstrom:.1f} Å")
        if pose_change_median_degree is not None and math.isfinite(pose_change_median_degree):
            parts.append(f"poses move {pose_change_median_degree:.1f}°")
        self._bar.set_description_str(", ".join(parts))

    def expect(self, total: int) -> None:
        """Change the number of particle visits of the whole run, where it turns out to be longer or shorter."""
        self._bar.total = total

    def advance(self, particles: int) -> None:
        """Count this many more particle visits as done."""
        self._bar.update(particles)

    def close(self) -> None:
        """End the bar; it stays on the screen as it is."""
        self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
