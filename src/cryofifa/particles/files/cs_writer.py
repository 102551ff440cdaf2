"""Write particles with their poses as a cryoSPARC .cs file."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from cryofifa.conventions import cryosparc_rotvec_from_rotations
from cryofifa.particles.files.cs_records import records_from_columns, records_from_star
from cryofifa.particles.files.result_group import write_result_group
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.poses import Poses, known
from cryofifa.system.atomic_file import atomic_path

POSE_GROUP = "alignments3D/"
SIGN = "blob/sign"


def write_particles_cs(path: Path, table: ParticleTable, poses: Poses) -> None:
    """Write particles and poses as a .cs file, and beside it the .csg file by which cryoSPARC imports it.

    Older files stay whole until the new ones are complete.

    Every field of a .cs input is kept as it was, uid and paths included, but for two: alignments3D is new (fields that
    described the old poses are set to 0), and blob/sign follows a table whose contrast was inverted.  For a STAR input
    see `records_from_star`.

    Raises:
        ValueError: if table and poses have different lengths, or a pose has no half set.
        InputError: if the folder cannot be written.
    """
    if len(poses) != len(table):
        raise ValueError(f"{len(poses)} poses for {len(table)} particles")
    if poses.half is None or not np.isin(poses.half.cpu().numpy(), (1, 2)).all():
        raise ValueError("cryoSPARC needs the half set of every particle, 1 or 2")
    records = table.source[table.row] if isinstance(table.source, np.ndarray) else records_from_star(table)
    columns = {name: records[name] for name in records.dtype.names or ()}
    if SIGN in columns or (table.contrast_sign < 0).any():
        columns[SIGN] = table.contrast_sign.astype(columns[SIGN].dtype if SIGN in columns else np.float32)
    outdated = {name: np.zeros_like(column) for name, column in columns.items() if name.startswith(POSE_GROUP)}
    records = records_from_columns(columns | outdated | _alignments(poses, table.pixel_size_angstrom))
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:  # by name, np.save would add .npy
        np.save(file, records, allow_pickle=False)
    write_result_group(Path(path), records.dtype.names or (), len(records))


def _alignments(poses: Poses, pixel_size_angstrom: Float64[np.ndarray, " n"]) -> dict[str, np.ndarray]:
    """The fields of alignments3D with cryoSPARC's types: scale 1, and 0 for what is not known.

    error is minus our score: lower is better, as cryoSPARC has it; 0, also where the score is unknown, is what no
        particle at all would have.
    """
    poses = poses.on_host()
    half, shift, score = known(poses.half).numpy(), poses.shift_angstrom.numpy(), known(poses.score).numpy()
    zero, one = (np.full(len(poses), value, dtype=np.float32) for value in (0, 1))
    fields = {
        "split": (half - 1).astype(np.uint32),
        "shift": (shift / pixel_size_angstrom[:, None]).astype(np.float32),
        "pose": cryosparc_rotvec_from_rotations(poses.rotation.numpy()).astype(np.float32),
        "psize_A": pixel_size_angstrom.astype(np.float32),
        "error": -np.nan_to_num(score).astype(np.float32),
        "error_min": zero,
        "resid_pow": zero,
        "slice_pow": zero,
        "image_pow": zero,
        "cross_cor": zero,
        "alpha": one,
        "alpha_min": one,
        "weight": zero,
        "pose_ess": zero,
        "shift_ess": zero,
        "class": (zero if poses.class_index is None else poses.class_index.numpy()).astype(np.uint32),
        "class_posterior": one,
        "class_ess": one,
    }
    return {POSE_GROUP + name: column for name, column in fields.items()}
