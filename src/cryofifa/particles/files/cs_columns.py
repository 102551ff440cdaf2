"""The columns of a cryoSPARC particle file under RELION's names, to write it as a STAR file."""

import numpy as np
import pandas as pd

from cryofifa.particles.files.stack_paths import clean_stack_name
from cryofifa.particles.files.table import ParticleTable


def particle_columns_from_cs(records: np.ndarray, table: ParticleTable) -> pd.DataFrame:
    """The columns of a data_particles block, without images and poses, for particles that came from a .cs file.

    Args:
        records: the whole .cs file as a structured array; `table.row` says which of its rows are wanted.

    Returns: One row per particle of `table`: micrograph and coordinates in pixels where the .cs has them, defocus and
    phase shift (degrees), and the uid.
    """
    records = records[table.row]
    names = records.dtype.names or ()
    columns: dict[str, object] = {}
    if "location/micrograph_path" in names:
        columns["rlnMicrographName"] = _cleaned(records["location/micrograph_path"])
    if {"location/center_x_frac", "location/center_y_frac", "location/micrograph_shape"} <= set(names):
        # micrograph_shape is (rows, columns); fractions grow along x and y from the corner.
        shape = records["location/micrograph_shape"].astype(np.float64)
        columns["rlnCoordinateX"] = records["location/center_x_frac"] * shape[:, 1]
        columns["rlnCoordinateY"] = records["location/center_y_frac"] * shape[:, 0]
    columns |= {
        "rlnDefocusU": table.defocus_u_angstrom,
        "rlnDefocusV": table.defocus_v_angstrom,
        "rlnDefocusAngle": np.degrees(table.defocus_angle_radian),
        "rlnPhaseShift": np.degrees(table.phase_shift_radian),
        "rlnCtfBfactor": table.b_factor_square_angstrom,
        "rlnCtfScalefactor": table.ctf_scale,
        "rlnOpticsGroup": table.optics_group + 1,
    }
    if "uid" in names:
        columns["ucsfUid"] = records["uid"]
    return pd.DataFrame(columns)


def _cleaned(paths: np.ndarray) -> np.ndarray:
    """Paths as text, without '>' and './' in front."""
    distinct, back = np.unique(np.char.decode(paths, "utf-8", "surrogateescape"), return_inverse=True)
    return np.array([clean_stack_name(str(name)) for name in distinct])[back]
