"""The result of a run as `reconstruct` returns it, and as it is read again from the run's run.json."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from cryofifa.errors import InputError
from cryofifa.results.verdict import Word
from cryofifa.run.folder import SUMMARY_REMEDY, RunFolder, read_json
from cryofifa.settings.reading import checked_value


@dataclass(frozen=True)
class Reconstruction:
    """The result that `reconstruct` returns; everything else lies in the files of `folder`.

    Attributes:
        folder: the run's folder.
        particles, kept_particles: how many there are, and how many are not taken for junk.
        pixel_size_angstrom: of the maps.
        particle_radius_angstrom: as the map shows it.
        verdict, verdict_reasons: how far the result can be trusted, in one word and in sentences.
        resolution_fsc0143_angstrom, resolution_fsc05_angstrom: where the corrected half-map FSC falls under 0.143 and
            0.5; None where the verdict is "unconfirmed" or "not converged".
        local_resolution_quartiles_angstrom: 25, 50 and 75 % of the local resolution inside the mask; None where there
            is none.
        shared_resolution_angstrom: down to this resolution both halves shared one network.
        starts, agreeing_starts: how many starts of ab initio there were, and how many came to the same poses.
        pose_change_median_degree: in the last epoch; None where it is not known.
        seconds: time of all phases.
        resolution_best_direction_angstrom, resolution_worst_direction_angstrom: where the half-map FSC within a cone
            about that direction falls under 0.143; None where no resolution is given, and in runs of earlier versions.
        conical_fsc_area_ratio: cFAR, 1 if the half maps agree alike along all directions.
        sampling_compensation_factor: SCF*, 1 if the views sample all directions evenly.
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
    resolution_best_direction_angstrom: float | None = None
    resolution_worst_direction_angstrom: float | None = None
    conical_fsc_area_ratio: float | None = None
    sampling_compensation_factor: float | None = None

    @property
    def report(self) -> Path:
        """The path of the report, a single HTML page."""
        return self.folder.report

    def as_text(self) -> str:
        """A few lines that say where map, poses and report lie, and how far the result can be trusted."""
        resolution = self.resolution_fsc0143_angstrom
        reached = "" if resolution is None else f", half maps agree to {resolution:.1f} A"
        return (
            f"map     {self.folder.map().combined}\nposes   {self.folder.particles}\nreport  {self.report}\n"
            f"verdict {self.verdict}{reached}: {'; '.join(self.verdict_reasons)}"
        )


def read_summary(folder: RunFolder) -> Reconstruction:
    """Read the result of a finished run from its run.json.

    Raises:
        InputError: if run.json is damaged.
    """
    values = read_json(folder.summary, SUMMARY_REMEDY)
    wanted = {name: hint for name, hint in get_type_hints(Reconstruction).items() if name != "folder"}
    there = set(values) if isinstance(values, dict) else set[Any]()
    earlier = {one.name for one in fields(Reconstruction) if one.default is not MISSING}  # than these figures
    missing = wanted.keys() - earlier - there
    if missing:
        raise InputError(f"{folder.summary}: has no '{min(missing)}'; {SUMMARY_REMEDY}")
    reasons = values["verdict_reasons"]
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise InputError(f"{folder.summary}: 'verdict_reasons' is no list of words; {SUMMARY_REMEDY}")
    quartiles_name = "local_resolution_quartiles_angstrom"
    quartiles = _checked_quartiles(values[quartiles_name], f"{folder.summary}: '{quartiles_name}'")
    del wanted["verdict_reasons"], wanted[quartiles_name]
    found = {
        name: checked_value(values.get(name), hint, f"{folder.summary}: '{name}'") for name, hint in wanted.items()
    }
    odd = next((name for name, value in found.items() if isinstance(value, float) and not math.isfinite(value)), None)
    if odd is not None:
        raise InputError(f"{folder.summary}: '{odd}' is {found[odd]}; {SUMMARY_REMEDY}")
    return Reconstruction(
        folder=folder, verdict_reasons=tuple(reasons), local_resolution_quartiles_angstrom=quartiles, **found
    )


def _checked_quartiles(value: Any, where: str) -> tuple[float, float, float] | None:
    """The value, if it is None or three positive numbers that do not fall."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise InputError(f"{where} is no list of three numbers; {SUMMARY_REMEDY}")
    lower, median, upper = (checked_value(entry, float, where) for entry in value)
    if not 0 < lower <= median <= upper < math.inf:  # false for NaN too
        raise InputError(f"{where} is {value}, which no quartiles are; {SUMMARY_REMEDY}")
    return lower, median, upper
