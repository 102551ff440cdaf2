"""Rows of a particle file: the list a user gives (`--ind`), and samples spread over all rows."""

import re
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from cryofifa.errors import InputError
from cryofifa.system.file_kind import LONGEST, other_kind

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
SEPARATORS = str.maketrans(",;[](){}\"'", " " * 10)
TRUTH = {"true": True, "false": False}
# what numpy raises for a damaged file, besides OSError
DAMAGED = (ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError, KeyError, NotImplementedError)
DAMAGED = (*DAMAGED, tokenize.TokenError, zipfile.BadZipFile, zlib.error, RecursionError, RuntimeError)


def evenly_spread(count: int, most: int) -> Int64[np.ndarray, " some"]:
    """At most `most` of the rows 0 .. count - 1, spread evenly from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def chosen_rows(rows_file: Path | None, n_particles: int) -> Int64[np.ndarray, " m"]:
    """The 0-based rows to use, in the order of the list; all rows when there is no list.

    rows_file: text, with numbers separated by blanks, commas or lines, comments after '#', and perhaps the title of its
        one column; or a flat array, .npy or the only one of an .npz. Numbers may be written as 3.0 or 3e0. One True or
        False per particle (also as 1 or 0, for more than two particles) is a mask.

    Raises:
        InputError: if the list cannot be read, is empty, or holds a non-integer, a row outside
            0..n_particles-1 or the same row twice.
    """
    if rows_file is None:
        return np.arange(n_particles, dtype=np.int64)
    rows = _rows_of(Path(rows_file), _read_numbers(Path(rows_file)), n_particles)
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
    return rows


def _rows_of(rows_file: Path, numbers: np.ndarray, n_particles: int) -> Int64[np.ndarray, " m"]:
    """The rows that a flat array stands for: rows themselves, or one True or False per particle."""
    if numbers.dtype.kind not in "iufb" or max(numbers.shape, default=1) != numbers.size:
        held = f"{numbers.dtype} of shape {numbers.shape}"
        raise InputError(f"{rows_file}: holds {held}; a flat list of 0-based rows is needed")
    numbers = numbers.reshape(-1)
    # rows cannot be listed twice, so zeros and ones alone are no rows
    if numbers.dtype.kind == "b" or (len(numbers) == n_particles > 2 and np.isin(numbers, (0, 1)).all()):
        if len(numbers) != n_particles:
            raise InputError(f"{rows_file}: a mask of {len(numbers)} values, but there are {n_particles} particles")
        return np.flatnonzero(numbers)
    broken = numbers != np.trunc(numbers) if numbers.dtype.kind == "f" else np.zeros(len(numbers), dtype=bool)
    if broken.any():
        raise InputError(f"{rows_file}: not a list of integers ({numbers[broken][0]:g} is in it); give 0-based rows")
    return np.clip(numbers, -1, 2**62).astype(np.int64)


def _read_numbers(rows_file: Path) -> np.ndarray:
    """The numbers of a row list, whatever its form is called."""
    try:
        with rows_file.open("rb") as file:
            first = file.read(LONGEST)
        if first.startswith(b"\x93NUMPY"):
            # mapped, so that a header that promises more than the file holds takes no memory
            return np.array(np.load(rows_file, mmap_mode="r", allow_pickle=False))
        if zipfile.is_zipfile(rows_file):
            return _only_array(rows_file)
        kind = other_kind(rows_file, first)
        if kind is None:
            return _text_numbers(rows_file, rows_file.read_bytes())
    except OSError as error:
        raise InputError(f"{rows_file}: the row list cannot be read ({error.strerror or error})") from error
    except DAMAGED as error:
        known = {"pickle": "it holds Python objects", "mmap length": "it is shorter than its header says"}
        reason = next((known[sign] for sign in known if sign in str(error)), " ".join(str(error).split()))
        raise InputError(
            f"{rows_file}: not a row list ({reason}); save the rows with numpy.save, or as text, one per line"
        ) from error
    if first[:1] == b"\x80":
        kind = (
            "is a Python pickle, which is never loaded, for it could run any code; where you trust it: python -c "
            f"\"import pickle, numpy; numpy.save('rows.npy', pickle.load(open('{rows_file}', 'rb')))\""
        )
    raise InputError(f"{rows_file}: no row list: it {kind}")


def _only_array(rows_file: Path) -> np.ndarray:
    with np.load(rows_file, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"it holds {len(arrays.files)} arrays: {', '.join(arrays.files[:5])}")
        return np.array(arrays[arrays.files[0]])


def _text_numbers(rows_file: Path, content: bytes) -> np.ndarray:
    """The numbers of a text, or its words True and False."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = [line.split("#", 1)[0].translate(SEPARATORS).split() for line in content.decode(encoding).splitlines()]
    lines = [line for line in lines if line]
    # the title of a table's one column; pandas writes one even for a list
    if len(lines) > 1 and len(lines[0]) == 1 and set(map(len, lines)) == {1} and not NUMBER.fullmatch(lines[0][0]):
        lines = lines[0 if lines[0][0].lower() in TRUTH else 1 :]
    words = [word for line in lines for word in line]
    if words and all(word.lower() in TRUTH for word in words):
        return np.array([TRUTH[word.lower()] for word in words])
    wrong = next((word for word in words if not NUMBER.fullmatch(word)), None)
    if wrong is not None:
        raise InputError(f"{rows_file}: not a list of integers ('{wrong}' is in it); give 0-based rows")
    whole = all(word.lstrip("+-").isdigit() for word in words)
    # numbers of more digits than a row has overflow, which the limits of rows then name
    return np.array([min(int(word), 2**62) for word in words] if whole else [float(word) for word in words])
