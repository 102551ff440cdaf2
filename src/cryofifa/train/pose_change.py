"""How far poses moved from one epoch to the next, which tells better than a loss whether a run has settled."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.poses import Poses
from cryofifa.physics.asymmetric_unit import symmetric_distance_radian


def median_pose_change(
    before: Poses, after: Poses, symmetry: Float[Tensor, "members 3 3"]
) -> tuple[float | None, float | None]:
    """Median turn in degrees and median shift in angstrom, over the particles that had a pose in the same class before.

    Turns that differ by a member of the point group count as the same. Both are None if no particle had a pose.
    """
    compared = before.posed
    if before.class_index is not None:  # each class has a frame of its own
        compared = compared & (before.class_index == after.class_index)
    if not compared.any():
        return None, None
    turned = symmetric_distance_radian(before.rotation, after.rotation, symmetry)[compared].rad2deg()
    moved = (before.shift_angstrom - after.shift_angstrom).norm(dim=-1)[compared]
    return float(turned.median()), float(moved.median())
