"""Everything a finished run leaves behind: maps, poses, curve, summary, report."""

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
from cryofifa.half_map_refinement.state import HalfMapPoses
from cryofifa.mrc_map import write_map
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.row_list import evenly_spread
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.preprocess import ParticleImages, butterworth_low_pass
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.results.fsc import write_fsc_csv
from cryofifa.results.gold_standard import MaskedFsc
from cryofifa.results.local_resolution import INSIDE, local_resolution, quartiles_inside
from cryofifa.results.report.report import ReportContents, write_report
from cryofifa.results.verdict import Evidence, Verdict, Word, verdict_of
from cryofifa.results.view_coverage import fourier_sampling, with_equal_poses
from cryofifa.run.folder import RunFolder, read_json, write_json
from cryofifa.run.plan import RunPlan
from cryofifa.settings.config import Config, config_as_toml
from cryofifa.settings.reading import checked_value
from cryofifa.train.epoch_record import EpochRecord, epoch_record_to_json

EXAMPLES = 8


@dataclass(frozen=True)
class Reconstruction:
    """What `reconstruct` returns; everything else lies in the files of `folder`.

    resolution_*: crossings of the corrected half-map FSC; None where the verdict is "not converged".
    local_resolution_quartiles_angstrom: over the voxels inside the mask; None likewise.
    shared_resolution_angstrom: down to it both halves had one network in common.
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
        return self.folder.report


@dataclass(frozen=True)
class RunResults:
    """What a run found, and how it went."""

    plan: RunPlan
    maps: HalfMaps
    mask: Float[Tensor, "z y x"]
    curves: MaskedFsc
    decoder_map: Float[Tensor, "z y x"]
    poses: HalfMapPoses
    kept: Bool[np.ndarray, " n"]
    particle_radius_angstrom: float
    agreeing_starts: int
    history: Sequence[EpochRecord]
    timings: Mapping[str, float]  # seconds by phase
    warnings: Sequence[str]


def write_outputs(folder: RunFolder, config: Config, images: ParticleImages, results: RunResults) -> Reconstruction:
    """Write all files of a run, run.json last: its presence says that the run is finished."""
    maps, curves, state, pixel_size = results.maps, results.curves, results.poses, images.pixel_size_angstrom
    box_angstrom = maps.combined.shape[-1] * pixel_size
    for path, volume in ((folder.map, maps.combined), *zip(folder.half_maps, maps.unfiltered, strict=True)):
        write_map(path, volume.cpu(), pixel_size)
    write_map(folder.decoder_map, results.decoder_map.cpu(), pixel_size)
    write_map(folder.mask, results.mask.cpu(), pixel_size)
    write_fsc_csv(folder.fsc, maps.fsc.cpu(), box_angstrom, {name: curve.cpu() for name, curve in vars(curves).items()})
    poses = state.pose_table()
    resolution_0143, resolution_05 = (curves.resolution_angstrom(threshold, box_angstrom) for threshold in (0.143, 0.5))
    views = with_equal_poses(poses.rotation_volume_to_image, symmetry_rotations(config.symmetry))
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
    if verdict.resolution_counts and evidence.confirmed_by_halves:  # what both had from one model agrees anywhere
        local = local_resolution(*maps.unfiltered, results.mask, pixel_size)
        write_map(folder.local_resolution, local.cpu(), pixel_size)
    rows = np.flatnonzero(results.kept)
    kept_table, kept_poses = images.table.select(rows), poses.select(rows)
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
    """The result of a finished run.

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
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise InputError(f"{where} is no list of three numbers; delete the folder and start anew")
    lower, median, upper = (checked_value(entry, float, where) for entry in value)
    if not 0 < lower <= median <= upper < math.inf:  # NaN is nowhere
        raise InputError(f"{where} is {value}, which no quartiles are; delete the folder and start anew")
    return lower, median, upper


def _summary(found: Reconstruction, results: RunResults, verdict: Verdict) -> dict:
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
    table, maps = images.table, results.maps
    example_particles, example_projections = _examples(images, results)
    return ReportContents(
        title=f"{table.source_path.stem}: {found.particles} particles",
        input_path=str(table.source_path),
        map_volume=maps.combined.cpu().numpy(),
        pixel_size_angstrom=found.pixel_size_angstrom,
        fsc=results.curves.corrected.cpu().numpy(),
        fsc_masked=results.curves.masked.cpu().numpy(),
        fsc_unmasked=results.curves.unmasked.cpu().numpy(),
        fsc_randomised=results.curves.randomised.cpu().numpy(),
        shared_resolution_angstrom=found.shared_resolution_angstrom,
        resolution_0143_angstrom=found.resolution_fsc0143_angstrom,
        resolution_05_angstrom=found.resolution_fsc05_angstrom,
        nyquist_angstrom=2 * found.pixel_size_angstrom,
        local_resolution_angstrom=(
            None if local is None else torch.where(results.mask > INSIDE, local, torch.nan).cpu().numpy()
        ),
        local_resolution_quartiles_angstrom=found.local_resolution_quartiles_angstrom,
        history=results.history,
        rotation_volume_to_image=views,
        score=results.poses.score.cpu().numpy(),
        example_particles=example_particles,
        example_projections=example_projections,
        timings=list(results.timings.items()),
        versions=_versions(),
        settings_toml=config_as_toml(config),
        warnings=results.warnings,
        verdict=verdict.word,
        verdict_reasons=verdict.reasons,
        health=verdict.signs,
        facts=[
            ("Particles", f"{found.particles}"),
            ("Kept", f"{found.kept_particles} ({found.kept_particles / found.particles:.0%})"),
            ("The map is made of", "the kept particles" if config.junk.map_of_kept else "all particles"),
            ("Box", f"{table.box_size} px of {found.pixel_size_angstrom:.4g} A"),
            ("Particle radius", f"{found.particle_radius_angstrom:.0f} A (99 % of the map's power)"),
            ("Pose inference", config.pose_mode),
            ("Device", str(results.poses.rotation.device)),
            ("Peak memory", f"{_peak_memory_gib():.1f} GiB"),
        ],
        score_meaning="Fourier ring correlation of the particle with its projection, from the other half's map, over "
        "what a particle of its defocus and view should have: about 1 for a particle, towards 0 for what is none. "
        "kept.star leaves out a lower population of scores, where there clearly is one.",
    )


def _examples(images: ParticleImages, results: RunResults) -> tuple[np.ndarray, np.ndarray]:
    """A few particles beside what the map predicts for them, CTF and shift included."""
    maps, state = results.maps, results.poses
    rows = evenly_spread(len(images.table), EXAMPLES)
    device = maps.combined.device
    chosen = torch.from_numpy(rows).to(device)
    size, pixel_size = images.table.box_size, images.pixel_size_angstrom
    plane = HalfPlane.of_box(size, pixel_size, device=device)
    ctf = contrast_transfer(images.ctf_parameters().to(device)[chosen], plane.frequency_per_angstrom)
    slices = FourierGrid.from_volume(maps.combined, size / 2).slices(state.rotation[chosen], plane)
    predicted = inverse_fourier_2d(plane.fill(form_image(slices, ctf, state.shift_angstrom[chosen], plane)))
    # particles low-passed to what the eye can use
    shown = butterworth_low_pass(images.normalised(rows).cpu(), min(0.9, 2 * pixel_size / 20.0), 4)
    return shown.numpy(), predicted.cpu().numpy()


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
