"""Find the poses of particles that a run has never seen, with its encoder and then against the run's own map.

particles -> preprocess -> encode every copy -> decoder chooses -> search against map.mrc -> particles.star
"""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from cryofifa.errors import InputError
from cryofifa.half_map_refinement.half_sets import half_sets
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.half_map_refinement.projection_matching import MATCHES, ProjectionMatching
from cryofifa.mrc_map import read_map
from cryofifa.particles.copies import find_copies
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.kept_images import KeptImages, Room, keep_images
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import Frame, ParticleImages
from cryofifa.particles.unusable_images import find_unusable
from cryofifa.physics.fourier import HalfPlane, window_centre
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.results.summary import read_summary
from cryofifa.run.folder import RunFolder, write_json
from cryofifa.run.log import Progress, RunLog
from cryofifa.run.trained import TrainedRun, read_trained_run
from cryofifa.system.device import device_of
from cryofifa.system.folder_lock import FolderLock
from cryofifa.train.working_set import WorkingSet


@dataclass(frozen=True)
class Inferred:
    """Where the poses were written, how many they are, and how long it took."""

    particles_star: Path
    particles: int
    encoder_seconds: float
    match_seconds: float

    @property
    def particles_per_second(self) -> float:
        """Particles over the time of encoder and matching together."""
        return self.particles / (self.encoder_seconds + self.match_seconds)


def infer(
    run: Path | str,
    particles: Path | str,
    output: Path | str,
    *,
    data_folder: Path | str | None = None,
    rows_file: Path | str | None = None,
    device: str = "auto",
    match_to_map: bool = True,
) -> Inferred:
    """Find poses of new particles of the same structure; writes OUT/particles.star and OUT/infer.json.

    data_folder, rows_file: as in `read_particles`.
    device: auto, cpu or cuda.
    match_to_map: search around the encoder's pose and in an orientation set, from coarse to fine, against the run's
        map.mrc. Without it the poses are the encoder's own, at the working box of the run's ab-initio search.

    Raises:
        InputError: if the run is not finished, its particles have another pixel size, or a file is wrong.
    """
    folder, target = RunFolder(Path(run)), RunFolder(Path(output))
    folder.check_finished()
    if target.path.resolve() == folder.path.resolve() or target.map().combined.exists():
        raise InputError(f"{target.path}: holds a run; choose another folder with -o")
    target.check_inputs(Path(particles))
    place = device_of(device)
    trained = read_trained_run(folder.path, place)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        images = _images(trained, Path(particles), data_folder, rows_file, place)
    visits = len(images.table) * (1 + MATCHES if match_to_map else 1)
    with FolderLock(target.path).take(), RunLog(target.log) as log, Progress(visits) as progress:
        for warning in caught:
            log.warning(str(warning.message))
        group = find_copies(images.table, trained.plan.copy_distance_angstrom).group
        half = half_sets(images.table.random_subset, group, trained.config.seed, log.warning)
        poses = Poses.unknown(half.to(place))
        started = time.monotonic()
        progress.stage("encoder")
        _pose_by_encoder(trained, images, poses, log, progress)
        encoded = time.monotonic()
        if match_to_map:
            progress.stage("match to the map")
            _match_to_map(trained, images, poses, log, progress)
        found = Inferred(target.particles, len(images.table), encoded - started, time.monotonic() - encoded)
        listed_poses = images.poses_of_listed(poses)
        write_particles_star(target.particles, images.listed, listed_poses)
        if images.table.kind == "cs":
            write_particles_cs(target.particles_cs, images.listed, listed_poses)
        summary = {**asdict(found), "particles_star": target.particles.name, "run": str(folder.path)}
        write_json(target.path / "infer.json", summary | {"particles_per_second": found.particles_per_second})
        log.line(f"{found.particles} particles posed, {found.particles_per_second:.0f} per second")
    return found


def _images(
    trained: TrainedRun,
    particles: Path,
    data_folder: Path | str | None,
    rows_file: Path | str | None,
    device: torch.device,
) -> ParticleImages:
    """The new particles' images, if they have the run's pixel size and a box that is large enough."""
    table = read_particles(particles, data_folder, rows_file, trained.config.optics)
    wanted, window = trained.plan.pixel_size_angstrom, trained.plan.ab_initio_frame.window_pixel
    pixel_size = table.reference_pixel_size_angstrom
    if abs(pixel_size / wanted - 1) > 0.001:
        raise InputError(
            f"{particles}: pixels of {pixel_size:.4g} A, the run's are of {wanted:.4g} A; extract them at the same size"
        )
    images = ParticleImages.of_table(table, inverted=trained.config.invert, device=device)
    if images.table.box_size < window:
        raise InputError(
            f"{particles}: images of {images.table.box_size} px, the run looks at {window} px; "
            "extract them in a larger box"
        )
    unusable = find_unusable(images)
    if not len(unusable.rows):
        return images
    warnings.warn(
        f"{particles}: {unusable.as_text(table.row)}; they are left out, unposed in particles.star", stacklevel=2
    )
    return images.leaving_out(unusable.rows)


def _pose_by_encoder(
    trained: TrainedRun, images: ParticleImages, poses: Poses, log: RunLog, progress: Progress
) -> None:
    """Set the poses to the encoder's, for each particle that of the copy which the decoder explains best."""
    frame, device = trained.plan.ab_initio_frame, poses.rotation.device
    everyone = torch.arange(len(images.table))
    kept_images = _kept_images(trained, images, frame, device, log)
    ctf = images.ctf_parameters().to(device)
    particles = WorkingSet(everyone, kept_images, ctf, frame.pixel_size_angstrom, trained.plan.noise)
    ab_initio = trained.ab_initio(particles)
    ab_initio.pose_by_encoder(progress.advance)
    poses.put(everyone.to(device), ab_initio.poses)


def _match_to_map(trained: TrainedRun, images: ParticleImages, poses: Poses, log: RunLog, progress: Progress) -> None:
    """Refine the poses by projection matching against the run's map."""
    plan, device = trained.plan, poses.rotation.device
    frame = plan.full_size_frame
    kept_images = _kept_images(trained, images, frame, device, log)
    particles = ParticleFrame(
        lambda rows: kept_images.read(torch.from_numpy(rows)),
        images.ctf_parameters().to(device),
        HalfPlane.of_box(frame.box_size, frame.pixel_size_angstrom, device=device),
        trained.size,
        symmetry_members(trained.config.symmetry, device),
    )
    matching = ProjectionMatching(trained.config, particles, plan.shift_range_angstrom)
    reference, _ = read_map(trained.folder.map().combined)
    summary = read_summary(trained.folder)
    resolution = summary.resolution_fsc0143_angstrom or summary.shared_resolution_angstrom
    matching.match_to(poses, window_centre(reference, frame.box_size, 3).to(device), resolution, progress.advance)


def _kept_images(
    trained: TrainedRun, images: ParticleImages, frame: Frame, device: torch.device, log: RunLog
) -> KeptImages:
    """The preprocessed images in a frame, kept as the run's settings allow."""
    rows, config = np.arange(len(images.table)), trained.config
    room = Room.of_settings(config.memory_gib, config.cache_folder, config.cache_gib)
    return keep_images(images, frame, rows, device, room, trained.plan.least_bytes, log.line)
