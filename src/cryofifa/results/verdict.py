"""The verdict on a run: how far it can be trusted, in one word that follows from several signs.

    not converged   poses still move, or independent starts did not come to the same poses
    unconfirmed     there was one start only, so nothing found apart speaks for the map
    doubtful        two starts came to the same poses, and another sign is against the map
    converged       they did, the halves agree beyond what they shared, and all directions are seen

A resolution is stated in the last two cases only: half maps that were given one start's wrong poses agree on the wrong
map (measured: down to 8 to 17 A, LOG.md). Where directions are seen unevenly, the resolution along the worst of them is
said beside it; where some are hardly ever seen, none is stated. No sign knows the truth: a wrong map to which two
starts converge passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryofifa.results.report.contents import HealthSign

SETTLED_DEGREE = 3.0  # median pose change of the last epoch up to which poses count as settled; our choice
EVEN_SAMPLING = 0.81  # SCF* of side views alone; below it views count as uneven, as in cryoSPARC
LEAST_SAMPLING = 0.5  # SCF* below which no one resolution holds; our choice
# cFAR below which directions are uneven, as in cryoSPARC. Where views are even, noise alone leaves 0.4 to 0.6 to halves
# that agree a few shells beyond what they shared (docs/trust.md), so it takes the resolution only with uneven views.
EVEN_AREA_RATIO = 0.5
UNEVEN_ADVICE = (
    "to see the poor directions better, tilt the stage when collecting, add a detergent, try other grids or a support "
    "film, or collect more particles of rare views"
)
# The halves must agree to this share of the shared resolution, and to a whole shell beyond it: halves with nothing but
# noise beyond what they shared do not reach the first such shell.
FINER_SHARE = 0.9

Word = Literal["converged", "doubtful", "unconfirmed", "not converged"]


@dataclass(frozen=True)
class Evidence:
    """What the verdict is based on.

    Attributes:
        pose_change_median_degree: in the last epoch; None where it is not known.
        starts: how many independent starts there were.
        agreeing_starts: how many of them came to the same poses, the best one included.
        resolution_angstrom: where the corrected half-map FSC falls under 0.143.
        shared_resolution_angstrom: down to this resolution both halves shared one model.
        unshared_resolution_angstrom: resolution of the first shell in which they shared none.
        sampling_compensation_factor: SCF*, 1 if all directions are sampled evenly
            (`view_coverage.sampling_compensation_factor`).
        area_ratio: cFAR, 1 if the halves agree alike along all directions (`directional_fsc.DirectionalFsc`).
        worst_direction_angstrom: resolution along the worst direction.
    """

    pose_change_median_degree: float | None
    starts: int
    agreeing_starts: int
    resolution_angstrom: float
    shared_resolution_angstrom: float
    unshared_resolution_angstrom: float
    sampling_compensation_factor: float
    area_ratio: float
    worst_direction_angstrom: float

    @property
    def settled(self) -> bool:
        """Whether poses hardly changed in the last epoch."""
        change = self.pose_change_median_degree
        return change is not None and change <= SETTLED_DEGREE

    @property
    def confirmed_by_starts(self) -> bool:
        """Whether a second, independent start came to the same poses."""
        return self.agreeing_starts > 1

    @property
    def confirmed_by_halves(self) -> bool:
        """Whether the half maps agree beyond the resolution down to which they shared one model."""
        finer = min(FINER_SHARE * self.shared_resolution_angstrom, self.unshared_resolution_angstrom)
        return self.resolution_angstrom < finer

    @property
    def seen_from_all_sides(self) -> bool:
        """Whether one resolution can hold for all directions."""
        alike = self.area_ratio >= EVEN_AREA_RATIO or self.seen_evenly
        return self.sampling_compensation_factor >= LEAST_SAMPLING and alike

    @property
    def seen_evenly(self) -> bool:
        """Whether the views sample all directions about evenly."""
        return self.sampling_compensation_factor >= EVEN_SAMPLING

    @property
    def even(self) -> bool:
        """Whether one resolution says enough of all directions."""
        return self.seen_evenly and self.area_ratio >= EVEN_AREA_RATIO

    @property
    def directions(self) -> str:
        """The two figures of how alike directions are."""
        return f"SCF* {self.sampling_compensation_factor:.2f}, cFAR {self.area_ratio:.2f}"


@dataclass(frozen=True)
class Verdict:
    """The verdict on a map.

    Attributes:
        word: how far the map can be trusted.
        reasons: what speaks against it, or that nothing does.
        signs: the single signs, as the report shows them.
        seen_from_all_sides: whether one figure can hold for all directions of the map.
        warning: that views are uneven, and what to do about it; empty where they are not.
    """

    word: Word
    reasons: tuple[str, ...]
    signs: tuple[HealthSign, ...]
    seen_from_all_sides: bool
    warning: str = ""

    @property
    def resolution_counts(self) -> bool:
        """Whether a resolution is stated at all: a reader would believe it even for a map that is not real.

        Nor is one stated where directions are hardly ever seen: the halves agree along those that are, which says
        nothing of the others (measured on hard/user: halves 9.8 A, to the truth 36 A).
        """
        return self.word in ("converged", "doubtful") and self.seen_from_all_sides


def verdict_of(evidence: Evidence) -> Verdict:
    """The verdict that follows from the evidence, by the rule at the top of this file."""
    against = [
        reason
        for holds, reason in (
            (evidence.settled, "the poses still move"),
            (
                evidence.confirmed_by_starts,
                "no second start came to the same poses" if evidence.starts > 1 else _one_start(evidence),
            ),
            (
                evidence.confirmed_by_halves,
                f"the halves do not agree beyond the {evidence.shared_resolution_angstrom:.0f} A down to which they "
                "had one model in common",
            ),
            (
                evidence.seen_from_all_sides,
                f"some directions are hardly ever seen ({evidence.directions}), so no one resolution holds for all",
            ),
        )
        if not holds
    ]
    word: Word = "not converged"
    if evidence.settled and evidence.starts == 1:
        word = "unconfirmed"
    elif evidence.settled and evidence.confirmed_by_starts:
        word = "doubtful" if against else "converged"
    found, warning = word in ("converged", "doubtful"), ""
    if found and not evidence.even and evidence.seen_from_all_sides:
        against.append(
            f"directions are uneven ({evidence.directions}): along the worst one the half maps agree to "
            f"{evidence.worst_direction_angstrom:.1f} A"
        )
    if found and not evidence.seen_evenly:
        warning = f"uneven views ({evidence.directions}): {UNEVEN_ADVICE}"
    reasons = tuple(against) or ("all signs are good",)
    return Verdict(word, reasons, _signs(evidence), evidence.seen_from_all_sides, warning)


def _one_start(evidence: Evidence) -> str:
    """What is said of a run with a single start."""
    halves = (
        f"; its half maps agree to {evidence.resolution_angstrom:.1f} A, as those of a wrong map may"
        if evidence.confirmed_by_halves
        else ""
    )
    return f"there was one start only, so nothing independent confirms the poses{halves}"


def _half_maps(evidence: Evidence) -> str:
    """What the half maps show, without a figure where independent starts do not agree."""
    shared = f"{evidence.shared_resolution_angstrom:.1f} A"
    if not evidence.confirmed_by_halves:
        return f"agree no farther than the {shared} down to which they had one model in common"
    if not evidence.seen_from_all_sides:
        return f"agree beyond the {shared} that they had in common, along the directions that are seen"
    if not evidence.confirmed_by_starts:
        return f"agree beyond the {shared} that they had in common, as those of wrong poses do, too"
    return f"corrected FSC 0.143 at {evidence.resolution_angstrom:.1f} A, one model in common down to {shared}"


def _signs(evidence: Evidence) -> tuple[HealthSign, ...]:
    change = evidence.pose_change_median_degree
    return (
        HealthSign(
            "Poses",
            "not known" if change is None else f"moved {change:.1f} degrees in the last epoch",
            None if change is None else evidence.settled,
            "Poses that still move have not converged. Settled poses can still be wrong: compare the map with "
            "what is known of the particle, and with a second run from another --seed.",
        ),
        HealthSign(
            "Starts",
            f"{evidence.agreeing_starts} of {evidence.starts} agree",
            evidence.confirmed_by_starts if evidence.starts > 1 else None,
            "Independent starts from other seeds, a fifth and more of whose particles came to about the poses of the "
            "end (within 20 degrees; less for symmetric particles). Two that agree speak for a right solution, for "
            "they know nothing of each other; without them no resolution is given.",
        ),
        HealthSign(
            "Half maps",
            _half_maps(evidence),
            evidence.confirmed_by_halves,
            "Both halves saw the same model down to that resolution and were refined apart from there. What they "
            "agree on beyond it, neither has from the other.",
        ),
        HealthSign(
            "Views",
            evidence.directions,
            evidence.even,
            "SCF* says how evenly the views sample Fourier space: 1 if evenly, 0.81 for side views only, near 0 for a "
            "single view. cFAR says how alike the half maps agree along all directions: 1 if alike, under 0.5 where "
            "some are missing, or where noise and junk let them agree but little.",
        ),
    )
