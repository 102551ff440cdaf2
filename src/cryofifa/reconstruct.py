"""The main path.

particles -> preprocess -> ab initio (encode, search, slice, loss, curriculum) -> refine -> polish -> junk -> map
    -> report
"""

from __future__ import annotations

import io
import json
import warnings as python_warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.config import Config
from cryofifa.errors import InputError
from cryofifa.memory import GIB, allowed_bytes, allowed_bytes_on, is_out_of_memory
from cryofifa.mrc_map import read_mask
from cryofifa.particles.particle_radius import survey_images
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.table import read_particles
from cryofifa.phases import Phases
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.plan import RunPlan, plan_from_json, plan_run
from cryofifa.results.gold_standard import masked_fsc
from cryofifa.results.junk import split_scores
from cryofifa.results.outputs import Reconstruction, RunResults, read_summary, write_outputs
from cryofifa.run_folder import RunFolder, run_settings
from cryofifa.run_progress import RunProgress
from cryofifa.run_so_far import RunSoFar
from cryofifa.train.process_group import ALONE, Processes
from cryofifa.train.run_log import Progress, RunLog

LEAST_MEMORY_GIB = 0.25  # under which a run does not try to do with less; our choice
TOO_LITTLE_MEMORY = (
    "the memory is not enough; with a larger one the same command goes on where the run was, "
    "or begin another with a smaller [curriculum] minibatch"
)
DARK_Z_SCORE = -5.0  # centre against ring, in standard errors, under which particles count as dark


def reconstruct(
    particles: Path | str,
    output: Path | str,
    *,
    data_folder: Path | str | None = None,
    rows_file: Path | str | None = None,
    config: Config | None = None,
    stop: Callable[[], bool] | None = None,
    processes: Processes = ALONE,
) -> Reconstruction:
    """Reconstruct a map and every particle's pose from a .star or .cs file; the same call again resumes.

    data_folder: where image paths are looked up first; rows_file: text or .npy list of 0-based rows to use.
    stop: asked after every step; when it says yes, a checkpoint is written and the run ends.
    processes: this one and those beside it that work on the same run, each of which makes this call.

    Raises:
        Stopped: when asked to stop.
        InputError: if a file or a setting is wrong, or `output` belongs to a run with other settings.
    """
    config, folder = config or Config(), RunFolder(Path(output))
    prepared = _prepare_together(particles, data_folder, rows_file, config, folder, processes)
    if prepared is None:
        return read_summary(folder)
    allowed_gib = config.memory_gib or allowed_bytes_on(prepared.device, None) / GIB
    while True:
        try:
            return _reconstructed(prepared, config, folder, stop, processes)
        except Exception as error:
            # others would wait for this process
            if not is_out_of_memory(error) or not processes.alone:
                raise
            allowed_gib /= 2
            if allowed_gib < LEAST_MEMORY_GIB:
                raise InputError(f"{folder.path}: {TOO_LITTLE_MEMORY}") from None
        # only now is the error gone, and all that it refers to
        if prepared.device.type == "cuda":
            torch.cuda.empty_cache()
        config = config.changed(memory_gib=allowed_gib)
        text = f"there was not enough memory; goes on from the last checkpoint with {allowed_gib:.3g} GiB"
        prepared = replace(prepared, warnings=(*prepared.warnings, text))


