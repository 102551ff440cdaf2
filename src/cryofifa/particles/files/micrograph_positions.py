"""Where the particles of a file lie in their micrographs, as far as the file tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.particles.files.table import ParticleTable

# Of the micrographs in whose pixels coordinates are. Without it images are taken for unbinned: the picks of binned ones
# then seem farther apart than they are, never nearer.
PIXEL_SIZE_LABELS = ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")


@dataclass(frozen=True)
class MicrographPositions:
    """Positions of particles.

    Attributes:
        micrograph: number of each particle's micrograph, from 0.
        position_angstrom: (x, y) from the micrograph's corner; NaN where it cannot be read.
    """

    micrograph: Int64[np.ndarray, " n"]
    position_angstrom: Float64[np.ndarray, "n 2"]


def micrograph_positions(table: ParticleTable) -> MicrographPositions | None:
    """The positions of all particles of a table; None where its file has no micrographs or no coordinates."""
    source = table.source
    return _of_star(source, table) if isinstance(source, StarBlocks) else _of_cs(source, table)


def _of_star(star: StarBlocks, table: ParticleTable) -> MicrographPositions | None:
    if not {"rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY"} <= set(star.particles.columns):
        return None
    particles = star.particles.iloc[table.row]
    pixel_size = table.pixel_size_angstrom
    if star.optics is not None and (known := [one for one in PIXEL_SIZE_LABELS if one in star.optics.columns]):
        pixel_size = _numbers(star.optics.loc[:, known[0]])[table.optics_group]
    position = np.stack([_numbers(particles.loc[:, f"rlnCoordinate{axis}"]) for axis in "XY"], axis=1)
    return MicrographPositions(_numbered(particles.loc[:, "rlnMicrographName"]), position * pixel_size[:, None])


def _of_cs(records: np.ndarray, table: ParticleTable) -> MicrographPositions | None:
    names = records.dtype.names or ()
    needed = (
        "location/micrograph_path",
        "location/center_x_frac",
        "location/center_y_frac",
        "location/micrograph_shape",
    )
    if not set(needed) <= set(names):
        return None
    of_particle = records[table.row]
    path, x, y, shape = (of_particle[field] for field in needed)
    pixel_size = table.pixel_size_angstrom
    if "location/micrograph_psize_A" in names:
        pixel_size = of_particle["location/micrograph_psize_A"].astype(np.float64)
    # the shape has rows first
    position = np.stack([x * shape[:, 1].astype(np.float64), y * shape[:, 0].astype(np.float64)], axis=1)
    return MicrographPositions(_numbered(pd.Series(path)), position * pixel_size[:, None])


def _numbered(names: pd.Series) -> Int64[np.ndarray, " n"]:
    return pd.factorize(names)[0].astype(np.int64)


def _numbers(column: pd.Series) -> Float64[np.ndarray, " n"]:
    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
