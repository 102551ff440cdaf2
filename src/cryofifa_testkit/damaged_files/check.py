"""What is read is compared with what another program reads, and used as a run would use it."""

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import torch

from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa_testkit.damaged_files.case import OutsideFailsError, WrongReadingError

OF_PARTICLES = {  # of the table, and of RELION
    "defocus_u_angstrom": "rlnDefocusU",
    "defocus_v_angstrom": "rlnDefocusV",
    "b_factor_square_angstrom": "rlnCtfBfactor",
    "ctf_scale": "rlnCtfScalefactor",
}
OF_OPTICS = {
    "voltage_kilovolt": "rlnVoltage",
    "spherical_aberration_millimetre": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}


def check_equal(what: str, found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    if found.shape != expected.shape:
        raise WrongReadingError(f"{what}: shape {found.shape}, not {expected.shape}")
    if not np.isfinite(found).all():
        raise WrongReadingError(f"{what}: not finite")
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance):
        raise WrongReadingError(f"{what}: {found.ravel()[:4]}, not {expected.ravel()[:4]}")


def is_within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and is_within(part[name], whole[name]) for name in part)
    return part == whole and isinstance(part, bool) == isinstance(whole, bool)


def check_images(table: ParticleTable) -> None:
    """First and last image as mrcfile reads them; what is computed from the optics is finite."""
    stacks = ImageStacks(table)
    rows = np.unique([0, len(table) - 1])
    read = stacks.read(rows)
    for row, image in zip(rows, read, strict=True):
        expected = _mrc_images(table.stack_paths[table.stack_index[row]])[table.frame_index[row]]
        check_equal("an image", image, expected.astype(np.float32) * table.contrast_sign[row])
    images = ParticleImages(table, stacks)
    plane = HalfPlane.of_box(table.box_size, images.pixel_size_angstrom)
    ctf = contrast_transfer(images.ctf_parameters()[torch.from_numpy(rows)], plane.frequency_per_angstrom)
    check_equal("the CTF", ctf.numpy(), ctf.numpy())
    image = images.normalised(rows).numpy()
    check_equal("a normalised image", image, image)


def check_written(table: ParticleTable) -> None:
    """A run's last act cannot fail for what the first has let in: poses are written, and read again with the optics."""
    count = len(table)
    poses = Poses.unknown(torch.arange(count) % 2 + 1)
    for suffix, write in ((".star", write_particles_star), (".cs", write_particles_cs)):
        path = table.source_path.with_name(f"written{suffix}")
        write(path, table, poses)
        again = read_particles(path)
        for name in ("frame_index", *OF_PARTICLES, *OF_OPTICS, "pixel_size_angstrom", "phase_shift_radian"):
            # .cs has 32-bit numbers
            check_equal(f"{name}, written as {suffix},", getattr(again, name), getattr(table, name), 1e-5)
        path.unlink()


def _mrc_images(path: Path) -> np.ndarray:
    try:
        with mrcfile.open(path, permissive=True) as file:
            assert file.data is not None
            return np.array(file.data).reshape(-1, *file.data.shape[-2:])
    except (ValueError, AssertionError, MemoryError, OverflowError) as error:
        raise OutsideFailsError(f"mrcfile: {error!r}") from error
