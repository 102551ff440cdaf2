"""Refine a finished run with the second encoder: another run folder, which begins where the run's ab initio ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from cryofifa.errors import InputError
from cryofifa.main_path import reconstruct
from cryofifa.names import (
    AB_INITIO,
    ENCODER_REFINEMENT_PART,
    HALF_MAP_ITERATION_PART,
    HALF_MAP_POSES_PART,
    JUDGE_STARTS,
    READ_PARTICLES,
)
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.stacks import ImageStacks
from cryofifa.results.summary import Reconstruction
from cryofifa.run.folder import RunFolder
from cryofifa.run.identity import run_settings
from cryofifa.run.planning import plan_refinement
from cryofifa.run.progress import read_run_state, write_run_state
from cryofifa.settings.config import Config
from cryofifa.system.folder_lock import FolderLock
from cryofifa.system.processes import ALONE, Processes

# parts of a checkpoint that the refinement makes anew
AFTER_AB_INITIO = tuple(f"{part}." for part in (HALF_MAP_POSES_PART, HALF_MAP_ITERATION_PART, ENCODER_REFINEMENT_PART))
BEFORE_REFINEMENT = (READ_PARTICLES, AB_INITIO, JUDGE_STARTS)  # phases whose time counts for both
FEWEST_EPOCHS = 4  # epochs where neither the call nor the run's own settings give a number; our choice for a CPU


def refine_encoder(
    run: Path | str,
    output: Path | str | None = None,
    *,
    epochs: int | None = None,
    device: str | None = None,
    data_folder: Path | str | None = None,
    rows_file: Path | str | None = None,
    stop: Callable[[], bool] | None = None,
    processes: Processes = ALONE,
) -> Reconstruction:
    """Refine a finished run with the second encoder; the same call again resumes.

    The new run takes over networks and poses of the finished one's ab initio, trains the second encoder, and then goes
    through half-map refinement and all that follows.

    Args:
        run: folder of the finished run.
        output: folder of the new run; RUN/refined by default.
        epochs: passes of the second encoder over the particles; by default as in the run's settings, or 4.
        device: where to compute; by default where the run did.
        data_folder, rows_file: as the run was given them.
        stop, processes: as in `reconstruct`.

    Raises:
        Stopped: when asked to stop.
        InputError: if the run is not finished, its input has changed, or the output belongs to something else.
    """
    if epochs is not None and epochs < 1:
        raise InputError(f"--epochs {epochs}: a refinement takes one at least")
    folder = RunFolder(Path(run))
    folder.check_finished()
    settings = folder.read_settings()
    before = folder.read_config()
    config = before.changed(
        device=device or before.device,
        encoder_refinement={"epochs": epochs or before.encoder_refinement.epochs or FEWEST_EPOCHS},
    )
    particles = Path(settings["particles"])
    stacks = ImageStacks(read_particles(particles, data_folder, rows_file, config.optics))
    now = run_settings(stacks, config)
    folder.check_particles(now)
    target = RunFolder(folder.path / "refined" if output is None else Path(output))
    if processes.is_first:
        with FolderLock(target.path, stop).take():
            target.claim(now)
            if not target.checkpoint.exists():
                _begin_where_ab_initio_ended(folder, target, config)
    return reconstruct(
        particles,
        target.path,
        data_folder=data_folder,
        rows_file=rows_file,
        config=config,
        stop=stop,
        processes=processes,
    )


def _begin_where_ab_initio_ended(folder: RunFolder, target: RunFolder, config: Config) -> None:
    """Write the first checkpoint of a refinement from the last one of the run that it refines."""
    tensors, progress = read_run_state(folder.checkpoint, torch.device("cpu"))
    plan = replace(progress.plan, encoder_refinement=plan_refinement(config, progress.plan.full_size_frame))
    history = [record for record in progress.history if record.phase == AB_INITIO]
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(AFTER_AB_INITIO)}
    timings = {name: seconds for name, seconds in progress.timings.items() if name in BEFORE_REFINEMENT}
    write_run_state(
        target.checkpoint, kept, replace(progress, config=config, plan=plan, history=history, timings=timings)
    )


refine = refine_encoder  # the function's former name, under which older scripts call it
