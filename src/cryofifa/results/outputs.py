"""The output files of a finished run: maps, poses, FSC curves, summary and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.results.directional_fsc import DirectionalFsc
from cryofifa.results.gold_standard import MaskedFsc
from cryofifa.results.machine import peak_gpu_memory_gib, peak_memory_gib, versions
from cryofifa.results.map_result import MapResult
from cryofifa.results.report.contents import ProvenancePart, ReportContents, VerdictPart
from cryofifa.results.report.gather import map_part, particle_part, run_part
from cryofifa.results.report.report import write_report
from cryofifa.results.summary import Reconstruction
from cryofifa.results.verdict import Evidence
from cryofifa.results.view_coverage import sampling_compensation_factor, with_equal_poses
from cryofifa.run.folder import RunFolder, write_json
from cryofifa.run.progress import RunProgress
from cryofifa.settings.config import Config, config_as_toml
from cryofifa.train.epoch_record import epoch_record_to_json


@dataclass(frozen=True)
class RunResults:
    """What a run has found and how it went, ready for `write_outputs`.

    Attributes:
        progress: the run's plan, history and timings.
        maps: one judged map for each class.
        poses: poses and scores of all particles.
        kept: which particles are not taken for junk.
        poses_of_maps: of the particles that the maps are made of: views of junk are none of theirs.
        agreeing_starts: how many starts of ab initio came to these poses, the best one included.
        warnings: what the user was warned of.
    """

    progress: RunProgress
    maps: Sequence[MapResult]
    poses: Poses
    kept: Bool[np.ndarray, " n"]
    poses_of_maps: Poses
    agreeing_starts: int
    warnings: Sequence[str]


def evidence_of_run(
    config: Config,
    progress: RunProgress,
    poses: Poses,
    agreeing_starts: int,
    curves: MaskedFsc,
    directional: DirectionalFsc,
) -> Evidence:
    """The evidence that a run has for or against one of its maps.

    Args:
        config: settings of the run.
        progress: its plan and history.
        poses: of the map's particles.
        agreeing_starts: how many starts came to them, the best one included.
        curves: the FSC of the map's halves.
        directional: the same along every direction.
    """
    plan = progress.plan
    box_angstrom = plan.box_size * plan.pixel_size_angstrom
    return Evidence(
        pose_change_median_degree=progress.last_pose_change_degree,
        starts=max(1, len(progress.starts)),
        agreeing_starts=agreeing_starts,
        resolution_angstrom=curves.resolution_angstrom(0.143, box_angstrom),
        shared_resolution_angstrom=plan.shared_resolution_angstrom,
        unshared_resolution_angstrom=box_angstrom / (plan.shared_shell + 1),
        sampling_compensation_factor=sampling_compensation_factor(_views(config, poses)),
        area_ratio=directional.area_ratio,
        worst_direction_angstrom=float(directional.resolution_angstrom.max()),
    )


def write_outputs(folder: RunFolder, config: Config, images: ParticleImages, results: RunResults) -> Reconstruction:
    """Write all files of a run; run.json comes last, because its presence says that the run is finished.

    Args:
        folder: the run's folder.
        config: settings of the run.
        images: all of its particles, in the order of the poses.
        results: what the run has found.

    Returns:
        The result that `reconstruct` returns.
    """
    poses, first, progress = results.poses, results.maps[0], results.progress
    for index, result in enumerate(results.maps):
        result.write(folder.map(index))
    rows = np.flatnonzero(results.kept)
    absolute, listed_poses, places = config.absolute_paths, images.poses_of_listed(poses), images.places(rows)
    kept_table = images.listed.select(places)
    kept_poses = listed_poses.select(torch.from_numpy(places).to(poses.rotation.device))
    write_particles_star(folder.particles, images.listed, listed_poses, absolute_names=absolute)
    write_particles_star(folder.kept, kept_table, kept_poses, absolute_names=absolute)
    if images.table.kind == "cs":
        write_particles_cs(folder.particles_cs, images.listed, listed_poses)
        write_particles_cs(folder.kept_cs, kept_table, kept_poses)
    found = Reconstruction(
        folder=folder,
        particles=len(images.table),
        kept_particles=len(rows),
        pixel_size_angstrom=first.pixel_size_angstrom,
        particle_radius_angstrom=first.particle_radius_angstrom,
        verdict=first.verdict.word,
        verdict_reasons=first.verdict.reasons,
        resolution_fsc0143_angstrom=first.resolution_fsc0143_angstrom,
        resolution_fsc05_angstrom=first.resolution_fsc05_angstrom,
        local_resolution_quartiles_angstrom=first.local_resolution_quartiles_angstrom,
        shared_resolution_angstrom=progress.plan.shared_resolution_angstrom,
        starts=max(1, len(progress.starts)),
        agreeing_starts=results.agreeing_starts,
        pose_change_median_degree=progress.last_pose_change_degree,
        seconds=sum(progress.timings.values()),
        resolution_best_direction_angstrom=first.resolution_best_direction_angstrom,
        resolution_worst_direction_angstrom=first.resolution_worst_direction_angstrom,
        conical_fsc_area_ratio=first.directional.area_ratio,
        sampling_compensation_factor=first.sampling_compensation_factor,
    )
    write_report(folder.report, _report(config, images, results, found))
    write_json(folder.summary, _summary(found, results))
    return found


def _views(config: Config, poses: Poses) -> Float[np.ndarray, "views 3 3"]:
    return with_equal_poses(poses.on_host().rotation.numpy(), symmetry_rotations(config.symmetry))


def _summary(found: Reconstruction, results: RunResults) -> dict[str, Any]:
    """The contents of run.json; the files that it names lie in the run's folder by now."""
    folder = found.folder
    values = {name: value for name, value in vars(found).items() if name != "folder"}
    return {
        **values,
        "hand": "unknown",
        "signs": [vars(sign) for sign in results.maps[0].verdict.signs],
        "warnings": list(results.warnings),
        "files": [str(path.relative_to(folder.path)) for path in folder.results(len(results.maps)) if path.is_file()],
        "timings_seconds": dict(results.progress.timings),
        "peak_memory_gib": peak_memory_gib(),
        "peak_gpu_memory_gib": peak_gpu_memory_gib(),
        "versions": versions(),
        "history": [epoch_record_to_json(record) for record in results.progress.history],
    }


def _report(config: Config, images: ParticleImages, results: RunResults, found: Reconstruction) -> ReportContents:
    first, device = results.maps[0], results.poses.rotation.device
    return ReportContents(
        run=run_part(
            config,
            images,
            found.kept_particles,
            len(results.poses_of_maps),
            found.particle_radius_angstrom,
            device,
            peak_memory_gib(),
        ),
        verdict=VerdictPart(first.verdict.word, first.verdict.reasons, first.verdict.signs, results.warnings),
        maps=[
            map_part(result, found.shared_resolution_angstrom, f"class {index + 1}" if len(results.maps) > 1 else "")
            for index, result in enumerate(results.maps)
        ],
        rotation_volume_to_image=_views(config, results.poses_of_maps),
        history=results.progress.history,
        particles=particle_part(images, first.maps.combined, results.poses),
        provenance=ProvenancePart(list(results.progress.timings.items()), versions(), config_as_toml(config)),
    )
