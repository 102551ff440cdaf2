"""A cryoSPARC .cs file as it is: a numpy structured array, one record per particle, read without pickle."""

import tokenize
import zipfile
from pathlib import Path

import numpy as np

from cryofifa.errors import InputError
from cryofifa.system.file_kind import other_kind_of_file

# What numpy raises for a damaged header, besides OSError.
DAMAGED = (
    *(ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError),
    *(tokenize.TokenError, zipfile.BadZipFile),
)
LARGEST_HEADER = 100_000  # characters of field names; numpy's own limit of 10,000 is too small for some jobs


def read_cs_records(path: Path) -> np.ndarray:
    """The whole .cs file as a structured array of at least one particle."""
    try:
        # Mapped first, so that a header that promises more than the file holds is refused before memory is taken.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False, max_header_size=LARGEST_HEADER)
        if not isinstance(mapped, np.memmap) or mapped.dtype.names is None or mapped.ndim != 1:
            raise ValueError("no table inside")
        if "" in mapped.dtype.names:
            raise ValueError("a field without a name")
        if mapped.offset + mapped.nbytes != path.stat().st_size:
            raise ValueError("its length is not what its header says")
        records = np.array(mapped)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except DAMAGED as error:
        kind = other_kind_of_file(path)
        if kind is not None and not kind.startswith("is a numpy"):
            raise InputError(f"{path}: no cryoSPARC .cs file: it {kind}") from error
        # for a file that is no .npy at all, numpy's message suggests to load it as a pickle
        reason = "no numpy file" if "pickle" in str(error) else " ".join(str(error).split())
        raise InputError(f"{path}: not a cryoSPARC .cs file ({reason}); export the particles again") from error
    if len(records) == 0:
        raise InputError(f"{path}: has no particles")
    return records
