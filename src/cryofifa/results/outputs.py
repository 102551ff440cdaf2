"""Everything a finished run leaves behind: maps, poses, FSC curve, summary and report."""

from __future__ import annotations

import math
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.half_map_refinement.half_maps import HalfMaps
from cryofifa.mrc_map import write_map
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.results.fsc import write_fsc_csv
from cryofifa.results.gold_standard import MaskedFsc
from cryofifa.results.local_resolution import local_resolution, quartiles_inside
from cryofifa.results.report.contents import ProvenancePart, ReportContents, VerdictPart
from cryofifa.results.report.gather import local_resolution_part, map_part, particle_part, run_part
from cryofifa.results.report.report import write_report
from cryofifa.results.verdict import Evidence, Verdict, Word, verdict_of
from cryofifa.results.view_coverage import fourier_sampling, with_equal_poses
from cryofifa.run.folder import RunFolder, read_json, write_json
from cryofifa.run.plan import RunPlan
from cryofifa.settings.config import Config, checked_value, config_as_toml
from cryofifa.train.epoch_record import EpochRecord, epoch_record_to_json


@dataclass(frozen=True)
class Reconstruction:
    """The result that `reconstruct` returns; everything else lies in the files of `folder`.

    resolution_fsc0143_angstrom, resolution_fsc05_angstrom: where the corrected half-map FSC falls under 0.143 and 0.5;
        None where the verdict is "not converged".
    local_resolution_quartiles_angstrom: over the voxels inside the mask; None where there is no local resolution.
    shared_resolution_angstrom: down to this resolution both halves shared one network.
    starts, agreeing_starts: of ab initio; how many there were, and how many came to the same poses.
    pose_change_median_degree: in the last epoch; None if there was none.
    """

    folder: RunFolder
    particles: int
    kept_particles: int
    pixel_size_angstrom: float
    particle_radius_angstrom: float
    verdict: Word
    verdict_reasons: tuple[str, ...]
    resolution_fsc0143_angstrom: float | None
    resolution_fsc05_angstrom: float | None
    local_resolution_quartiles_angstrom: tuple[float, float, float] | None
    shared_resolution_angstrom: float
    starts: int
    agreeing_starts: int
    pose_change_median_degree: float | None
    seconds: float

    @property
    def report(self) -> Path:
        """Path of the report."""
        return self.folder.report

    def as_text(self) -> str:
        """Where map, poses and report lie, and how far the result can be trusted."""
        resolution = self.resolution_fsc0143_angstrom
        reached = "" if resolution is None else f", half maps agree to {resolution:.1f} A"
        return (
            f"map     {self.folder.map}\nposes   {self.folder.particles}\nreport  {self.report}\n"
            f"verdict {self.verdict}{reached}: {'; '.join(self.verdict_reasons)}"
        )


@dataclass(frozen=True)
class RunResults:
    """What a run has found, and how it went: what `write_outputs` writes.

    kept: which particles are not taken for junk.
    history: one record per epoch.
    timings: seconds by phase.
    """

    plan: RunPlan
    maps: HalfMaps
    mask: Float[Tensor, "z y x"]
    curves: MaskedFsc
    decoder_map: Float[Tensor, "z y x"]
    poses: Poses
    kept: Bool[np.ndarray, " n"]
    particle_radius_angstrom: float
    agreeing_starts: int
    history: Sequence[EpochRecord]
    timings: Mapping[str, float]
    warnings: Sequence[str]


def write_outputs(folder: RunFolder, config: Config, images: ParticleImages, results: RunResults) -> Reconstruction:
    """Write all files of a run; run.json comes last, because its presence says that the run is finished."""
    maps, curves, poses, pixel_size = results.maps, results.curves, results.poses, images.pixel_size_angstrom
    box_angstrom = maps.combined.shape[-1] * pixel_size
    for path, volume in ((folder.map, maps.combined), *zip(folder.half_maps, maps.unfiltered, strict=True)):
        write_map(path, volume.cpu(), pixel_size)
    write_map(folder.decoder_map, results.decoder_map.cpu(), pixel_size)
    write_map(folder.mask, results.mask.cpu(), pixel_size)
    write_fsc_csv(folder.fsc, maps.fsc.cpu(), box_angstrom, {name: curve.cpu() for name, curve in vars(curves).items()})
    resolution_0143, resolution_05 = (curves.resolution_angstrom(threshold, box_angstrom) for threshold in (0.143, 0.5))
    views = with_equal_poses(poses.on_host().rotation.numpy(), symmetry_rotations(config.symmetry))
    change = results.history[-1].pose_change_median_degree if results.history else None
    evidence = Evidence(
        pose_change_median_degree=change,
        starts=results.plan.starts,
        agreeing_starts=results.agreeing_starts,
        resolution_angstrom=resolution_0143,
        shared_resolution_angstrom=results.plan.shared_resolution_angstrom,
        unshared_resolution_angstrom=box_angstrom / (results.plan.shared_shell + 1),
        fourier_sampling=fourier_sampling(views),
    )
    verdict = verdict_of(evidence)
    local = None
    if verdict.resolution_counts and evidence.confirmed_by_halves:  # what they share agrees at every voxel
        local = local_resolution(*maps.unfiltered, results.mask, pixel_size)
        write_map(folder.local_resolution, local.cpu(), pixel_size)
    rows = np.flatnonzero(results.kept)
    kept_table, kept_poses = images.table.select(rows), poses.select(torch.from_numpy(rows).to(poses.rotation.device))
    write_particles_star(folder.particles, images.table, poses)
    write_particles_star(folder.kept, kept_table, kept_poses)
    if images.table.kind == "cs":
        write_particles_cs(folder.particles_cs, images.table, poses)
        write_particles_cs(folder.kept_cs, kept_table, kept_poses)
    found = Reconstruction(
        folder=folder,
        particles=len(images.table),
        kept_particles=len(rows),
        pixel_size_angstrom=pixel_size,
        particle_radius_angstrom=results.particle_radius_angstrom,
        verdict=verdict.word,
        verdict_reasons=verdict.reasons,
        resolution_fsc0143_angstrom=resolution_0143 if verdict.resolution_counts else None,
        resolution_fsc05_angstrom=resolution_05 if verdict.resolution_counts else None,
        local_resolution_quartiles_angstrom=None if local is None else quartiles_inside(local, results.mask),
        shared_resolution_angstrom=results.plan.shared_resolution_angstrom,
        starts=results.plan.starts,
        agreeing_starts=results.agreeing_starts,
        pose_change_median_degree=change,
        seconds=sum(results.timings.values()),
    )
    write_report(folder.report, _report(config, images, results, found, verdict, local, views))
    write_json(folder.summary, _summary(found, results, verdict))
    return found


