"""Everything the report shows, gathered by the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cryofifa.train.epoch_record import EpochRecord


@dataclass(frozen=True)
class HealthSign:
    """One honest sign of whether the run can be trusted.

    ok: True good, False look at it, None not known or not to be judged.
    """

    name: str
    value: str
    ok: bool | None
    explanation: str


@dataclass(frozen=True)
class ReportContents:
    """What one report shows.

    map_volume: (z, y, x), density positive.
    verdict: "converged", "doubtful" or "not converged".
    fsc: corrected half-map correlation per shell of the box, shell i at i / (box * pixel size); may be empty.
    fsc_masked, fsc_unmasked, fsc_randomised: what it was made from (`gold_standard.MaskedFsc`).
    shared_resolution_angstrom: down to it both halves had one model in common.
    resolution_0143_angstrom, resolution_05_angstrom: where the curve crosses; None or NaN if it does not.
    local_resolution_angstrom: of every voxel, NaN outside the particle; None where no resolution is given.
    local_resolution_quartiles_angstrom: over those voxels.
    score: one value per particle; score_meaning says in a sentence what it is.
    example_particles, example_projections: (m, y, x) pairs, filtered for the eye by the caller.
    timings: (what, seconds); facts: (what, value); both in the order they are shown.
    """

    title: str
    input_path: str
    map_volume: Float[np.ndarray, "z y x"]
    pixel_size_angstrom: float
    fsc: Float[np.ndarray, " shells"]
    fsc_masked: Float[np.ndarray, " shells"]
    fsc_unmasked: Float[np.ndarray, " shells"]
    fsc_randomised: Float[np.ndarray, " shells"]
    shared_resolution_angstrom: float
    resolution_0143_angstrom: float | None
    resolution_05_angstrom: float | None
    nyquist_angstrom: float
    local_resolution_angstrom: Float[np.ndarray, "z y x"] | None
    local_resolution_quartiles_angstrom: tuple[float, float, float] | None
    history: Sequence[EpochRecord]
    rotation_volume_to_image: Float[np.ndarray, "views 3 3"]  # with those that symmetry makes equal
    score: Float[np.ndarray, " particles"]
    example_particles: Float[np.ndarray, "examples rows columns"]
    example_projections: Float[np.ndarray, "examples rows columns"]
    timings: Sequence[tuple[str, float]]
    versions: Mapping[str, str]
    settings_toml: str
    warnings: Sequence[str]
    verdict: str
    verdict_reasons: Sequence[str]
    health: Sequence[HealthSign]
    facts: Sequence[tuple[str, str]]
    score_meaning: str = "How well a particle agrees with the projection of the map at its pose; more is better."
