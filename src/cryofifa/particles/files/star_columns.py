"""Columns of a STAR file as numbers, for each particle or for the optics group it is in."""

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from cryofifa.errors import InputError
from cryofifa.particles.files.given_optics import option_for
from cryofifa.particles.files.number_checks import check_one_of, check_positive, finite_numbers
from cryofifa.particles.files.star_blocks import WHAT_TO_DO, StarBlocks
from cryofifa.particles.files.table import PHASE_FLIPPED, PREMULTIPLIED

# Columns of a STAR 3.0 particle block that describe the optics: they move to data_optics.
OPTICS_LABELS_STAR30 = (
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnImagePixelSize",
    "rlnPixelSize",
    "rlnDetectorPixelSize",
    "rlnMagnification",
    "rlnBeamTiltX",
    "rlnBeamTiltY",
)


# The score as it is, NaN where it is not known; RELION keeps labels that it does not know.
SCORE_LABEL = "cryofifaScore"
# The same for RELION, which selects by its own labels only (relion_star_handler --select); an unknown score is 0 here,
# what no particle at all would have, because RELION's limits let NaN pass.
SELECTION_LABEL = "rlnParticleFigureOfMerit"


def numbers(
    star: StarBlocks, label: str, rows: Int64[np.ndarray, " m"], default: float | None = None
) -> Float64[np.ndarray, " m"]:
    """A column of the particle block as finite numbers, at these 0-based rows of the file.

    default: the value of every row where the file has no such column.

    Raises:
        InputError: if the column is missing and has no default, or a cell is no finite number.
    """
    if label not in star.particles.columns:
        if default is None:
            raise InputError(f"{star.path}: column {label} is missing; {WHAT_TO_DO}")
        return np.full(len(rows), default)
    return finite_numbers(star.path, label, star.particles.loc[:, label].iloc[rows], rows)


def optics_numbers(
    star: StarBlocks, label: str, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    """A quantity of the optics, per particle: from data_optics where that has it, else from the particle block.

    optics_rows: row of data_optics of each particle (`optics_rows_of_particles`).

    Raises:
        InputError: if neither has it (no value is ever assumed), or a cell is no finite number.
    """
    if star.optics is None or optics_rows is None or label not in star.optics.columns:
        if label in star.particles.columns:
            return numbers(star, label, rows)
        if star.optics is None and "rlnOpticsGroup" in star.particles.columns:
            raise InputError(
                f"{star.path}: there is no data_optics, which rlnOpticsGroup points to, and no column {label}; "
                "export the particles again"
            )
        where = "data_optics and data_particles" if star.optics is not None else "the particle table"
        what_to_do = WHAT_TO_DO + option_for(label)
        raise InputError(f"{star.path}: column {label} is missing in {where}; {what_to_do}: it is never assumed")
    used, back = np.unique(optics_rows, return_inverse=True)
    column = star.optics.loc[:, label].iloc[used]
    return finite_numbers(star.path, label, column, used, "data_optics row")[back]


def applied_ctf(
    star: StarBlocks, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Int64[np.ndarray, " m"] | None:
    """What the images were multiplied by (see `ParticleTable`), from rlnCtfDataArePhaseFlipped and its like.

    An image that was multiplied by its CTF has right phases, whether its phases had been flipped before or not.

    Raises:
        InputError: if a cell is neither 0 nor 1.
    """
    applied = np.zeros(len(rows), dtype=np.int64)
    flags = {"rlnCtfDataArePhaseFlipped": PHASE_FLIPPED, "rlnCtfDataAreCtfPremultiplied": PREMULTIPLIED}
    for label, kind in flags.items():
        if any(label in table.columns for table in (star.particles, star.optics) if table is not None):
            values = optics_numbers(star, label, optics_rows, rows)
            check_one_of(star.path, label, values, rows, (0, 1))
            applied[values == 1] = kind
    return applied if applied.any() else None


def optics_rows_of_particles(star: StarBlocks, rows: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"] | None:
    """The row of data_optics of each particle, whatever the group's number; None without an optics block.

    Raises:
        InputError: if a particle names a group that data_optics lacks, or groups cannot be told apart.
    """
    if star.optics is None:
        return None
    if "rlnOpticsGroup" not in star.particles.columns and len(star.optics) == 1:
        return np.zeros(len(rows), dtype=np.int64)
    if "rlnOpticsGroup" not in star.optics.columns:
        raise InputError(f"{star.path}: column rlnOpticsGroup is missing in data_optics; {WHAT_TO_DO}")
    all_groups = np.arange(len(star.optics))
    column = star.optics.loc[:, "rlnOpticsGroup"]
    groups = finite_numbers(star.path, "rlnOpticsGroup", column, all_groups, "data_optics row")
    index = pd.Index(groups)
    if index.has_duplicates:
        raise InputError(f"{star.path}: data_optics lists an rlnOpticsGroup twice; give each group its number")
    wanted = numbers(star, "rlnOpticsGroup", rows)
    optics_rows = index.get_indexer(pd.Index(wanted)).astype(np.int64)
    lost = np.flatnonzero(optics_rows < 0)
    if lost.size:
        raise InputError(
            f"{star.path}: particle row {rows[lost[0]]} (counted from 0) is in optics group "
            f"{wanted[lost[0]]:g}, which data_optics lacks; add the group"
        )
    return optics_rows


def pixel_size_angstrom(
    star: StarBlocks, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    """Pixel size of the images per particle: rlnImagePixelSize, else rlnPixelSize, else detector pixel / magnification.

    STAR 3.0 gives the detector's pixel in micrometres: 1e4 * rlnDetectorPixelSize / rlnMagnification.

    Raises:
        InputError: if none of these is there, or a value is not positive.
    """
    optics_labels = set() if star.optics is None else set(star.optics.columns)
    labels = optics_labels | set(star.particles.columns)
    direct = next((label for label in ("rlnImagePixelSize", "rlnPixelSize") if label in labels), None)
    if direct is not None:
        pixel_size = optics_numbers(star, direct, optics_rows, rows)
    elif {"rlnDetectorPixelSize", "rlnMagnification"} <= labels:
        detector_micrometre = optics_numbers(star, "rlnDetectorPixelSize", optics_rows, rows)
        magnification = optics_numbers(star, "rlnMagnification", optics_rows, rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            pixel_size = 1e4 * detector_micrometre / magnification
    else:
        if star.optics is None and "rlnOpticsGroup" in labels:
            optics_numbers(star, "rlnImagePixelSize", optics_rows, rows)
        raise InputError(
            f"{star.path}: column rlnImagePixelSize (or rlnDetectorPixelSize and rlnMagnification) is "
            f"missing; {WHAT_TO_DO}{option_for('rlnImagePixelSize')}: the pixel size is never assumed"
        )
    check_positive(star.path, "pixel size", pixel_size, rows)
    return pixel_size
