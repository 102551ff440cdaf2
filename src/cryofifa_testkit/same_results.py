"""Whether two runs have the same results, bit for bit."""

from collections.abc import Iterable
from pathlib import Path

MRC_HEADER_BYTES = 1024


def differing(run: Path, other: Path, names: Iterable[str]) -> list[str]:
    """Which of these MRC and STAR files differ beyond their headers, which say when they were written.

    Args:
        run, other: the folders of the two runs.
        names: of the files in both.
    """
    return [name for name in names if _without_header(run / name) != _without_header(other / name)]


def _without_header(path: Path) -> bytes:
    whole = path.read_bytes()
    return whole[MRC_HEADER_BYTES if path.suffix == ".mrc" else whole.index(b"data_optics") :]
