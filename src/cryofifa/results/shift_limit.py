"""Whether particles lie farther from the centre of their images than the run could follow."""

from __future__ import annotations

from cryofifa.particles.poses import Poses

NEAR_LIMIT = 0.95  # of the largest shift that a particle may be given; our choice
# Measured: 0 to 0.2 % of the particles lie there where origins spread by a tenth of the limit to a third of it, 2 % at
# SNR 0.05, 10 % where origins spread by half of it.
USUAL_SHARE = 0.05
LEAST_PARTICLES = 200  # of fewer, whose poses are guesses in part, nothing is said; our choice


def shift_limit_warning(poses: Poses, shift_range_angstrom: float) -> str | None:
    """What to say if more particles than usual were moved as far as they may be; None if there is nothing to say.

    Args:
        poses: of the particles that the map is made of.
        shift_range_angstrom: the largest shift that a particle may be given.
    """
    if len(poses) < LEAST_PARTICLES:
        return None
    share = float((poses.shift_angstrom.norm(dim=1) > NEAR_LIMIT * shift_range_angstrom).double().mean())
    if share <= USUAL_SHARE:
        return None
    return (
        f"{100 * share:.0f} % of the particles lie {shift_range_angstrom:.0f} A off the centre of their images, as far "
        "as they may: some lie farther. Extract them again around the origins in particles.star, or give a larger "
        "[search] shift_range_share"
    )