def _reconstructed(
    prepared: Prepared, config: Config, folder: RunFolder, stop: Callable[[], bool] | None, processes: Processes
) -> Reconstruction:
    """The run, from its last checkpoint on."""
    path, stream = (folder.log, None) if processes.is_first else (None, io.StringIO())
    with RunLog(path, stream=stream) as log:
        for warning in prepared.warnings:
            log.warning(warning)
        run = RunSoFar(RunProgress(config, prepared.plan), prepared.device, folder, log, processes, stop)
        run.resume()
        progress, phases = run.progress, Phases(run, prepared.images)
        log.line("plan\n" + progress.plan.describe())
        with Progress(progress.visits_in_all, done=progress.visits_done, stream=stream) as bar:
            ab_initio = phases.find_poses(bar)
            trained = phases.refine_poses(ab_initio, bar)
            poses = phases.polish_poses(trained, bar)
        score = poses.score.cpu().double().numpy()
        split = split_scores(score)
        kept = split.kept(score)
        log.line(f"junk: {split.describe()}, {kept.sum()} of {len(kept)} particles kept")
        taken = torch.from_numpy(kept if config.junk.map_of_kept else np.ones_like(kept)).to(prepared.device)
        found = phases.final_map(poses, taken)
        if found is None:
            processes.wait()
            return read_summary(folder)
        maps, particle_radius_angstrom = found
        mask = phases.mask_of(maps) if prepared.mask is None else prepared.mask.to(prepared.device)
        results = RunResults(
            plan=progress.plan,
            maps=maps,
            mask=mask,
            curves=masked_fsc(
                *maps.unfiltered,
                mask,
                progress.plan.shared_shell,
                config.seed,
                len(symmetry_rotations(config.symmetry)),
            ),
            decoder_map=phases.decoder_map(trained),
            poses=poses,
            kept=kept,
            particle_radius_angstrom=particle_radius_angstrom,
            agreeing_starts=phases.starts.agreeing(poses.rotation),
            history=progress.history,
            timings=progress.timings,
            warnings=log.warnings,
        )
        reconstruction = write_outputs(folder, config, prepared.images, results)
    processes.wait()
    return reconstruction


@dataclass(frozen=True)
class Prepared:
    """What is known before a run: images that can be read, a resolved plan, and what the user should be told."""

    images: ParticleImages
    plan: RunPlan
    device: torch.device
    mask: Float[Tensor, "z y x"] | None
    warnings: tuple[str, ...]


def prepare(
    particles: Path | str, data_folder: Path | str | None, rows_file: Path | str | None, config: Config
) -> Prepared:
    """Read the table, check every stack, look at the images, and plan; writes nothing (this is --dry-run).

    Raises:
        InputError: if a file or a setting is wrong.
    """
    device = device_of(config.device)
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always", UserWarning)
        images = _read_images(particles, data_folder, rows_file, config)
    table = images.table
    survey = survey_images(images)
    warnings = [str(one.message) for one in caught if one.category is UserWarning]
    # a hollow particle is darker in its centre than its shell, so the deconvolved mean must say the same
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
    if plan.least_bytes > free:
        warnings.append(
            f"images of {table.box_size} px take about {plan.least_bytes / GIB:.1f} GiB of memory without any images, "
            f"and {free / GIB:.1f} GiB may be used: bin the particles, or use a machine with more"
        )
    return Prepared(images, plan, device, mask, tuple(warnings))


def _read_images(
    particles: Path | str, data_folder: Path | str | None, rows_file: Path | str | None, config: Config
) -> ParticleImages:
    return ParticleImages.of_table(
        read_particles(particles, data_folder, rows_file), inverted=config.invert, device=device_of(config.device)
    )


def _prepare_together(
    particles: Path | str,
    data_folder: Path | str | None,
    rows_file: Path | str | None,
    config: Config,
    folder: RunFolder,
    processes: Processes,
) -> Prepared | None:
    """The first process prepares the run and claims its folder, then tells the others its plan.

    None where the folder holds the end of this very run.
    """

    def images_without_a_look() -> ParticleImages:
        with python_warnings.catch_warnings(action="ignore"):
            return _read_images(particles, data_folder, rows_file, config)

    if not processes.is_first:
        said = processes.first_says("")
        if not said:
            return None
        return Prepared(images_without_a_look(), plan_from_json(json.loads(said)), device_of(config.device), None, ())
    if folder.summary.exists():
        folder.claim(run_settings(images_without_a_look().stacks, config))
        processes.first_says("")
        return None
    prepared = prepare(particles, data_folder, rows_file, config)
    most = min(config.curriculum.minibatch, prepared.plan.ab_initio_particles)
    if processes.count > most:
        raise InputError(
            f"{processes.count} processes are too many for minibatches of {most} particles; "
            "give fewer --devices or a larger [curriculum] minibatch"
        )
    folder.claim(run_settings(prepared.images.stacks, config))
    processes.first_says(json.dumps(asdict(prepared.plan)))
    return prepared


def device_of(name: str) -> torch.device:
    """Of a setting: auto, cpu or cuda."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available to torch; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
