"""Build cryoSPARC's structured arrays, from columns or from the particles of a STAR file."""

import hashlib
import os
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import UInt64

from cryofifa.particles.files.image_names import path_from
from cryofifa.particles.files.star_aberrations import NEUTRAL, first_aberration
from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.particles.files.table import ParticleTable


def records_from_columns(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """One structured array from columns: a column (n, ...) becomes a field of its dtype and of shape (...)."""
    n = len(next(iter(columns.values())))
    records = np.empty(n, dtype=[(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records


def records_from_star(table: ParticleTable) -> np.ndarray:
    """The fields uid, blob/* and ctf/* of particles that came from a STAR file, one record per row of `table`.

    blob/path is the stack's absolute path, which holds from every cryoSPARC project.  uid is ucsfUid where the file has
    one, else a hash of the image's number and that path, the same in every file.  Beam tilt, higher aberrations and
    anisotropic magnification are written as none; a warning says so if the file has any.
    """
    assert isinstance(table.source, StarBlocks)
    _warn_of_aberrations(table.source)
    n = len(table)

    def float32(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)

    def none(length: int) -> np.ndarray:
        return np.zeros((n, length), dtype=np.float32)

    names = [os.fsencode(path_from(stack, None)) for stack in table.stack_paths]
    stack_name = np.array(names)[table.stack_index]
    return records_from_columns(
        {
            "uid": _uids(table.source, table, stack_name),
            "blob/path": stack_name,
            "blob/idx": table.frame_index.astype(np.uint32),
            "blob/shape": np.full((n, 2), table.box_size, dtype=np.uint32),
            "blob/psize_A": float32(table.pixel_size_angstrom),
            "blob/sign": float32(table.contrast_sign),
            "blob/import_sig": np.zeros(n, dtype=np.uint64),
            "ctf/type": np.full(n, b"imported"),
            "ctf/exp_group_id": table.optics_group.astype(np.uint32),
            "ctf/accel_kv": float32(table.voltage_kilovolt),
            "ctf/cs_mm": float32(table.spherical_aberration_millimetre),
            "ctf/amp_contrast": float32(table.amplitude_contrast),
            "ctf/df1_A": float32(table.defocus_u_angstrom),
            "ctf/df2_A": float32(table.defocus_v_angstrom),
            "ctf/df_angle_rad": float32(table.defocus_angle_radian),
            "ctf/phase_shift_rad": float32(table.phase_shift_radian),
            "ctf/scale": float32(table.ctf_scale),
            "ctf/scale_const": np.zeros(n, dtype=np.float32),
            "ctf/shift_A": none(2),
            "ctf/tilt_A": none(2),
            "ctf/trefoil_A": none(2),
            "ctf/tetra_A": none(4),
            "ctf/anisomag": none(4),
            "ctf/bfactor": float32(table.b_factor_square_angstrom),
        }
    )


def _uids(source: StarBlocks, table: ParticleTable, stack_name: np.ndarray) -> UInt64[np.ndarray, " n"]:
    """ucsfUid where it is one distinct number per particle, else a hash of image number and stack name."""
    if "ucsfUid" in source.particles.columns:
        given = np.asarray(pd.to_numeric(source.particles["ucsfUid"].iloc[table.row], errors="coerce"))
        if given.dtype.kind in "iu" and len(np.unique(given)) == len(given) and given.min() >= 0:
            return given.astype(np.uint64)
    image = pd.Series([b"%d@%s" % pair for pair in zip(table.frame_index + 1, stack_name, strict=True)])
    repeat = image.groupby(image).cumcount()  # an image listed twice is two particles
    return np.array([_hash64(b"%d@%s" % pair) for pair in zip(repeat, image, strict=True)], dtype=np.uint64)


def _hash64(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")


def _warn_of_aberrations(source: StarBlocks) -> None:
    label = first_aberration(source, NEUTRAL)
    if label is not None:
        message = f"{source.path}: {label} is not carried over; estimate the aberrations again in cryoSPARC"
        warnings.warn(message, stacklevel=3)
