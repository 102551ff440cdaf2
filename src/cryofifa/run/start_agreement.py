"""Did two independent searches come to the same poses?"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.poses import Poses

# Two searches agree if this share of the particles is within this angle, once they lie in one frame. Measured against
# the end of runs: starts of right ones 0.97 and more (gpcr), but 0.43 to 0.57 where each particle was seen three times
# only (20,000 and 100,000 particles); starts of wrong runs 0.12 at most
AGREEING_DEGREE = 20.0
AGREEING_SHARE = 0.4


def starts_agree(
    rotation: Float[Tensor, "n 3 3"], other: Float[Tensor, "n 3 3"], group: Float64[np.ndarray, "members 3 3"]
) -> bool:
    """Whether two searches gave the same particles about the same poses; turns by members of the group do not count.

    With n members the angle is that which holds as large a share of all different poses, a cube root of n smaller.
    Measured with the 24 of O: of a search in images whose detail had been destroyed 0.41 of the particles were within
    20 degrees of another one, and 0.25 within 7.
    """
    shifts = torch.zeros(len(rotation), 2)  # they do not count
    found, expected = (Poses.found(one.cpu(), shifts) for one in (rotation, other))
    error_degree = compare_poses(found, expected, group).rotation_error_degree
    near = error_degree < AGREEING_DEGREE * len(group) ** (-1 / 3)
    return float(near.mean()) >= AGREEING_SHARE
