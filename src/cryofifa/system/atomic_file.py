"""Files that appear whole or not at all, whatever happens while they are written."""

import math
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryofifa.errors import InputError

PART = re.compile(r"\.(?P<of>.+)\.[0-9a-f]{8}\.part(\..+)?")  # names of temporary files; `of` is the final name

ABANDONED_SECONDS = 3600.0  # a half-written file that has not grown for so long: its process was killed


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with the same suffixes, which replaces `path` when the block ends well.

    The block creates the file, as text or binary, by any means; if it fails, the temporary file is removed and whatever
    stood at `path` before is left untouched.  The folder must exist.

    Raises:
        InputError: if the disk is full or the folder cannot be written.
    """
    temporary = part_beside(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # some file systems report a full disk only now
        os.replace(temporary, path)
        with suppress(OSError):  # what a killed program left of this very file
            remove_parts(path.parent, re.compile(re.escape(path.name[:100])), time.time() - ABANDONED_SECONDS)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            raise unwritable(path, error) from error
        raise


def part_beside(path: Path) -> Path:
    """A new name for a temporary file in the same folder, by which `remove_parts` knows it, with the same suffixes."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part{''.join(path.suffixes[-2:])}")


def unwritable(path: Path, error: Exception) -> InputError:
    """The error that says why a file cannot be written, and what to do about it."""
    reason = getattr(error, "strerror", None) or error
    return InputError(
        f"{path}: cannot be written ({reason}); make room or allow writing there, or choose another place"
    )


def remove_parts(folder: Path, of: re.Pattern[str] | None = None, written_before: float = math.inf) -> None:
    """Remove the temporary files that a process left in the folder when it was killed while writing.

    of: which final names to look for; any, by default.
    written_before: time in seconds since 1970; younger files may still be in use by another process and stay.
    """
    for path in folder.iterdir():
        part = PART.fullmatch(path.name)
        if part and (of is None or of.fullmatch(part["of"])):
            with suppress(FileNotFoundError):  # another process removes them too
                if path.stat().st_mtime < written_before:
                    path.unlink()
