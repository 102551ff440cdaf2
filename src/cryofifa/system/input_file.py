"""What a user gives as a file is one: no device that never ends, and no more than memory has room for."""

from __future__ import annotations

import stat
from pathlib import Path

from cryofifa.errors import InputError
from cryofifa.system.memory import check_room


def check_input_file(path: Path, *, bytes_per_byte: float = 1.0) -> None:
    """Check a file that will be read as a whole; one that is absent is left to its reader, which knows what it is.

    bytes_per_byte: memory that reading takes for each byte of the file.

    Raises:
        InputError: if it is a device or a socket, which may never end, or memory has no room for it.
    """
    try:
        state = path.stat()
    except OSError:
        return
    if stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode) or stat.S_ISSOCK(state.st_mode):
        raise InputError(f"{path}: is a device, not a file; check the name that was given")
    if stat.S_ISREG(state.st_mode):
        check_room(bytes_per_byte * state.st_size, f"{path}: reading this file")
