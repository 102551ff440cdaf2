"""Limits of plausible optics: values beyond them come from no microscope, and nothing could be computed with them."""

import numpy as np

from cryofifa.errors import InputError
from cryofifa.particles.files.table import ParticleTable

# By attribute of the table: smallest and largest value, an order of magnitude and more beyond any real one.
RANGES = {
    "pixel_size_angstrom": (0.01, 1000.0),
    "voltage_kilovolt": (1.0, 10_000.0),
    "spherical_aberration_millimetre": (-100.0, 100.0),
    "defocus_u_angstrom": (-1e6, 1e6),
    "defocus_v_angstrom": (-1e6, 1e6),
    "defocus_angle_radian": (-1e4, 1e4),
    "phase_shift_radian": (-1e3, 1e3),
    "b_factor_square_angstrom": (-100.0, 1e6),  # negative: the envelope grows with frequency and overflows soon
    "ctf_scale": (-1e3, 1e3),
    "beam_tilt_x_milliradian": (-1e3, 1e3),
    "beam_tilt_y_milliradian": (-1e3, 1e3),
    "odd_zernike": (-1e6, 1e6),
    "even_zernike": (-1e6, 1e6),
}


def check_plausible(table: ParticleTable) -> None:
    """Raise InputError naming the first row with a value beyond these limits, or if no particle has any signal."""
    if not table.ctf_scale.any():
        label = "rlnCtfScalefactor" if table.kind == "star" else "ctf/scale"
        raise InputError(
            f"{table.source_path}: {label} is 0 for every particle, so that no signal can pass; correct the column"
        )
    for name, (least, largest) in RANGES.items():
        column = getattr(table, name)
        values = np.zeros((len(table), 0)) if column is None else column.reshape(len(table), -1)
        bad = np.argwhere((values < least) | (values > largest))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"{table.source_path}: particle row {table.row[row]} (counted from 0): {name.replace('_', ' ')} of "
                f"{values[row, column]:g} is not from {least:g} to {largest:g}; correct the file"
                + ("" if len(set(bad[:, 0])) == len(table) else " or leave the row out with --ind")
            )
