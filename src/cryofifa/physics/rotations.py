"""Rotations as matrices: from networks' outputs and random numbers, small turns, distances, in-plane turns and mirrors.

A rotation matrix here is always `rotation_volume_to_image`: r_image = A r_volume (RELION's matrix, conventions of
`cryofifa.conventions`), so a central slice at image frequency k reads the volume at A^T k.
"""

from __future__ import annotations

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor


def rotation_from_six_numbers(six: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations from six numbers by Gram-Schmidt (Zhou et al. 2019, the paper's reference 31).

    The two 3-vectors become the first two *rows* of `rotation_volume_to_image`: the image's x and y axes seen from the
    volume.
    """
    columns = torch.stack([six[..., :3], six[..., 3:]], dim=-1)
    return roma.special_gramschmidt(columns).mT


def rotation_from_uniform(uniform: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations uniform over SO(3), each from three numbers uniform in [0, 1) (Shoemake 1992)."""
    a, b = (1 - uniform[..., 0]).sqrt(), uniform[..., 0].sqrt()
    first, second = 2 * math.pi * uniform[..., 1], 2 * math.pi * uniform[..., 2]
    quaternion = torch.stack([a * first.sin(), a * first.cos(), b * second.sin(), b * second.cos()], dim=-1)
    return roma.unitquat_to_rotmat(quaternion)


def perturb_rotation(
    rotation: Float[Tensor, "*batch 3 3"], rotation_vector_radian: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Turn the image frame of A by a rotation vector (axis times angle, in radians): exp(v) A."""
    return roma.rotvec_to_rotmat(rotation_vector_radian) @ rotation


def rotation_distance_radian(a: Float[Tensor, "*batch 3 3"], b: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Angle in radians, from 0 to pi, of the rotation that leads from one rotation to the other."""
    return roma.rotmat_geodesic_distance(a, b)


def in_plane_rotation(angle_radian: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rz(a): turning an image in its plane by `a` turns its pose A into Rz(a) A."""
    cosine, sine = angle_radian.cos(), angle_radian.sin()
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    rows = [cosine, -sine, zero, sine, cosine, zero, zero, zero, one]
    return torch.stack(rows, dim=-1).reshape(*angle_radian.shape, 3, 3)


def mirror_in_x(device: torch.device | None = None) -> Float[Tensor, "3 3"]:
    """diag(-1, 1, -1): the pose of an image mirrored in x is this matrix times A.

    The mirrored image is the true projection from the opposite side, so the handedness of the volume is not touched.
    """
    return torch.diag(2.0 * (torch.arange(3, device=device) % 2) - 1)  # not copied: a copy to a GPU would wait


def twist_about_view_radian(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """The in-plane angle of a pose in radians, in (-pi, pi], continuous around the pole where RELION's psi is not.

    A = Rz(twist) * (the shortest turn that brings the view direction, A's third row, onto the image's z axis). The
    twist is undefined only for the view from exactly below.
    """
    # swing-twist: the trace of the upper 2 x 2 block is (1 + A_33) cos(twist), its antisymmetric part (1 + A_33) sin
    return torch.atan2(rotation[..., 1, 0] - rotation[..., 0, 1], rotation[..., 0, 0] + rotation[..., 1, 1])
