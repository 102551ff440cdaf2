"""Whether two independent starts of ab initio came to the same poses."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.poses import Poses

# Two starts agree if at least this share of the particles has poses within this angle, once both lie in one frame.
# Measured between starts that are right (LOG.md): 0.97 on gpcr, 0.40 to 0.44 with a micelle and coloured noise, 0.21 to
# 0.34 with 40 % junk, few views and half of the particles in another state. Of starts that are wrong 0.12 at most.
AGREEING_DEGREE = 20.0
AGREEING_SHARE = 0.2
# Near-spheres have wrong minima that searches have in common. Measured in images of apoferritin whose detail had been
# destroyed: 0.25 of the particles had poses within 7 degrees of those of another search.
CUBIC_MEMBERS, CUBIC_SHARE = 12, 0.4


def starts_agree(
    rotation: Float[Tensor, "n 3 3"], other: Float[Tensor, "n 3 3"], group: Float64[np.ndarray, "members 3 3"]
) -> bool:
    """Whether two starts gave the same particles about the same poses, after the best rotation and hand between them.

    Poses that differ by a member of the group are the same. With n members the angle is smaller by the cube root of n,
    so that it holds as large a share of all different poses as without symmetry. Measured with the 24 members of O, in
    images whose detail had been destroyed: 0.41 of the particles had poses within 20 degrees of those of another
    search, and 0.25 within 7.

    Args:
        rotation, other: rotation_volume_to_image of the same particles, by each start.
        group: rotations of the point group's members.
    """
    shifts = torch.zeros(len(rotation), 2)  # only rotations are compared
    found, expected = (Poses.found(one.cpu(), shifts) for one in (rotation, other))
    error_degree = compare_poses(found, expected, group).rotation_error_degree
    near = error_degree < AGREEING_DEGREE * len(group) ** (-1 / 3)
    return float(near.mean()) >= (AGREEING_SHARE if len(group) < CUBIC_MEMBERS else CUBIC_SHARE)
