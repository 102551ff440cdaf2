"""Read particles and poses from RELION STAR files: 3.0 (one block) and 3.1 (data_optics and data_particles)."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, Int64

from cryofifa.conventions import rotations_from_relion_euler_degrees
from cryofifa.errors import InputError
from cryofifa.particles.files.given_optics import star_with_given
from cryofifa.particles.files.number_checks import check_fraction, check_positive, finite_numbers
from cryofifa.particles.files.row_list import chosen_rows
from cryofifa.particles.files.stack_paths import clean_stack_name, resolve_stack_paths
from cryofifa.particles.files.star_aberrations import (
    beam_tilt_milliradian,
    magnification_matrices,
    zernike_coefficients,
)
from cryofifa.particles.files.star_blocks import WHAT_TO_DO, StarBlocks, read_star_blocks
from cryofifa.particles.files.star_columns import (
    OPTICS_LABELS_STAR30,
    SCORE_LABEL,
    applied_ctf,
    numbers,
    optics_numbers,
    optics_rows_of_particles,
    pixel_size_angstrom,
)
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.files.tomography import refuse_tomography, refuse_volumes
from cryofifa.particles.poses import Poses
from cryofifa.particles.stack_header import read_stack_header
from cryofifa.settings.optics import NOTHING_GIVEN, OpticsSettings


def read_star(
    path: Path,
    data_folder: Path | None = None,
    rows_file: Path | None = None,
    *,
    given: OpticsSettings = NOTHING_GIVEN,
    find_stacks: bool = True,
) -> ParticleTable:
    """Read the particles of a STAR file; see `read_particles` for the arguments.

    Without `find_stacks` no image is looked for: names hold from the file's folder, and the box is rlnImageSize.

    A missing phase shift, B factor or beam tilt is 0, a missing CTF scale 1, a missing rlnDefocusV equals U (no
    astigmatism); nothing else is assumed.

    Raises:
        InputError: if a needed column, number or stack is missing or wrong.
    """
    star = star_with_given(read_star_blocks(path), given)
    rows = chosen_rows(rows_file, len(star.particles))
    optics_rows = optics_rows_of_particles(star, rows)
    pixel_size = pixel_size_angstrom(star, optics_rows, rows)
    voltage = optics_numbers(star, "rlnVoltage", optics_rows, rows)
    check_positive(path, "rlnVoltage", voltage, rows)
    spherical_aberration = optics_numbers(star, "rlnSphericalAberration", optics_rows, rows)
    amplitude_contrast = optics_numbers(star, "rlnAmplitudeContrast", optics_rows, rows)
    check_fraction(path, "rlnAmplitudeContrast", amplitude_contrast, rows)
    defocus_u = numbers(star, "rlnDefocusU", rows)
    has_v = "rlnDefocusV" in star.particles.columns
    defocus_v = numbers(star, "rlnDefocusV", rows) if has_v else defocus_u
    angle_degrees = numbers(star, "rlnDefocusAngle", rows) if has_v else np.zeros(len(rows))

    b_factor = numbers(star, "rlnCtfBfactor", rows, 0.0)
    refuse_tomography(star, b_factor)
    even_zernike = zernike_coefficients(star, "rlnEvenZernike", optics_rows, rows)
    stated_box = _stated_box_size(star, optics_rows, rows)
    if not find_stacks and stated_box is None:
        raise InputError(f"{path}: column rlnImageSize is missing; {WHAT_TO_DO}")
    names, stack_index, frame_index = _image_names(star, rows)
    if find_stacks:
        stack_paths = resolve_stack_paths(names, path, data_folder)
        single = np.flatnonzero(~star.particles["rlnImageName"].iloc[rows].str.contains("@", regex=False, na=True))
        if single.size:
            refuse_volumes(star, rows[single], read_stack_header(stack_paths[stack_index[single[0]]]).n_frames)
    else:
        stack_paths = tuple(path.absolute().parent / clean_stack_name(name) for name in names)
    return ParticleTable(
        source_path=path,
        kind="star",
        stack_paths=stack_paths,
        stack_index=stack_index,
        frame_index=frame_index,
        box_size=read_stack_header(stack_paths[0]).box_size
        if stated_box is None or find_stacks
        else int(stated_box[0]),
        pixel_size_angstrom=pixel_size,
        voltage_kilovolt=voltage,
        spherical_aberration_millimetre=spherical_aberration,
        amplitude_contrast=amplitude_contrast,
        defocus_u_angstrom=defocus_u,
        defocus_v_angstrom=defocus_v,
        defocus_angle_radian=np.radians(angle_degrees),
        phase_shift_radian=np.radians(numbers(star, "rlnPhaseShift", rows, 0.0)),
        b_factor_square_angstrom=b_factor,
        ctf_scale=numbers(star, "rlnCtfScalefactor", rows, 1.0),
        beam_tilt_x_milliradian=beam_tilt_milliradian(star, "X", optics_rows, rows),
        beam_tilt_y_milliradian=beam_tilt_milliradian(star, "Y", optics_rows, rows),
        odd_zernike=zernike_coefficients(star, "rlnOddZernike", optics_rows, rows),
        optics_group=_star30_optics_groups(star, rows) if optics_rows is None else optics_rows,
        contrast_sign=np.ones(len(rows)),
        random_subset=_random_subset(star, rows),
        row=rows,
        source=star,
        even_zernike=even_zernike if even_zernike.any() else None,
        magnification=magnification_matrices(star, optics_rows, rows),
        applied_ctf=applied_ctf(star, optics_rows, rows),
        stated_box_size=stated_box,
    )


def read_poses_star(path: Path) -> Poses:
    """Read the poses of a STAR file, without its images: every row, in the file's order.

    Origins are rlnOriginXAngst/YAngst, or rlnOriginX/Y in pixels (STAR 3.0), or 0 where there are none.
    A missing score is NaN, a missing half set 0.

    Raises:
        InputError: if angles are missing or a number is wrong.
    """
    return poses_of_star(read_star_blocks(Path(path), needed_label="rlnAngleRot"))


def poses_of_star(star: StarBlocks) -> Poses:
    """The poses in a STAR file that is already read; see `read_poses_star`.

    Raises:
        InputError: if angles are missing or a number is wrong.
    """
    rows = np.arange(len(star.particles))
    euler = [numbers(star, label, rows) for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")]
    labels = star.particles.columns
    subset = numbers(star, "rlnRandomSubset", rows, 0.0)
    score = np.full(len(rows), np.nan)
    if SCORE_LABEL in labels:
        score = np.asarray(pd.to_numeric(star.particles[SCORE_LABEL], errors="coerce"), dtype=np.float64)
    return Poses.found(
        torch.from_numpy(rotations_from_relion_euler_degrees(np.stack(euler, axis=1))),
        torch.tensor(_shift_angstrom(star, rows)),
        half=torch.tensor(subset.astype(np.int64)),
        score=torch.tensor(score),
    )


def _shift_angstrom(star: StarBlocks, rows: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
    """Shifts (x, y) in angstrom, from origins in angstrom or in pixels."""
    labels = set(star.particles.columns)
    if labels & {"rlnOriginXAngst", "rlnOriginYAngst"} or not labels & {"rlnOriginX", "rlnOriginY"}:
        return np.stack([numbers(star, f"rlnOrigin{axis}Angst", rows, 0.0) for axis in "XY"], axis=1)
    pixel_size = pixel_size_angstrom(star, optics_rows_of_particles(star, rows), rows)
    return np.stack([numbers(star, f"rlnOrigin{axis}", rows, 0.0) * pixel_size for axis in "XY"], axis=1)


def _image_names(star: StarBlocks, rows: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The distinct stack names; and per particle, which of them and which 0-based image of it."""
    column = star.particles["rlnImageName"].iloc[rows].fillna("")
    parts = column.str.split("@", n=1, expand=True)
    if parts.shape[1] == 1:  # no '@' anywhere: every name is a file with one image
        parts[1] = None
    single = parts[1].isna().to_numpy()
    stack_names = parts[1].where(~single, parts[0])
    numbers_text = parts[0].where(~single, "1").str.lstrip(">")
    image_number = finite_numbers(star.path, "the image number in rlnImageName", numbers_text, rows)
    bad = (
        (image_number < 1)
        | (image_number > 1e9)
        | (image_number % 1 != 0)
        | (stack_names.str.strip() == "").to_numpy(dtype=bool)
    )
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise InputError(
            f"{star.path}: particle row {rows[first]} (counted from 0): rlnImageName '{column.iloc[first]}' "
            "is not like 000001@stack.mrcs (images are counted from 1)"
        )
    stack_index, names = pd.factorize(stack_names)
    return [str(name) for name in names], stack_index.astype(np.int64), image_number.astype(np.int64) - 1


