"""Damages MRC stacks and maps: words of the header, pixels that are no numbers."""

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from cryofifa_testkit.damaged_files.damage import ANY_FILE, ODD_FLOATS, Mutation, drawn

ODD_WORDS = (0, 1, 2, 3, 4, 5, 12, 127, 128, 255, 401, -1, -128, 2**16, 2**24, 2**24 - 1, 2**31 - 1, -(2**31), 10**9)
SIZE_WORDS = ("nx", "ny", "nz", "mode", "mapc", "mapr", "maps", "nsymbt", "mx", "my", "mz", "ispg")


def changed_mrc_header(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three words of the header set to extremes, or the byte order of the header alone turned."""
    raw = bytearray(content)
    if len(raw) < HEADER_DTYPE.itemsize:
        return content
    header = np.frombuffer(raw, dtype=HEADER_DTYPE, count=1)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.7:
            header[drawn(rng, SIZE_WORDS)] = drawn(rng, ODD_WORDS)
        elif rng.random() < 0.5:
            header["cella"][drawn(rng, "xyz")] = drawn(rng, ODD_FLOATS)
        elif rng.random() < 0.5:
            header["machst"] = drawn(rng, ((0x11, 0x11, 0, 0), (0x44, 0x44, 0, 0), (9, 9, 9, 9)))
        else:
            header["map"] = drawn(rng, (b"", b"MAP ", b"\xff\xff\xff\xff"))
    if rng.random() < 0.1:
        header[:] = header.byteswap()
    return bytes(raw)


def odd_pixels(rng: np.random.Generator, content: bytes) -> bytes:
    """Bytes that are NaN, infinity or the largest integer in every mode."""
    if len(content) <= HEADER_DTYPE.itemsize:
        return content
    where = int(rng.integers(HEADER_DTYPE.itemsize, len(content))) // 4 * 4
    return (
        content[:where]
        + drawn(rng, (b"\xff\xff\xff\x7f", b"\x00\x00\x80\x7f", b"\x00\x7c\x00\x7c"))
        + content[where + 4 :]
    )


MRC: tuple[Mutation, ...] = (*ANY_FILE, odd_pixels, *(changed_mrc_header,) * 5)
