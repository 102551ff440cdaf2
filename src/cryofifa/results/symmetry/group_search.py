"""Search for a point group's frame in a map: first its axis of the highest order, then the turn about that axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.results.symmetry.self_rotation import Frame, SelfRotation, spread_directions, weighted

_AXES = 1200  # tried on the half sphere, about 4 degrees apart
_KEPT_AXES = 4
_APART_DEGREE = 15.0  # axes nearer to each other than this are taken for one
_TURN_STEP_DEGREE = 4.0
_KEPT_FRAMES = 2


@dataclass(frozen=True)
class SearchedGroup:
    """A point group with what the search needs to know of it.

    members: all rotations, the identity first.
    turns: one of each pair g, g^-1 without the identity, because both fit a map equally well.
    axis: (x, y, z) of an axis of the highest order, in the group's frame.
    order: how many-fold that axis is.
    is_cyclic: the group has no other axis.
    """

    members: Float[Tensor, "members 3 3"]
    turns: Float[Tensor, "turns 3 3"]
    axis: Float[Tensor, " 3"]
    order: int
    is_cyclic: bool

    @classmethod
    def of(cls, members: Float[Tensor, "members 3 3"]) -> SearchedGroup:
        """Prepare a group, given by all its rotations, the identity first."""
        members = members.float()
        kept: list[int] = []
        for index, member in enumerate(members):
            if all(float((member - members[other].mT).abs().max()) > 1e-3 for other in kept):
                kept.append(index)
        turns = members[kept[1:]]  # the identity is the first member
        vector = roma.rotmat_to_rotvec(turns)
        angle, first = vector.norm(dim=-1).min(dim=0)
        order = round(2 * math.pi / float(angle))
        return cls(members, turns, vector[first] / angle, order, order == len(members))


def turn_about(axis: Float[Tensor, "n 3"], angle_radian: float | Float[Tensor, "n 1"]) -> Float[Tensor, "n 3 3"]:
    """The rotation matrices for turns about unit axes (x, y, z) by these angles."""
    return roma.rotvec_to_rotmat(axis * angle_radian)


def best_axes(
    comparison: SelfRotation, order: int, centre_voxel: Tensor, shell_weight: Float[Tensor, " shells"]
) -> Float[Tensor, "axes 3"]:
    """The axes about which a turn by 360 degrees / order fits the map best, apart from each other, the best first.

    centre_voxel: (x, y, z) of the point that all axes pass through.
    """
    axes = spread_directions(_AXES)
    score = weighted(comparison.curves(turn_about(axes, 2 * math.pi / order), centre_voxel), shell_weight)
    near = (axes @ axes.mT).abs() > math.cos(math.radians(_APART_DEGREE))
    kept = []
    for _ in range(_KEPT_AXES):
        best = int(score.argmax())
        kept.append(axes[best])
        score = score.masked_fill(near[best], -math.inf)
    return torch.stack(kept)


def best_frame(
    comparison: SelfRotation,
    group: SearchedGroup,
    axes: Float[Tensor, "axes 3"],
    centre_voxel: Tensor,
    shell_weight: Float[Tensor, " shells"],
) -> tuple[Frame, float]:
    """The group's best frame after refinement, and its members' mean score there.

    axes: candidates for the axis of the highest order (`best_axes`); the turn about each is searched here.
    """
    steps = 1 if group.is_cyclic else math.ceil(360 / group.order / _TURN_STEP_DEGREE)
    angle = torch.arange(steps)[:, None] * (2 * math.pi / group.order / steps)
    frames = torch.cat([turn_about(axis.expand(steps, 3), angle) @ _leading(group.axis, axis) for axis in axes])
    turned = frames[:, None] @ group.turns @ frames.mT[:, None]
    score = (
        weighted(comparison.curves(turned.flatten(0, 1), centre_voxel), shell_weight).reshape(len(frames), -1).mean(1)
    )
    kept = len(axes) if group.is_cyclic else _KEPT_FRAMES
    scored = []
    for index in score.topk(kept).indices:
        frame = comparison.refined(Frame(frames[index], centre_voxel), group.turns, shell_weight)
        curves = comparison.curves(frame.turned(group.turns), frame.centre_voxel)
        scored.append((frame, float(weighted(curves, shell_weight).mean())))
    return max(scored, key=lambda pair: pair[1])


def _leading(start: Float[Tensor, " 3"], end: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """A rotation by 180 degrees that takes one unit vector to another, or to its opposite, whichever is nearer.

    Either will do: every group here looks the same with its axis the other way round.
    """
    middle = start + end * (1 if float(start @ end) >= 0 else -1)
    return 2 * torch.outer(middle, middle) / middle.square().sum() - torch.eye(3)