def _stated_box_size(
    star: StarBlocks, optics_rows: Int64[np.ndarray, " m"] | None, rows: Int64[np.ndarray, " m"]
) -> Int64[np.ndarray, " m"] | None:
    """rlnImageSize of every particle, where the file has it."""
    if not any("rlnImageSize" in table.columns for table in (star.particles, star.optics) if table is not None):
        return None
    return optics_numbers(star, "rlnImageSize", optics_rows, rows).astype(np.int64)


def _star30_optics_groups(star: StarBlocks, rows: np.ndarray) -> Int64[np.ndarray, " m"]:
    """Optics groups of STAR 3.0: particles with equal optics columns are one group, numbered by first appearance.

    A column rlnOpticsGroup, to which a table of optics groups is lacking, tells groups apart as well.
    """
    labels = [label for label in (*OPTICS_LABELS_STAR30, "rlnOpticsGroup") if label in star.particles.columns]
    optics = star.particles[labels].iloc[rows]
    return optics.groupby(labels, sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)


def _random_subset(star: StarBlocks, rows: np.ndarray) -> Int64[np.ndarray, " m"] | None:
    """The half sets of the file, if every particle has one."""
    if "rlnRandomSubset" not in star.particles.columns:
        return None
    subset = numbers(star, "rlnRandomSubset", rows)
    if not np.isin(subset, (1, 2)).all():
        message = f"{star.path}: rlnRandomSubset is not always 1 or 2: half sets are ignored"
        warnings.warn(message, stacklevel=2)
        return None
    return subset.astype(np.int64)
