"""Find the states within a finished run: components of variability, who is in which state, and each state's map.

poses fixed -> components by halves, which of them are real -> coordinates -> mixture -> maps by halves -> differences
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.mrc_map import read_mask
from cryofifa.particles.noise_spectrum import measure_noise
from cryofifa.particles.poses import known
from cryofifa.particles.preprocess import Frame, even_at_least
from cryofifa.physics.fourier import rescale_volume, window_centre
from cryofifa.results.finished_run import FinishedRun, read_finished_run
from cryofifa.results.state_maps import StateMaps
from cryofifa.results.states_outputs import MOST_SERIES, StateOutputs
from cryofifa.results.states_summary import FoundStates, read_found, write_found
from cryofifa.run.log import Progress, RunLog
from cryofifa.system.memory import GIB
from cryofifa.variability.analysis import Analysis, analyse
from cryofifa.variability.fixed_poses import FixedPoses
from cryofifa.variability.real_components import visits_of

COMPONENTS = 6  # looked for by default; as many as tell seven states apart; our choice
# Periods of the finest detail that components have, over the particle's radius. Measured on states, whose radius is 149
# A: with 25 A 95.2 % of the particles in the right state, with 19 A 95.0 % in 1.7 times the time (LOG.md).
CYCLES = 6.0
FEWEST_PARTICLES = 100  # in each half; fewer tell nothing of components; our choice
LARGEST_NUMBER = 20  # of components and of states; our choice


def states(
    run: Path | str,
    *,
    components: int = COMPONENTS,
    count: int | None = None,
    mask_file: Path | str | None = None,
    resolution_angstrom: float | None = None,
    device: str = "auto",
    data_folder: Path | str | None = None,
    rows_file: Path | str | None = None,
) -> FoundStates:
    """Find the states within a finished run, and write their maps, particles and a report to RUN/states.

    The same call again returns what it has found; with other options everything is made anew.

    Args:
        run: the run's folder.
        components: how many components are looked for.
        count: the number of states; by default as many as the particles speak for.
        mask_file: map with values 0 to 1, on the grid of the run's map: where variability is looked for; by default
            the run's own mask.
        resolution_angstrom: the finest detail that components have; by default a sixth of the particle's radius.
        device: auto, cpu or cuda.
        data_folder, rows_file: as the run was given them.

    Raises:
        InputError: if the run is not finished, its input has changed, or an option is out of its range.
    """
    started = time.monotonic()
    for option, value in (("--components", components), ("--states", count)):
        if value is not None and not 1 <= value <= LARGEST_NUMBER:
            raise InputError(f"{option} {value}: give a number from 1 to {LARGEST_NUMBER}")
    finished = read_finished_run(run, data_folder, rows_file, device)
    mask = _mask(finished, mask_file)
    made_from = _made_from(finished, mask, [components, count, resolution_angstrom])
    files = finished.folder.states
    earlier = read_found(files, made_from)
    if earlier is not None:
        return earlier
    source, coarse_mask = _source(finished, mask, resolution_angstrom)
    members, half = torch.arange(len(finished.poses), device=finished.images.device), known(finished.poses.half)
    fewest = min(int((half == which).sum()) for which in (1, 2))
    if fewest < FEWEST_PARTICLES:
        raise InputError(
            f"{finished.folder.kept}: has {fewest} particles in one of its halves, too few to tell states apart; "
            f"{FEWEST_PARTICLES} are the least"
        )
    files.folder.mkdir(exist_ok=True)
    files.clear()
    with RunLog(files.log) as log:
        if finished.summary.verdict in ("unconfirmed", "not converged"):
            log.warning(f"the run is {finished.summary.verdict}: what differs between particles may be their poses")
        with Progress(visits_of(len(members)) + len(members)) as bar:
            bar.stage("components", source.frame.plane.extent_angstrom / source.frame.plane.largest_radius)
            analysis = analyse(
                source,
                members,
                coarse_mask,
                source.frame.plane,
                components,
                count,
                finished.config.seed,
                bar.advance,
                log.line,
            )
        found = _written(finished, analysis, mask, components, started)
        write_found(found, made_from)
        log.line(f"{found.conclusion}, {found.seconds:.0f} s")
    return found


def _mask(run: FinishedRun, mask_file: Path | str | None) -> Float[Tensor, "z y x"]:
    """Where variability is looked for, on the map's grid."""
    path = run.folder.map().mask if mask_file is None else Path(mask_file)
    return read_mask(path, run.images.table.box_size, run.images.pixel_size_angstrom).to(run.images.device)


def _made_from(run: FinishedRun, mask: Float[Tensor, "z y x"], options: list[Any]) -> dict[str, Any]:
    """What tells this analysis from another one, ready for JSON."""
    digest = hashlib.sha256(run.folder.particles.read_bytes())
    digest.update(run.folder.kept.read_bytes())
    digest.update(mask.cpu().numpy().tobytes())
    return {"sha256": digest.hexdigest(), "components_states_resolution": options}


def _source(
    run: FinishedRun, mask: Float[Tensor, "z y x"], resolution_angstrom: float | None
) -> tuple[FixedPoses, Float[Tensor, "box box box"]]:
    """The particles on a grid that is just fine enough for their components, and the mask on that grid."""
    pixel_size, window = run.images.pixel_size_angstrom, run.window_pixel
    extent, radius_angstrom = window * pixel_size, run.summary.particle_radius_angstrom
    finest, coarsest = 2 * pixel_size, extent / 4
    if resolution_angstrom is not None and not finest <= resolution_angstrom <= coarsest:
        raise InputError(
            f"--resolution {resolution_angstrom:g}: give angstrom from {finest:g} (two pixels) to {coarsest:.0f}"
        )
    wanted = max(radius_angstrom / CYCLES, finest) if resolution_angstrom is None else resolution_angstrom
    radius = min(extent / wanted, window / 2 - 1)
    frame = Frame(window, min(window, even_at_least(2 * (radius + 1))), pixel_size)
    noise = measure_noise(run.images, np.arange(len(run.images.table)), radius_angstrom)
    coarse_mask = rescale_volume(window_centre(mask, window, 3), frame.box_size).clamp(0, 1)
    return FixedPoses(run.particle_frame(frame, radius, GIB), run.poses, noise), coarse_mask


def _written(
    run: FinishedRun, analysis: Analysis, mask: Float[Tensor, "z y x"], components: int, started: float
) -> FoundStates:
    """Make all maps and write all files but states.json."""
    passes = min(analysis.components.count, MOST_SERIES) + (analysis.probabilities.shape[1] > 1)
    with Progress(passes * len(analysis.members)) as bar:
        bar.stage("maps")
        makes = StateMaps(run, mask, analysis.resolution_angstrom, bar.advance)
        return StateOutputs(run, analysis, mask, makes).write(components, started)
