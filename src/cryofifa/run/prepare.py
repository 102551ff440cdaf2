"""Preparing a run: the particle table is read, the stacks are checked, images are surveyed, and the run is planned."""

from __future__ import annotations

import json
import warnings as python_warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.mrc_map import read_mask
from cryofifa.particles.copies import find_copies
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.particle_radius import survey_images
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.unusable_images import find_unusable
from cryofifa.run.folder import RunFolder
from cryofifa.run.identity import run_settings
from cryofifa.run.plan import RunPlan, plan_from_json
from cryofifa.run.planning import plan_run
from cryofifa.settings.config import Config
from cryofifa.system.device import device_of
from cryofifa.system.folder_lock import FolderLock
from cryofifa.system.memory import GIB, allowed_bytes
from cryofifa.system.processes import Processes

FEW_PARTICLES = 500  # fewer rarely tell enough to find a map from nothing; our choice
DARK_Z_SCORE = -5.0  # particles count as dark if their centre lies below the ring by more, in standard errors


@dataclass(frozen=True)
class Prepared:
    """What is known before a run begins.

    Attributes:
        images: the particles, whose stacks can be read.
        plan: what the run will do.
        mask: the user's mask for comparing half maps; None where it is to be made from the map.
        warnings: what the user should be told.
    """

    images: ParticleImages
    plan: RunPlan
    mask: Float[Tensor, "z y x"] | None
    warnings: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self.images.device


def prepare(
    particles: Path | str, data_folder: Path | str | None, rows_file: Path | str | None, config: Config
) -> Prepared:
    """Read the table, check every stack, look at the images, and plan the run; nothing is written (--dry-run).

    Args:
        particles: the .star or .cs file.
        data_folder: where image paths are looked up first.
        rows_file: list of 0-based rows to use.
        config: settings of the run.

    Raises:
        InputError: if a file or a setting is wrong.
    """
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always", UserWarning)
        images = _read_images(particles, data_folder, rows_file, config)
    warnings = [str(one.message) for one in caught if one.category is UserWarning]
    unusable = find_unusable(images)
    if len(unusable.rows):
        warnings.append(
            f"{particles}: {unusable.as_text(images.table.row)}; they are left out, unposed in particles.star"
        )
        images = images.leaving_out(unusable.rows)
    table = images.table
    if len(table) < FEW_PARTICLES:
        warnings.append(
            f"{len(table)} particles are few: a map from nothing takes some thousands, and what few show can be chance"
        )
    survey = survey_images(images, config.image, config.diameter_angstrom)
    # a hollow particle is darker in its centre than in its shell, so the deconvolved mean must look dark, too
    if survey.contrast_z_score < DARK_Z_SCORE and survey.contrast_skew < 0:
        warnings.append(
            "the particles look darker than their background (centre against ring: "
            f"{survey.contrast_z_score:.0f} standard errors); protein should be bright: try "
            + ("without --invert" if config.invert else "--invert")
        )
    if (table.contrast_sign < 0).any() and not config.invert:
        warnings.append(
            "the input says that its images have inverted contrast (blob/sign -1), which is undone here; "
            "a STAR file cannot say so, so other programs need inverted images"
        )
    mask = None
    if config.mask_file is not None:
        mask = read_mask(Path(config.mask_file), table.box_size, table.reference_pixel_size_angstrom)
    plan, free = plan_run(config, table, survey), allowed_bytes(config.memory_gib)
    copies = find_copies(table, plan.copy_distance_angstrom).as_text(table.row, plan.copy_distance_angstrom)
    if copies is not None:
        warnings.append(f"{particles}: {copies}")
    if plan.least_bytes > free:
        warnings.append(
            f"images of {table.box_size} px take about {plan.least_bytes / GIB:.1f} GiB of memory without any images, "
            f"and {free / GIB:.1f} GiB may be used: bin the particles, or use a machine with more"
        )
    return Prepared(images, plan, mask, tuple(warnings))


def _read_images(
    particles: Path | str, data_folder: Path | str | None, rows_file: Path | str | None, config: Config
) -> ParticleImages:
    device = device_of(config.device)  # a device that is not there is told before a long table is read
    table = read_particles(particles, data_folder, rows_file, config.optics)
    return ParticleImages.of_table(table, inverted=config.invert, device=device)


def prepare_together(
    particles: Path | str,
    data_folder: Path | str | None,
    rows_file: Path | str | None,
    config: Config,
    folder: RunFolder,
    lock: FolderLock,
    processes: Processes,
) -> Prepared | None:
    """Prepare a run of several processes: the first one does and claims the folder, then tells the others its plan.

    Returns None where the folder holds this very run, finished. See `prepare` for the other arguments.

    Args:
        folder: the run's folder, which becomes this run's.
        lock: its lock, which the first process takes before it writes anything.
        processes: this one and the others; all must call at the same time.

    Raises:
        InputError: if a file or a setting is wrong, the folder belongs to another run, another program works in it, or
            there are more processes than a minibatch has particles.
    """

    def images_without_a_look() -> ParticleImages:
        with python_warnings.catch_warnings(action="ignore"):
            return _read_images(particles, data_folder, rows_file, config)

    if not processes.is_first:
        said = processes.broadcast_text("")
        if not said:
            return None
        told = json.loads(said)
        images = images_without_a_look().using(np.array(told["used"], dtype=np.int64))
        return Prepared(images, plan_from_json(told["plan"]), None, ())
    folder.check_inputs(Path(particles))
    missing = list[Path]()
    if folder.summary.exists():
        folder.check_settings(run_settings(images_without_a_look().stacks, config))
        missing = folder.missing_results()
        if not missing:
            processes.broadcast_text("")
            return None
    prepared = prepare(particles, data_folder, rows_file, config)
    if missing:
        names = ", ".join(path.name for path in missing)
        prepared = replace(prepared, warnings=(*prepared.warnings, f"the finished run lacks {names}; made again"))
    most = min(config.curriculum.minibatch, prepared.plan.ab_initio_particles)
    if processes.count > most:
        raise InputError(
            f"{processes.count} processes are too many for minibatches of {most} particles; "
            "give fewer --devices or a larger [curriculum] minibatch"
        )
    given = [*prepared.images.table.stack_paths, *(Path(path) for path in (rows_file, config.mask_file) if path)]
    folder.check_inputs(Path(particles), given)
    lock.take()
    folder.claim(run_settings(prepared.images.stacks, config))
    used = prepared.images.places(np.arange(len(prepared.images.table)))
    processes.broadcast_text(json.dumps({"plan": asdict(prepared.plan), "used": used.tolist()}))
    return prepared
