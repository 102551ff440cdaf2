"""The kept particles of a finished run with the poses that it has found, for whatever is computed from them later."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cryofifa.errors import InputError
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import poses_of_star
from cryofifa.particles.files.star_blocks import read_star_blocks
from cryofifa.particles.kept_images import Room, keep_images
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import Frame, ParticleImages, even_at_least
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.magnification import shift_in_recorded_image
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.results.summary import Reconstruction, read_summary
from cryofifa.run.folder import RunFolder
from cryofifa.run.identity import run_settings
from cryofifa.settings.config import Config
from cryofifa.system.device import device_of


@dataclass(frozen=True)
class FinishedRun:
    """A finished run and its particles.

    Attributes:
        folder: the run's folder.
        config: settings of the run.
        summary: its result.
        images: the images of the particles that are not taken for junk.
        poses: their poses, half sets and scores.
        recorded_poses: poses of all particles that the input lists, as particles.star has them.
    """

    folder: RunFolder
    config: Config
    summary: Reconstruction
    images: ParticleImages
    poses: Poses
    recorded_poses: Poses

    @property
    def size(self) -> ParticleSize:
        """The particle's size as the map shows it."""
        is_given = self.config.diameter_angstrom is not None
        return ParticleSize(self.summary.particle_radius_angstrom, is_given, self.config.image)

    @property
    def window_pixel(self) -> int:
        """Side of the window about the centre that holds the particle and its shifts, in pixels of the input."""
        table, settings = self.images.table, self.config.image
        margin = settings.mask_margin + settings.shift_margin_share
        return min(
            table.box_size, even_at_least(2 * margin * self.size.radius_angstrom / self.images.pixel_size_angstrom)
        )

    def particle_frame(self, frame: Frame, radius: float, besides_bytes: int) -> ParticleFrame:
        """The particles in a frame, at the Fourier points up to a radius; images are kept where there is room.

        Args:
            frame: window and box of the images.
            radius: in Fourier pixels.
            besides_bytes: memory that is needed for other things.
        """
        config, device = self.config, self.images.device
        room = Room.of_settings(config.memory_gib, config.cache_folder, config.cache_gib)
        rows = np.arange(len(self.images.table))
        kept_images = keep_images(self.images, frame, rows, device, room, besides_bytes, lambda _: None)
        return ParticleFrame(
            lambda rows: kept_images.read(torch.from_numpy(rows)),
            self.images.ctf_parameters().to(device),
            HalfPlane.of_box(frame.box_size, frame.pixel_size_angstrom, radius, device=device),
            self.size,
            symmetry_members(config.symmetry, device),
        )


def read_finished_run(
    run: Path | str,
    data_folder: Path | str | None = None,
    rows_file: Path | str | None = None,
    device: str = "auto",
) -> FinishedRun:
    """Read a finished run and its particles.

    Args:
        run: the run's folder.
        data_folder, rows_file: as the run was given them.
        device: where to compute.

    Raises:
        InputError: if the run is not finished, or its particles are not there or others.
    """
    folder = RunFolder(Path(run))
    folder.check_finished()
    summary, config = read_summary(folder), folder.read_config()
    place = device_of(device)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # the run has warned of them
        table = read_particles(Path(folder.read_settings()["particles"]), data_folder, rows_file, config.optics)
        images = ParticleImages.of_table(table, inverted=config.invert, device=place)
    folder.check_particles(run_settings(images.stacks, config))
    star = read_star_blocks(folder.particles)
    recorded = poses_of_star(star)
    if len(recorded) != len(table):
        raise InputError(
            f"{folder.particles}: has {len(recorded)} particles, the run's input {len(table)}; reconstruct them again"
        )
    kept_names = list(read_star_blocks(folder.kept).particles["rlnImageName"])
    rows = np.flatnonzero(star.particles["rlnImageName"].isin(kept_names).to_numpy(dtype=bool))
    kept = recorded.select(torch.from_numpy(rows))
    shift = kept.shift_angstrom
    if table.magnification is not None:
        matrix = torch.linalg.inv(torch.from_numpy(np.array(table.magnification)))[rows]
        shift = shift_in_recorded_image(shift, matrix.to(shift))
    poses = Poses.found(kept.rotation.float(), shift.float(), half=kept.half, score=kept.score)
    on_device = Poses(**{name: column.to(place) for name, column in poses.columns().items()})
    return FinishedRun(folder, config, summary, images.using(rows), on_device, recorded)
