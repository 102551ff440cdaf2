"""What a report shows, in parts; whoever writes a report fills them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cryofifa.train.epoch_record import EpochRecord


@dataclass(frozen=True)
class HealthSign:
    """One honest sign of whether the run can be trusted.

    ok: True if it is good, False if the reader should look at it, None if it is not known or not to be judged.
    """

    name: str
    value: str
    ok: bool | None
    explanation: str


@dataclass(frozen=True)
class RunPart:
    """Which run this is.

    input_path: the particle file that it was given.
    facts: pairs (what, value), such as ("Particles", "300"), in the order in which they are shown.
    """

    title: str
    input_path: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class VerdictPart:
    """What the run says of itself.

    word: "converged", "doubtful", "unconfirmed" or "not converged".
    reasons: why, each in a few words.
    signs: what the verdict was made from.
    warnings: all that the run warned of on its way.
    """

    word: str
    reasons: Sequence[str]
    signs: Sequence[HealthSign]
    warnings: Sequence[str]


@dataclass(frozen=True)
class LocalResolutionPart:
    """How fine a map is, place by place.

    angstrom: the resolution at every voxel, NaN outside the particle.
    quartiles_angstrom: the lower quartile, the median and the upper quartile over the voxels of the particle.
    """

    angstrom: Float[np.ndarray, "z y x"]
    quartiles_angstrom: tuple[float, float, float]


@dataclass(frozen=True)
class DirectionPart:
    """How far two half maps agree along every direction.

    direction: unit vectors (x, y, z) over half of the sphere; the opposite ones are alike.
    curves: the FSC along each, shell i at the spatial frequency i / box.
    area: under each curve, as a share of what it would be at FSC 1.
    resolution_angstrom: along the best and along the worst direction; None where none is given.
    area_ratio: the least area over the greatest (cFAR).
    advice: what to do about uneven directions; empty where there is no need to.
    """

    direction: Float[np.ndarray, "directions 3"]
    curves: Float[np.ndarray, "directions shells"]
    area: Float[np.ndarray, " directions"]
    resolution_angstrom: tuple[float | None, float | None]
    area_ratio: float
    advice: str


@dataclass(frozen=True)
class MapPart:
    """One map and how well it is resolved.

    volume: density positive.
    fsc_curves: Fourier shell correlations of the two half maps by name, the one that counts first. Shell i lies at the
        spatial frequency i / `box_angstrom`. A curve may be empty, and hold NaN.
    resolution_angstrom: for each threshold of the FSC, in the order in which they are shown, the resolution at which
        the first curve falls under it; None or NaN where it does not, or where none is given.
    shared_resolution_angstrom: down to it both halves had one model in common.
    directions: None where they were not told apart.
    local_resolution: None where none is given.
    name: what tells this map from the others of the run, such as "class 2"; empty where it is the only one.
    """

    volume: Float[np.ndarray, "z y x"]
    pixel_size_angstrom: float
    fsc_curves: Mapping[str, Float[np.ndarray, " shells"]]
    resolution_angstrom: Mapping[float, float | None]
    shared_resolution_angstrom: float
    directions: DirectionPart | None = None
    local_resolution: LocalResolutionPart | None = None
    name: str = ""

    @property
    def box_angstrom(self) -> float:
        """Side of the box in angstrom."""
        return self.volume.shape[-1] * self.pixel_size_angstrom

    @property
    def nyquist_angstrom(self) -> float:
        """The finest resolution that the grid can hold, two pixels in angstrom."""
        return 2 * self.pixel_size_angstrom


@dataclass(frozen=True)
class ParticlePart:
    """What is known of single particles.

    score: one value per particle, NaN where unknown.
    score_meaning: a sentence or two on what the score is.
    examples, example_projections: a few particles, smoothed for the eye, and the projection of the map that belongs to
        each.
    """

    score: Float[np.ndarray, " particles"]
    score_meaning: str
    examples: Float[np.ndarray, "examples rows columns"]
    example_projections: Float[np.ndarray, "examples rows columns"]


@dataclass(frozen=True)
class ProvenancePart:
    """How the run was made.

    timings: pairs (what, seconds), in the order in which they are shown.
    versions: of this program and of what it is built on, by name.
    settings_toml: every setting, as the text of a settings file.
    """

    timings: Sequence[tuple[str, float]]
    versions: Mapping[str, str]
    settings_toml: str


@dataclass(frozen=True)
class ReportContents:
    """All that one report shows.

    maps: one, or as many as the run found, each with a name.
    rotation_volume_to_image: rotations of the particles, and with a symmetry also those that equal them under it.
    history: one record per epoch, in order.
    """

    run: RunPart
    verdict: VerdictPart
    maps: Sequence[MapPart]
    rotation_volume_to_image: Float[np.ndarray, "views 3 3"]
    history: Sequence[EpochRecord]
    particles: ParticlePart
    provenance: ProvenancePart
