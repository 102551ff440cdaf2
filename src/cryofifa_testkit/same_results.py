"""Whether two runs have the same results, bit for bit."""

import re
from collections.abc import Iterable
from pathlib import Path

MRC_HEADER_BYTES = 1024
IMAGE_NAME = re.compile(rb"(\d+@)(\S+)")


def differing(run: Path, other: Path, names: Iterable[str]) -> list[str]:
    """Which of these MRC and STAR files differ beyond their headers, which say when they were written.

    Images are the same where their names, which hold from each folder, lead to the same files.

    Args:
        run, other: the folders of the two runs.
        names: of the files in both.
    """
    return [name for name in names if _without_header(run / name) != _without_header(other / name)]


def _without_header(path: Path) -> bytes:
    whole = path.read_bytes()
    if path.suffix == ".mrc":
        return whole[MRC_HEADER_BYTES:]
    return IMAGE_NAME.sub(lambda name: _from_everywhere(path, name), whole[whole.index(b"data_optics") :])


def _from_everywhere(path: Path, name: re.Match[bytes]) -> bytes:
    return name[1] + str((path.parent / name[2].decode()).resolve()).encode()
