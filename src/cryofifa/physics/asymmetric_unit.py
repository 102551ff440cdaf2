"""The asymmetric unit of a point group: one pose stands for all poses that give the same image.

A map with V(g r) = V(r) looks the same from the poses A and A g.  Of these the one with the smallest rotation angle is
taken: for Cn a twist about the view of at most 180 degrees / n.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.rotations import rotation_distance_radian


def in_asymmetric_unit(
    rotation_volume_to_image: Float[Tensor, "*batch 3 3"], members: Float[Tensor, "members 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """For every rotation A, the equivalent A g with the smallest rotation angle.

    members: all rotations g of the point group. The result is differentiable in A.
    """
    members = members.to(rotation_volume_to_image)
    trace = torch.einsum("...ij,mji->...m", rotation_volume_to_image, members)  # 1 + 2 cos(angle) of A g
    return rotation_volume_to_image @ members[trace.argmax(dim=-1)]


def symmetric_distance_radian(
    one: Float[Tensor, "n 3 3"], other: Float[Tensor, "n 3 3"], members: Float[Tensor, "members 3 3"]
) -> Float[Tensor, " n"]:
    """Angle in radians between two poses of a volume with this point group: the smallest over all equivalent poses."""
    turn = in_asymmetric_unit(one.mT @ other, members)
    return rotation_distance_radian(turn, torch.eye(3, device=turn.device).expand_as(turn))
