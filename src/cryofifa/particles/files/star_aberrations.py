"""Aberrations of a STAR file beyond defocus, astigmatism and Cs, and anisotropic magnification."""

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
LARGEST_DISTORTION = 0.2  # of a magnification matrix, from the identity: microscopes have a few per cent


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


def zernike_coefficients(
    star: StarBlocks, label: str, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, "m coefficients"]:
    """The coefficients of data_optics per particle; no columns if there are none.

    Lists of different lengths are filled up with 0.

    label: rlnOddZernike or rlnEvenZernike.

    Raises:
        InputError: if a cell is no list of finite numbers.
    """
    if star.optics is None or optics_rows is None or label not in star.optics.columns:
        return np.zeros((len(rows), 0))
    used, back = np.unique(optics_rows, return_inverse=True)
    lists = []
    for row in used:
        cell = star.optics[label].iloc[row]
        lists.append(_numbers_of_cell(cell))
        if not np.isfinite(lists[-1]).all():
            raise InputError(
                f"{star.path}: data_optics row {row} (counted from 0): {label} is '{cell}', "
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


def magnification_matrices(
    star: StarBlocks, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, "m 2 2"] | None:
    """The matrix rlnMagMat00 to 11 of every particle; None where none has any effect.

    Raises:
        InputError: if a cell is no finite number, or a matrix is far from the identity.
    """
    if first_aberration(star, [label for label in NEUTRAL if label.startswith("rlnMagMat")]) is None:
        return None
    entries = []
    for label in ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11"):
        there = any(label in table.columns for table in _tables(star))
        entries.append(optics_numbers(star, label, optics_rows, rows) if there else np.full(len(rows), NEUTRAL[label]))
    matrix = np.stack(entries, axis=1).reshape(-1, 2, 2)
    wrong = np.flatnonzero(np.abs(matrix - np.eye(2)).max(axis=(1, 2)) > LARGEST_DISTORTION)
    if wrong.size:
        raise InputError(
            f"{star.path}: particle row {rows[wrong[0]]} (counted from 0): the magnification matrix "
            f"{matrix[wrong[0]].tolist()} is no small distortion; correct rlnMagMat00 to rlnMagMat11"
        )
    return matrix


def _tables(star: StarBlocks) -> list[pd.DataFrame]:
    return [star.particles] if star.optics is None else [star.optics, star.particles]


def _numbers_of_cell(cell: object) -> list[float]:
    """The numbers of a cell like '0.1' or '[0.1,-0.2]'; NaN if it cannot be read."""
    try:
        return [float(part) for part in str(cell).strip("[] ").split(",") if part.strip()]
    except ValueError:
        return [float("nan")]
