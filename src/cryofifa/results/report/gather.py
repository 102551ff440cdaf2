"""What of a run's results goes into its report: tensors become the arrays and sentences of the report's parts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.files.row_list import evenly_spread
from cryofifa.particles.poses import Poses, known
from cryofifa.particles.preprocess import ParticleImages, butterworth_low_pass
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.results.local_resolution import INSIDE
from cryofifa.results.map_result import MapResult
from cryofifa.results.report.contents import DirectionPart, LocalResolutionPart, MapPart, ParticlePart, RunPart
from cryofifa.settings.config import Config

EXAMPLES = 8
EXAMPLE_RESOLUTION_ANGSTROM = 20.0  # what the eye can use of a single particle; our choice
MOST_OF_NYQUIST = 0.9  # however large the pixels are
SCORE_MEANING = (
    "Fourier ring correlation of the particle with its projection, from the other half's map, over what a particle of "
    "its defocus and view should have: about 1 for a particle, towards 0 for what is none. kept.star leaves out what "
    "scores as images without a particle do and does not look like the others, where there clearly is such a kind."
)


def run_part(
    config: Config,
    images: ParticleImages,
    kept_particles: int,
    map_particles: int,
    particle_radius_angstrom: float,
    device: torch.device,
    peak_memory_gib: float,
) -> RunPart:
    """Name the run after its particle file, and say in a few facts what it was given and how it was made.

    Args:
        kept_particles: how many are not taken for junk.
        map_particles: how many the maps are made of.
        particle_radius_angstrom: as measured, around the centre of the box.
        peak_memory_gib: the most that this process ever took.
    """
    table, particles = images.table, len(images.table)
    return RunPart(
        title=f"{table.source_path.stem}: {particles} particles",
        input_path=str(table.source_path),
        facts=[
            ("Particles", f"{particles}"),
            ("Kept", f"{kept_particles} ({kept_particles / particles:.0%})"),
            (
                "The map is made of",
                f"{map_particles} particles" + (" that it explains" if config.junk.map_of_kept else ""),
            ),
            ("Box", f"{table.box_size} px of {images.pixel_size_angstrom:.4g} A"),
            ("Particle radius", f"{particle_radius_angstrom:.0f} A (99 % of the map's power)"),
            ("Pose inference", config.pose_mode),
            ("Device", str(device)),
            ("Peak memory", f"{peak_memory_gib:.1f} GiB"),
        ],
    )


def map_part(result: MapResult, shared_resolution_angstrom: float, name: str = "") -> MapPart:
    """One map with the correlation of its half maps, the corrected curve first.

    Args:
        shared_resolution_angstrom: down to it both halves had one model in common.
        name: what tells it from the run's other maps.
    """
    curves = {
        "corrected": result.curves.corrected,
        "masked": result.curves.masked,
        "unmasked": result.curves.unmasked,
        "random phases": result.curves.randomised,
    }
    return MapPart(
        volume=result.maps.combined.cpu().numpy(),
        pixel_size_angstrom=result.pixel_size_angstrom,
        fsc_curves={name: curve.cpu().numpy() for name, curve in curves.items()},
        resolution_angstrom={0.143: result.resolution_fsc0143_angstrom, 0.5: result.resolution_fsc05_angstrom},
        shared_resolution_angstrom=shared_resolution_angstrom,
        directions=_direction_part(result),
        local_resolution=_local_resolution_part(result),
        name=name,
    )


def _direction_part(result: MapResult) -> DirectionPart:
    directional = result.directional
    return DirectionPart(
        direction=directional.direction,
        curves=directional.curves.cpu().numpy(),
        area=directional.area,
        resolution_angstrom=(result.resolution_best_direction_angstrom, result.resolution_worst_direction_angstrom),
        area_ratio=directional.area_ratio,
        advice=result.verdict.warning,
    )


def _local_resolution_part(result: MapResult) -> LocalResolutionPart | None:
    """The local resolution inside the mask, NaN outside of it."""
    local, quartiles_angstrom = result.local_resolution_angstrom, result.local_resolution_quartiles_angstrom
    if local is None or quartiles_angstrom is None:
        return None
    inside = torch.where(result.mask > INSIDE, local, torch.nan)
    return LocalResolutionPart(inside.cpu().numpy(), quartiles_angstrom)


def particle_part(images: ParticleImages, volume: Float[Tensor, "z y x"], poses: Poses) -> ParticlePart:
    """The scores of all particles, and a few particles beside what the map predicts for them.

    The particles are spread evenly over the file. The predictions have their CTF, rotation and shift.
    """
    rows = evenly_spread(len(images.table), EXAMPLES)
    return ParticlePart(
        score=known(poses.score).cpu().numpy(),
        score_meaning=SCORE_MEANING,
        examples=_smoothed_particles(images, rows),
        example_projections=_predicted_particles(images, volume, poses, rows),
    )


def _smoothed_particles(images: ParticleImages, rows: np.ndarray) -> Float[np.ndarray, "examples y x"]:
    share_of_nyquist = min(MOST_OF_NYQUIST, 2 * images.pixel_size_angstrom / EXAMPLE_RESOLUTION_ANGSTROM)
    return butterworth_low_pass(images.normalised(rows).cpu(), share_of_nyquist, 4).numpy()


def _predicted_particles(
    images: ParticleImages, volume: Float[Tensor, "z y x"], poses: Poses, rows: np.ndarray
) -> Float[np.ndarray, "examples y x"]:
    device = volume.device
    chosen = torch.from_numpy(rows).to(device)
    size = images.table.box_size
    plane = HalfPlane.of_box(size, images.pixel_size_angstrom, device=device)
    ctf = contrast_transfer(images.ctf_parameters().to(device)[chosen], plane.frequency_per_angstrom)
    slices = FourierGrid.from_volume(volume, size / 2).slices(poses.rotation[chosen], plane)
    image = form_image(slices, ctf, poses.shift_angstrom[chosen], plane)
    return inverse_fourier_2d(plane.fill(image)).cpu().numpy()
