"""Checks on a column of numbers; each error names the file and the first wrong row, counted from 0."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from cryofifa.errors import InputError


def finite_numbers(
    path: Path, label: str, column: pd.Series, rows: np.ndarray, what: str = "particle row"
) -> Float64[np.ndarray, " m"]:
    """The cells of one column, text or numbers, as float64.

    rows: the row in the file of every cell, for the message; `what` says what these rows are.

    Raises:
        InputError: naming the first row whose cell is not a finite number.
    """
    values = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise InputError(
            f"{path}: {what} {rows[bad[0]]} (counted from 0): {label} is '{column.iloc[bad[0]]}', "
            "not a finite number; correct the row or leave it out with --ind"
        )
    return values


def check_positive(path: Path, label: str, values: np.ndarray, rows: np.ndarray) -> None:
    """Raise InputError naming the first row whose value is not positive and finite."""
    _check(path, label, values, rows, np.isfinite(values) & (values > 0), "it must be positive")


def check_fraction(path: Path, label: str, values: np.ndarray, rows: np.ndarray) -> None:
    """Raise InputError naming the first row whose value is not from 0 to 1."""
    _check(path, label, values, rows, (values >= 0) & (values <= 1), "it must be a fraction from 0 to 1")


def check_index(path: Path, label: str, values: np.ndarray, rows: np.ndarray) -> None:
    """Raise InputError naming the first row whose value is not a whole number from 0, as a 0-based index is."""
    good = (values >= 0) & (values < 1e9) & (values % 1 == 0)
    _check(path, label, values, rows, good, "it must be a whole number, counted from 0")


def check_one_of(path: Path, label: str, values: np.ndarray, rows: np.ndarray, allowed: tuple[int, ...]) -> None:
    """Raise InputError naming the first row whose value is none of `allowed`."""
    _check(path, label, values, rows, np.isin(values, allowed), f"it must be one of {allowed}")


def _check(path: Path, label: str, values: np.ndarray, rows: np.ndarray, good: np.ndarray, rule: str) -> None:
    """Raise InputError naming the first row that is not good, and the rule it breaks."""
    bad = np.flatnonzero(~good)
    if bad.size:
        raise InputError(
            f"{path}: particle row {rows[bad[0]]} (counted from 0): {label} is {values[bad[0]]:g}; "
            f"{rule}: correct the file"
        )
