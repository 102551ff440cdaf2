"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with the same suffixes, that takes its place when the block ends well.

    The block creates the file, as text or binary, by any means; if it fails, the temporary file is removed
    and whatever stood at `path` before is left untouched.  The folder must exist.
    """
    suffixes = "".join(path.suffixes[-2:])
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part{suffixes}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
