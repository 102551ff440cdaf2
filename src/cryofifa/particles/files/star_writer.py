"""Write particles with their poses as a RELION 3.1 STAR file."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cryofifa.conventions import relion_euler_degrees_from_rotations
from cryofifa.particles.files.cs_columns import particle_columns_from_cs
from cryofifa.particles.files.image_names import image_names
from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.particles.files.star_columns import OPTICS_LABELS_STAR30, SCORE_LABEL, SELECTION_LABEL
from cryofifa.particles.files.star_tables import StarTable
from cryofifa.particles.files.star_tables_writer import write_star_tables
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.poses import Poses, known
from cryofifa.system.atomic_file import atomic_path

IMAGE = "rlnImageName"


def write_particles_star(
    path: Path,
    table: ParticleTable,
    poses: Poses,
    *,
    absolute_names: bool = False,
    more: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write particles and poses as STAR 3.1; an older file stays whole until the new one is complete.

    Every column of the input is kept as it was, but for image names, which hold from the file's own folder or, where
    asked for, from everywhere.  Angles, origins, half set and score are added or replaced.  Origins in pixels (STAR
    3.0) give way to those in angstrom.

    more: further columns by their labels, one value per particle.

    Raises:
        ValueError: if table and poses have different lengths.
        InputError: if the folder cannot be written.
    """
    if len(poses) != len(table):
        raise ValueError(f"{len(poses)} poses for {len(table)} particles")
    names_from, columns = None if absolute_names else path.parent, more or {}
    _write(path, table, lambda particles: _with_poses(particles, poses).assign(**columns), names_from)


def write_star_elsewhere(path: Path, table: ParticleTable, names_from: Path | None) -> None:
    """Write particles of a STAR file again, poses and all, with image names that hold from another folder.

    names_from: that folder; None for absolute names.

    Raises:
        InputError: if the folder cannot be written.
    """
    _write(path, table, lambda particles: particles, names_from)


def _write(
    path: Path, table: ParticleTable, posed: Callable[[pd.DataFrame], pd.DataFrame], names_from: Path | None
) -> None:
    optics, particles, other = _blocks(table)
    encoding = table.source.encoding if isinstance(table.source, StarBlocks) else "utf-8"
    names = image_names(table, names_from, encoding)
    if IMAGE in particles.columns:
        particles[IMAGE] = names
    else:
        particles.insert(0, IMAGE, names)
    blocks = {"optics": optics, "particles": posed(particles), **other}
    with atomic_path(Path(path)) as temporary:
        write_star_tables(temporary, blocks, encoding)


def _blocks(table: ParticleTable) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, StarTable]]:
    """data_optics, data_particles (without poses) and all other blocks of the input."""
    if not isinstance(table.source, StarBlocks):
        return _new_optics(table), particle_columns_from_cs(table.source, table), {}
    source = table.source
    particles = source.particles.iloc[table.row].reset_index(drop=True)
    if source.optics is not None:
        optics = source.optics.copy()
        # RELION 3.1 needs these columns, and their values are known.
        certain = {"rlnOpticsGroup": 1, "rlnImageSize": table.box_size, "rlnImageDimensionality": 2}
        for label in [label for label in certain if label not in optics.columns]:
            optics[label] = str(certain[label])
        if "rlnOpticsGroup" not in particles.columns:
            particles["rlnOpticsGroup"] = optics["rlnOpticsGroup"].iloc[0]
        return optics, particles, source.other
    optics = _new_optics(table)
    first = _first_of_each_group(table)
    for label in OPTICS_LABELS_STAR30:
        if label in particles.columns:
            if label != "rlnImagePixelSize":
                optics[label] = particles[label].iloc[first].to_numpy()
            particles = particles.drop(columns=label)
    particles["rlnOpticsGroup"] = (table.optics_group + 1).astype(str)
    return optics, particles, source.other


def _first_of_each_group(table: ParticleTable) -> np.ndarray:
    return np.unique(table.optics_group, return_index=True)[1]


def _new_optics(table: ParticleTable) -> pd.DataFrame:
    """An optics block for an input that has none."""
    first = _first_of_each_group(table)
    group = table.optics_group[first] + 1
    return pd.DataFrame(
        {
            "rlnOpticsGroup": group,
            "rlnOpticsGroupName": [f"opticsGroup{number}" for number in group],
            "rlnVoltage": table.voltage_kilovolt[first],
            "rlnSphericalAberration": table.spherical_aberration_millimetre[first],
            "rlnAmplitudeContrast": table.amplitude_contrast[first],
            "rlnImagePixelSize": table.pixel_size_angstrom[first],
            "rlnImageSize": table.box_size if table.stated_box_size is None else table.stated_box_size[first],
            "rlnImageDimensionality": 2,
        }
    )


def _with_poses(particles: pd.DataFrame, poses: Poses) -> pd.DataFrame:
    """The particle block with the columns of the poses added or replaced."""
    particles = particles.drop(columns=["rlnOriginX", "rlnOriginY"], errors="ignore")
    poses = poses.on_host()
    euler = relion_euler_degrees_from_rotations(poses.rotation.numpy())
    columns = {
        "rlnAngleRot": euler[:, 0],
        "rlnAngleTilt": euler[:, 1],
        "rlnAnglePsi": euler[:, 2],
        "rlnOriginXAngst": poses.shift_angstrom[:, 0].numpy(),
        "rlnOriginYAngst": poses.shift_angstrom[:, 1].numpy(),
        "rlnRandomSubset": known(poses.half).numpy(),
        SCORE_LABEL: known(poses.score).numpy(),
        SELECTION_LABEL: np.nan_to_num(known(poses.score).numpy()),
    }
    if poses.class_index is not None:
        columns["rlnClassNumber"] = poses.class_index.numpy() + 1
    return particles.assign(**columns)
