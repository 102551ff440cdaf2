"""Whether two runs have the same results, bit for bit."""

import re
from collections.abc import Iterable
from pathlib import Path

MRC_HEADER_BYTES = 1024
WAY_TO_STACK = re.compile(rb"(\d+@)\S*/")


def differing(run: Path, other: Path, names: Iterable[str]) -> list[str]:
    """Which of these MRC and STAR files differ beyond their headers, which say when they were written.

    Names of images hold from each folder, so stacks are the same where their own names are, without the way to them.

    Args:
        run, other: the folders of the two runs.
        names: of the files in both.
    """
    return [name for name in names if _without_header(run / name) != _without_header(other / name)]


def _without_header(path: Path) -> bytes:
    whole = path.read_bytes()
    if path.suffix == ".mrc":
        return whole[MRC_HEADER_BYTES:]
    return WAY_TO_STACK.sub(rb"\1", whole[whole.index(b"data_optics") :])
