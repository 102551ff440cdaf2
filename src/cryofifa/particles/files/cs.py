"""Read particles from cryoSPARC .cs files, which are numpy structured arrays.

Field names and meanings: cryosparc-tools (cryosparc.dataset) and cryoDRGN's parse_ctf_csparc.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from cryofifa.errors import InputError
from cryofifa.particles.files.cs_file import read_cs_records
from cryofifa.particles.files.cs_passthrough import with_passthrough
from cryofifa.particles.files.number_checks import (
    check_fraction,
    check_index,
    check_one_of,
    check_positive,
    finite_numbers,
)
from cryofifa.particles.files.row_list import chosen_rows
from cryofifa.particles.files.stack_paths import resolve_stack_paths
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.stack_header import read_stack_header
from cryofifa.settings.optics import NOTHING_GIVEN, OpticsSettings

NEEDED_FIELDS = (
    "blob/path",
    "blob/idx",
    "blob/shape",
    "blob/psize_A",
    "ctf/accel_kv",
    "ctf/cs_mm",
    "ctf/amp_contrast",
    "ctf/df1_A",
    "ctf/df2_A",
    "ctf/df_angle_rad",
)
# All zero where there is no aberration; not applied, because we know no tested source of their signs.
ABERRATION_FIELDS = ("ctf/tilt_A", "ctf/trefoil_A", "ctf/tetra_A", "ctf/anisomag")


def read_cs(
    path: Path,
    data_folder: Path | None = None,
    rows_file: Path | None = None,
    *,
    given: OpticsSettings = NOTHING_GIVEN,
) -> ParticleTable:
    """Read the particles of a .cs file; see `read_particles` for the arguments.

    Fields that are missing are taken from the passthrough files of the same folder, matched by uid; particles that
    these do not know are left out, with a warning.

    Raises:
        InputError: if a needed field, number or stack is missing or wrong.
    """
    records, unknown = with_passthrough(path, read_cs_records(path), NEEDED_FIELDS, given)
    for field in ("blob/path", "location/micrograph_path"):
        if field in (records.dtype.names or ()) and records.dtype[field].kind != "S":
            raise InputError(f"{path}: field {field} is {records.dtype[field]}, not text; export it again")
    rows = chosen_rows(rows_file, len(records))
    left_out = rows[unknown[rows]]
    if len(left_out):
        message = (
            f"{path}: {len(left_out)} of {len(rows)} particles are in no passthrough file beside it and are left out "
            f"(the first is row {left_out[0]}, counted from 0)"
        )
        if len(left_out) == len(rows):
            raise InputError(f"{message}; put the job's ..._passthrough_particles.cs beside the file")
        warnings.warn(message, stacklevel=2)
        rows = rows[~unknown[rows]]
    chosen = records[rows]
    names = chosen.dtype.names or ()
    aberration = next((field for field in ABERRATION_FIELDS if field in names and chosen[field].any()), None)
    if aberration is not None:
        message = f"{path}: {aberration} is not applied; it limits the finest resolutions"
        warnings.warn(message, stacklevel=2)

    def finite(field: str, default: float | None = None) -> np.ndarray:
        if field not in names and default is not None:
            return np.full(len(rows), default)
        return _finite(path, field, chosen[field], rows)

    pixel_size, voltage = finite("blob/psize_A"), finite("ctf/accel_kv")
    check_positive(path, "blob/psize_A", pixel_size, rows)
    check_positive(path, "ctf/accel_kv", voltage, rows)
    spherical_aberration, amplitude_contrast = finite("ctf/cs_mm"), finite("ctf/amp_contrast")
    check_fraction(path, "ctf/amp_contrast", amplitude_contrast, rows)
    sign = finite("blob/sign", 1.0)
    check_one_of(path, "blob/sign", sign, rows, (-1, 1))
    frame_index = finite("blob/idx")
    check_index(path, "blob/idx", frame_index, rows)
    split = finite("alignments3D/split") if "alignments3D/split" in names else None
    if split is not None:
        check_one_of(path, "alignments3D/split", split, rows, (0, 1))
    stack_index, stack_names = pd.factorize(np.char.decode(chosen["blob/path"], "utf-8", "surrogateescape"))
    stack_paths = resolve_stack_paths([str(name) for name in stack_names], path, data_folder)
    optics = pd.DataFrame(
        {
            "group": finite("ctf/exp_group_id", 0.0),
            "voltage": voltage,
            "aberration": spherical_aberration,
            "contrast": amplitude_contrast,
            "pixel": pixel_size,
        }
    )
    return ParticleTable(
        source_path=path,
        kind="cs",
        stack_paths=stack_paths,
        stack_index=stack_index.astype(np.int64),
        frame_index=frame_index.astype(np.int64),
        box_size=read_stack_header(stack_paths[0]).box_size,
        pixel_size_angstrom=pixel_size,
        voltage_kilovolt=voltage,
        spherical_aberration_millimetre=spherical_aberration,
        amplitude_contrast=amplitude_contrast,
        defocus_u_angstrom=finite("ctf/df1_A"),
        defocus_v_angstrom=finite("ctf/df2_A"),
        defocus_angle_radian=finite("ctf/df_angle_rad"),
        phase_shift_radian=finite("ctf/phase_shift_rad", 0.0),
        b_factor_square_angstrom=finite("ctf/bfactor", 0.0),
        ctf_scale=finite("ctf/scale", 1.0),
        beam_tilt_x_milliradian=np.zeros(len(rows)),
        beam_tilt_y_milliradian=np.zeros(len(rows)),
        odd_zernike=np.zeros((len(rows), 0)),
        optics_group=optics.groupby(list(optics.columns), sort=False).ngroup().to_numpy(dtype=np.int64),
        contrast_sign=sign,
        random_subset=None if split is None else split.astype(np.int64) + 1,
        row=rows,
        source=records,
        stated_box_size=_stated_box_size(path, chosen["blob/shape"], rows),
    )


def _finite(path: Path, field: str, column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A field as one finite number per particle."""
    if column.dtype.kind not in "iufb" or column.ndim != 1:
        raise InputError(f"{path}: field {field} is not one number per particle; export the particles again")
    return finite_numbers(path, field, pd.Series(column.astype(np.float64)), rows)


def _stated_box_size(path: Path, shapes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The side of every image in pixels, as blob/shape has it."""
    if shapes.dtype.kind not in "iuf" or shapes.shape[1:] != (2,):
        raise InputError(f"{path}: field blob/shape is not two numbers per particle; export it again")
    oblong = np.flatnonzero(shapes[:, 0] != shapes[:, 1])
    if oblong.size:
        raise InputError(
            f"{path}: blob/shape is {tuple(shapes[oblong[0]].tolist())} for particle row {rows[oblong[0]]} "
            "(counted from 0); particles must be square"
        )
    return shapes[:, 0].astype(np.int64)
