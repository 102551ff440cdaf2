"""The verdict on a run: how far it can be trusted, in one word that follows from several signs.

    not converged   poses still move, or nothing supports the map beyond what the search itself put in
    doubtful        one sign supports it, another is against it
    converged       poses are settled, independent starts came to them, the halves agree beyond what they shared,
                    and all directions are seen

No sign knows the truth: a wrong map to which several starts converge passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryofifa.results.report.contents import HealthSign

SETTLED_DEGREE = 3.0  # median pose change of the last epoch up to which poses count as settled; our choice
EVEN_SAMPLING = 0.5  # Fourier sampling below which views are too uneven; side views alone give 0.81
# The halves must agree to this share of the shared resolution, and to a whole shell beyond it: halves with nothing but
# noise beyond what they shared do not reach the first such shell.
FINER_SHARE = 0.9

Word = Literal["converged", "doubtful", "not converged"]


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
        fourier_sampling: 1 if all directions are sampled evenly (`view_coverage.fourier_sampling`).
    """

    pose_change_median_degree: float | None
    starts: int
    agreeing_starts: int
    resolution_angstrom: float
    shared_resolution_angstrom: float
    unshared_resolution_angstrom: float
    fourier_sampling: float

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


@dataclass(frozen=True)
class Verdict:
    """The verdict on a map.

    Attributes:
        word: how far the map can be trusted.
        reasons: what speaks against it, or that nothing does.
        signs: the single signs, as the report shows them.
    """

    word: Word
    reasons: tuple[str, ...]
    signs: tuple[HealthSign, ...]

    @property
    def resolution_counts(self) -> bool:
        """Whether a resolution is stated at all: a reader would believe it even for a map that is not real."""
        return self.word != "not converged"


def verdict_of(evidence: Evidence) -> Verdict:
    """The verdict that follows from the evidence, by the rule at the top of this file."""
    against = [
        reason
        for holds, reason in (
            (evidence.settled, "the poses still move"),
            (
                evidence.confirmed_by_starts,
                "no second start came to the same poses"
                if evidence.starts > 1
                else "there was one start only, so nothing independent confirms the poses",
            ),
            (
                evidence.confirmed_by_halves,
                f"the halves do not agree beyond the {evidence.shared_resolution_angstrom:.0f} A down to which they "
                "had one model in common",
            ),
            (evidence.fourier_sampling >= EVEN_SAMPLING, "some directions are hardly ever seen"),
        )
        if not holds
    ]
    if not evidence.settled or not (evidence.confirmed_by_starts or evidence.confirmed_by_halves):
        word: Word = "not converged"
    else:
        word = "doubtful" if against else "converged"
    return Verdict(word, tuple(against) or ("all signs are good",), _signs(evidence))


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
            evidence.confirmed_by_starts or None,
            "Independent starts from other seeds, two fifths and more of whose particles had about the poses of the "
            "end (within 20 degrees; less for symmetric particles) when the starts were compared. Several that agree "
            "speak for a right solution; one alone may still be right: the likeliest one went on, and starts of a "
            "particle whose symmetry was not imposed do not agree even when right.",
        ),
        HealthSign(
            "Half maps",
            f"corrected FSC 0.143 at {evidence.resolution_angstrom:.1f} A, one model in common down to "
            f"{evidence.shared_resolution_angstrom:.1f} A"
            if evidence.confirmed_by_halves
            else f"agree no farther than the {evidence.shared_resolution_angstrom:.1f} A down to which they had one "
            "model in common",
            evidence.confirmed_by_halves,
            "Both halves saw the same model down to that resolution and were refined apart from there. What they "
            "agree on beyond it, neither has from the other.",
        ),
        HealthSign(
            "Views",
            f"Fourier sampling {evidence.fourier_sampling:.2f}",
            evidence.fourier_sampling >= EVEN_SAMPLING,
            "1 when all directions are sampled evenly, 0.81 for side views only, near 0 for a single view.",
        ),
    )
