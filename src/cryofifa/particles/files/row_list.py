"""Rows of a particle file: the list a user gives (`--ind`), and samples spread over all rows."""

from pathlib import Path

import numpy as np
from jaxtyping import Int64

from cryofifa.errors import InputError


def evenly_spread(count: int, most: int) -> Int64[np.ndarray, " some"]:
    """At most `most` of the rows 0 .. count - 1, spread evenly from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def chosen_rows(rows_file: Path | None, n_particles: int) -> Int64[np.ndarray, " m"]:
    """The 0-based rows to use, in the order of the list; all rows when there is no list.

    rows_file: text (numbers separated by white space, comments after '#') or a flat .npy array of integers.

    Raises:
        InputError: if the list cannot be read, is empty, or holds a non-integer, a row outside
            0..n_particles-1 or the same row twice.
    """
    if rows_file is None:
        return np.arange(n_particles, dtype=np.int64)
    rows = _read_integers(Path(rows_file))
    if rows.size == 0:
        raise InputError(f"{rows_file}: the row list is empty; give at least one 0-based row")
    outside = (rows < 0) | (rows >= n_particles)
    if outside.any():
        raise InputError(
            f"{rows_file}: row {rows[outside][0]} does not exist; "
            f"rows are counted from 0 and the particle file ends with row {n_particles - 1}"
        )
    values, counts = np.unique(rows, return_counts=True)
    if len(values) != len(rows):
        raise InputError(f"{rows_file}: row {values[counts > 1][0]} is listed twice; list every row once")
    return rows.astype(np.int64)


def _read_integers(rows_file: Path) -> np.ndarray:
    try:
        if rows_file.suffix == ".npy":
            rows = np.load(rows_file, allow_pickle=False)
            if rows.dtype.kind not in "iu" or rows.ndim != 1:
                raise InputError(
                    f"{rows_file}: holds {rows.dtype} of shape {rows.shape}; a flat list of integers is needed"
                )
            return rows
        text = rows_file.read_text(encoding="utf-8")
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{rows_file}: the row list cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(
            f"{rows_file}: neither text nor a plain .npy array ({error}); pickles are refused, "
            "save the rows with numpy.save or as text"
        ) from error
    words = " ".join(line.split("#", 1)[0] for line in text.splitlines()).split()
    try:
        return np.array([int(word) for word in words], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{rows_file}: not a list of integers ({error}); give 0-based rows") from error