def read_summary(folder: RunFolder) -> Reconstruction:
    """Read the result of a finished run from its run.json.

    Raises:
        InputError: if run.json is damaged.
    """
    values = read_json(folder.summary)
    wanted = {name: hint for name, hint in get_type_hints(Reconstruction).items() if name != "folder"}
    missing = wanted.keys() - (values.keys() if isinstance(values, dict) else ())
    if missing:
        raise InputError(f"{folder.summary}: has no '{min(missing)}'; delete the folder and start anew")
    reasons = values["verdict_reasons"]
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise InputError(f"{folder.summary}: 'verdict_reasons' is no list of words; delete the folder and start anew")
    quartiles_name = "local_resolution_quartiles_angstrom"
    quartiles = _checked_quartiles(values[quartiles_name], f"{folder.summary}: '{quartiles_name}'")
    del wanted["verdict_reasons"], wanted[quartiles_name]
    found = {name: checked_value(values[name], hint, f"{folder.summary}: '{name}'") for name, hint in wanted.items()}
    odd = next((name for name, value in found.items() if isinstance(value, float) and not math.isfinite(value)), None)
    if odd is not None:
        raise InputError(f"{folder.summary}: '{odd}' is {found[odd]}; delete the folder and start anew")
    return Reconstruction(
        folder=folder, verdict_reasons=tuple(reasons), local_resolution_quartiles_angstrom=quartiles, **found
    )


def _checked_quartiles(value: Any, where: str) -> tuple[float, float, float] | None:
    """Three rising, positive numbers, or None."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise InputError(f"{where} is no list of three numbers; delete the folder and start anew")
    lower, median, upper = (checked_value(entry, float, where) for entry in value)
    if not 0 < lower <= median <= upper < math.inf:  # false for NaN too
        raise InputError(f"{where} is {value}, which no quartiles are; delete the folder and start anew")
    return lower, median, upper


def _summary(found: Reconstruction, results: RunResults, verdict: Verdict) -> dict:
    """The contents of run.json."""
    values = {name: value for name, value in vars(found).items() if name != "folder"}
    return {
        **values,
        "hand": "unknown",
        "signs": [vars(sign) for sign in verdict.signs],
        "warnings": list(results.warnings),
        "timings_seconds": dict(results.timings),
        "peak_memory_gib": _peak_memory_gib(),
        "peak_gpu_memory_gib": _peak_gpu_memory_gib(),
        "versions": _versions(),
        "history": [epoch_record_to_json(record) for record in results.history],
    }


def _report(
    config: Config,
    images: ParticleImages,
    results: RunResults,
    found: Reconstruction,
    verdict: Verdict,
    local: Float[Tensor, "z y x"] | None,
    views: Float[np.ndarray, "views 3 3"],
) -> ReportContents:
    local_part = None
    if local is not None and found.local_resolution_quartiles_angstrom is not None:
        local_part = local_resolution_part(local, results.mask, found.local_resolution_quartiles_angstrom)
    device, volume = results.poses.rotation.device, results.maps.combined
    resolution = {0.143: found.resolution_fsc0143_angstrom, 0.5: found.resolution_fsc05_angstrom}
    return ReportContents(
        run=run_part(config, images, found.kept_particles, found.particle_radius_angstrom, device, _peak_memory_gib()),
        verdict=VerdictPart(verdict.word, verdict.reasons, verdict.signs, results.warnings),
        maps=[
            map_part(
                volume,
                found.pixel_size_angstrom,
                results.curves,
                resolution,
                found.shared_resolution_angstrom,
                local_part,
            )
        ],
        rotation_volume_to_image=views,
        history=results.history,
        particles=particle_part(images, volume, results.poses),
        provenance=ProvenancePart(list(results.timings.items()), _versions(), config_as_toml(config)),
    )


def _peak_memory_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def _peak_gpu_memory_gib() -> float | None:
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_initialized() else None


def _versions() -> dict[str, str]:
    names = ("cryofifa", "torch", "numpy", "scipy", "mrcfile", "starfile")
    found = {name: metadata.version(name) for name in names if _installed(name)}
    return {"python": platform.python_version(), **found}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
