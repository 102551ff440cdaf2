"""Aberrations beyond the CTF in a STAR file: those that are taken out of the images, and those that are not."""

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from cryofifa.errors import InputError
from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.particles.files.star_columns import optics_numbers

# The value of each column that means "no aberration".
NEUTRAL = {
    "rlnBeamTiltX": 0.0,
    "rlnBeamTiltY": 0.0,
    "rlnOddZernike": 0.0,
    "rlnEvenZernike": 0.0,
    "rlnMagMat00": 1.0,
    "rlnMagMat01": 0.0,
    "rlnMagMat10": 0.0,
    "rlnMagMat11": 1.0,
}
NOT_APPLIED = ("rlnEvenZernike", "rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")


def beam_tilt_milliradian(
    star: StarBlocks, axis: str, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    """Beam tilt along X or Y per particle, in milliradians; 0 where the file has none.

    axis: "X" or "Y".

    Raises:
        InputError: if a cell is no finite number.
    """
    label = f"rlnBeamTilt{axis}"
    if not any(label in table.columns for table in _tables(star)):
        return np.zeros(len(rows))
    return optics_numbers(star, label, optics_rows, rows)


def odd_zernike(
    star: StarBlocks, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, "m coefficients"]:
    """The coefficients rlnOddZernike of data_optics per particle; no columns if there are none.

    Lists of different lengths are filled up with 0.

    Raises:
        InputError: if a cell is no list of finite numbers.
    """
    if star.optics is None or optics_rows is None or "rlnOddZernike" not in star.optics.columns:
        return np.zeros((len(rows), 0))
    used, back = np.unique(optics_rows, return_inverse=True)
    lists = []
    for row in used:
        cell = star.optics["rlnOddZernike"].iloc[row]
        lists.append(_numbers_of_cell(cell))
        if not np.isfinite(lists[-1]).all():
            raise InputError(
                f"{star.path}: data_optics row {row} (counted from 0): rlnOddZernike is '{cell}', "
                "not a list of numbers like [0.1,-0.2]; correct the row"
            )
    coefficients = np.zeros((len(used), max(len(values) for values in lists)))
    for filled, values in zip(coefficients, lists, strict=True):
        filled[: len(values)] = values
    return coefficients[back]


def first_aberration(star: StarBlocks, labels: Iterable[str]) -> str | None:
    """The first of these labels for which the file has a value other than "no aberration"; None if there is none."""
    for label in labels:
        cells = [cell for table in _tables(star) if label in table.columns for cell in table[label].unique()]
        if any(value != NEUTRAL[label] for cell in cells for value in _numbers_of_cell(cell)):
            return label
    return None


def warn_of_unapplied(star: StarBlocks) -> None:
    """Warn once if the file has an aberration that is not taken into account."""
    label = first_aberration(star, NOT_APPLIED)
    if label is not None:
        warnings.warn(f"{star.path}: {label} is not applied; it limits the finest resolutions", stacklevel=3)


def _tables(star: StarBlocks) -> list[pd.DataFrame]:
    return [star.particles] if star.optics is None else [star.optics, star.particles]


def _numbers_of_cell(cell: object) -> list[float]:
    """The numbers of a cell like '0.1' or '[0.1,-0.2]'; NaN if it cannot be read."""
    try:
        return [float(part) for part in str(cell).strip("[] ").split(",") if part.strip()]
    except ValueError:
        return [float("nan")]
