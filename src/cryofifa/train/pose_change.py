"""How far poses moved from one epoch to the next: the sign of health that a loss is not."""

from jaxtyping import Bool, Float
from torch import Tensor

from cryofifa.physics.rotations import rotation_distance_radian


def median_pose_change(
    rotation_before: Float[Tensor, "n 3 3"],
    rotation: Float[Tensor, "n 3 3"],
    shift_before_angstrom: Float[Tensor, "n 2"],
    shift_angstrom: Float[Tensor, "n 2"],
    posed_before: Bool[Tensor, " n"],
) -> tuple[float | None, float | None]:
    """Median turn in degrees and median move in angstrom of the particles that had a pose before; None without any."""
    if not posed_before.any():
        return None, None
    turned = rotation_distance_radian(rotation_before, rotation)[posed_before].rad2deg()
    moved = (shift_before_angstrom - shift_angstrom).norm(dim=-1)[posed_before]
    return float(turned.median()), float(moved.median())
