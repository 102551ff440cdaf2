"""The main path: `reconstruct` takes particle images to a map, poses, a verdict and a report.

In the order of the data: the particle table is read, its images are surveyed and the run is planned (`run/prepare.py`).
Independent starts find poses from nothing until two agree, and a decoder and an encoder are trained from the poses of
the best; where asked for, a second encoder corrects the poses on full-size images. Half-map refinement then matches
each half of the particles to its own half map, and scores every particle against the other half's map. Scores and looks
tell particles from junk, and the full-size images of those that the map explains are back-projected into two half maps
and the final map. The half maps' FSC inside a mask, and along every direction, gives the resolution and, with the other
signs of the run, the verdict. In the end all files and the report are written. Checkpoints are written on the way, from
which the same call resumes.
"""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cryofifa.errors import InputError
from cryofifa.physics.point_group_names import member_count
from cryofifa.results.directional_fsc import directional_fsc
from cryofifa.results.gold_standard import masked_fsc
from cryofifa.results.map_result import MapResult
from cryofifa.results.outputs import RunResults, evidence_of_run, write_outputs
from cryofifa.results.shift_limit import shift_limit_warning
from cryofifa.results.summary import Reconstruction, read_summary
from cryofifa.run.folder import RunFolder
from cryofifa.run.log import Progress, RunLog
from cryofifa.run.phases import Phases
from cryofifa.run.prepare import Prepared, prepare_together
from cryofifa.run.progress import RunProgress
from cryofifa.run.session import Session
from cryofifa.settings.config import Config
from cryofifa.system.folder_lock import FolderLock
from cryofifa.system.memory import GIB, allowed_bytes_on, is_out_of_memory
from cryofifa.system.processes import ALONE, Processes

LEAST_MEMORY_GIB = 0.25  # after running out of memory, a run does not try again with less than this; our choice
TOO_LITTLE_MEMORY = (
    "the memory is not enough; with a larger one the same command goes on where the run was, "
    "or begin another with a smaller [curriculum] minibatch"
)


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

    Args:
        particles: the RELION or cryoSPARC particle file.
        output: the run's folder; it is made if absent.
        data_folder: where image paths are looked up first.
        rows_file: list of 0-based rows to use; all particles by default.
        config: settings of the run; those of `Config()` by default.
        stop: asked after every step; when it says yes, a checkpoint is written and the run ends.
        processes: this process and the others that work on the same run, each of which makes this call.

    Raises:
        Stopped: when asked to stop.
        InputError: if a file or a setting is wrong, `output` belongs to a run with other settings, or another process
            works in it.
    """
    config, folder = config or Config(), RunFolder(Path(output))
    with FolderLock(folder.path, stop) as lock:

        def asked_to_stop() -> bool:
            lock.check()
            return stop is not None and stop()

        prepared = prepare_together(particles, data_folder, rows_file, config, folder, lock, processes)
        if prepared is None:
            return read_summary(folder)
        return _reconstructed_in_memory(prepared, config, folder, asked_to_stop, processes)


def _reconstructed_in_memory(
    prepared: Prepared, config: Config, folder: RunFolder, stop: Callable[[], bool], processes: Processes
) -> Reconstruction:
    """Go through the run; where memory runs out, again from its last checkpoint with less."""
    allowed_gib = config.memory_gib or allowed_bytes_on(prepared.device, None) / GIB
    while True:
        try:
            return _reconstructed(prepared, config, folder, stop, processes)
        except Exception as error:
            # of several processes the others would wait for this one
            if not is_out_of_memory(error) or not processes.alone:
                raise
            allowed_gib /= 2
            if allowed_gib < LEAST_MEMORY_GIB:
                raise InputError(f"{folder.path}: {TOO_LITTLE_MEMORY}") from None
        # only here the error is gone, and with it all memory that it refers to; a training refers to itself
        gc.collect()
        if prepared.device.type == "cuda":
            torch.cuda.empty_cache()
        config = config.changed(memory_gib=allowed_gib)
        text = f"there was not enough memory; goes on from the last checkpoint with {allowed_gib:.3g} GiB"
        prepared = replace(prepared, warnings=(*prepared.warnings, text))


def _reconstructed(
    prepared: Prepared, config: Config, folder: RunFolder, stop: Callable[[], bool], processes: Processes
) -> Reconstruction:
    """Go through the run from its last checkpoint on; returns its result once all files are written."""
    path, stream = (folder.log, None) if processes.is_first else (None, io.StringIO())
    with RunLog(path, stream=stream) as log:
        for warning in prepared.warnings:
            log.warning(warning)
        run = Session(RunProgress(config, prepared.plan), prepared.device, folder, log, processes, stop)
        run.resume()
        progress, phases = run.progress, Phases(run, prepared.images)
        log.line("plan\n" + progress.plan.describe())
        with Progress(progress.visits_in_all, done=progress.visits_done, stream=stream) as bar:
            ab_initio = phases.find_poses(bar)
            trained = phases.refine_poses(ab_initio, bar)
            poses, junk = phases.refine_against_half_maps(trained, bar)
        log.line(f"junk: {junk.describe()}")
        of_map = junk.explained if config.junk.map_of_kept else np.ones_like(junk.explained)
        taken = torch.from_numpy(of_map).to(prepared.device)
        first_size = progress.plan.particle_size(config)  # the wider one: see particle_size.py
        classes = range(trained.networks.classes)
        found = [phases.final_map(poses, taken & poses.in_class(index), first_size) for index in classes]
        if not processes.is_first:
            processes.barrier()
            return read_summary(folder)
        poses_of_maps = poses.select(taken)
        if warning := shift_limit_warning(poses_of_maps, progress.plan.shift_range_angstrom):
            log.warning(warning)
        agreeing_starts, judged = phases.starts.agreeing_with_end(poses.rotation), list[MapResult]()
        members = member_count(config.symmetry)
        for index, (maps, size) in enumerate(one for one in found if one is not None):
            mask = phases.mask_of(maps, first_size) if prepared.mask is None else prepared.mask.to(prepared.device)
            curves = masked_fsc(*maps.unfiltered, mask, progress.plan.shared_shell, config.seed, members)
            mine = poses_of_maps.select(poses_of_maps.in_class(index))
            pixel_size_angstrom, decoder_map = progress.plan.pixel_size_angstrom, phases.decoder_map(trained, index)
            directional = directional_fsc(
                *maps.unfiltered, mask, pixel_size_angstrom, progress.plan.shared_shell, config.seed
            )
            evidence = evidence_of_run(config, progress, mine, agreeing_starts, curves, directional)
            judged.append(
                MapResult.judged(
                    maps, mask, curves, directional, decoder_map, pixel_size_angstrom, size.radius_angstrom, evidence
                )
            )
            if judged[-1].verdict.warning:
                log.warning(judged[-1].verdict.warning)
        results = RunResults(
            progress=progress,
            maps=judged,
            poses=poses,
            kept=junk.particle,
            poses_of_maps=poses_of_maps,
            agreeing_starts=agreeing_starts,
            warnings=log.warnings,
        )
        reconstruction = write_outputs(folder, config, prepared.images, results)
    processes.barrier()
    return reconstruction
