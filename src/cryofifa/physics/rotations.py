"""Rotations: random orientation sets, small perturbations, and the symmetry of in-plane copies.

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
    """Gram-Schmidt on two 3-vectors, which become the first two *rows* (Zhou et al. 2019, the paper's reference 31).

    The rows of `rotation_volume_to_image` are the image's x and y axes seen from the volume.
    """
    columns = torch.stack([six[..., :3], six[..., 3:]], dim=-1)
    return roma.special_gramschmidt(columns).mT


def rotation_from_uniform(uniform: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Three numbers uniform in [0, 1) -> a rotation uniform over SO(3) (Shoemake 1992)."""
    a, b = (1 - uniform[..., 0]).sqrt(), uniform[..., 0].sqrt()
    first, second = 2 * math.pi * uniform[..., 1], 2 * math.pi * uniform[..., 2]
    quaternion = torch.stack([a * first.sin(), a * first.cos(), b * second.sin(), b * second.cos()], dim=-1)
    return roma.unitquat_to_rotmat(quaternion)


def perturb_rotation(
    rotation: Float[Tensor, "*batch 3 3"], rotation_vector_radian: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Turn the image frame by a rotation vector (axis times angle)."""
    return roma.rotvec_to_rotmat(rotation_vector_radian) @ rotation


def rotation_distance_radian(a: Float[Tensor, "*batch 3 3"], b: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Angle of the rotation that leads from one to the other."""
    return roma.rotmat_geodesic_distance(a, b)


def in_plane_rotation(angle_radian: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rz(a): rotating an image in its plane by `a` turns its pose A into Rz(a) A."""
    cosine, sine = angle_radian.cos(), angle_radian.sin()
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    rows = [cosine, -sine, zero, sine, cosine, zero, zero, zero, one]
    return torch.stack(rows, dim=-1).reshape(*angle_radian.shape, 3, 3)


def mirror_in_x(device: torch.device | None = None) -> Float[Tensor, "3 3"]:
    """diag(-1, 1, -1): the pose of an image mirrored in x is this times A.

    The mirror image is the genuine projection from the opposite side, so no handedness is lost.
    """
    return torch.diag(2.0 * (torch.arange(3, device=device) % 2) - 1)  # made there: a GPU waits for what it is sent


def twist_about_view_radian(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """The in-plane part of A = Rz(twist) * (shortest turn that brings the view to the image's axis), in (-pi, pi].

    The view is A's third row. Unlike RELION's psi, the twist is continuous around the pole; it is undefined only for
    the view from exactly below.
    """
    # swing-twist: the trace of the upper 2 x 2 block is (1 + A_33) cos(twist), its antisymmetric part (1 + A_33) sin
    return torch.atan2(rotation[..., 1, 0] - rotation[..., 0, 1], rotation[..., 0, 0] + rotation[..., 1, 1])
