"""Did two independent searches come to the same poses?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from cryofifa.particles.poses import PoseTable
from cryofifa.results.compare_poses import compare_poses

# Two searches agree if this share of the particles is within this angle, once they lie in one frame. Measured against
# the end of runs: starts of right ones 0.97 and more (gpcr), but 0.43 to 0.57 where each particle was seen three times
# only (20,000 and 100,000 particles); starts of wrong runs 0.12 at most; with the 24 members of O, between which poses
# do not differ, a search in images without detail 0.35 at most
AGREEING_DEGREE = 20.0
AGREEING_SHARE = 0.4


def starts_agree(
    rotation: Float[Tensor, "n 3 3"], other: Float[Tensor, "n 3 3"], group: Float64[np.ndarray, "members 3 3"]
) -> bool:
    """Whether two searches gave the same particles about the same poses; turns by members of the group do not count."""
    error_degree = compare_poses(_as_table(rotation), _as_table(other), group).rotation_error_degree
    return float((error_degree < AGREEING_DEGREE).mean()) >= AGREEING_SHARE


def _as_table(rotation: Tensor) -> PoseTable:
    """Rotations alone, to be compared."""
    count = len(rotation)
    return PoseTable(
        rotation.cpu().double().numpy(), np.zeros((count, 2)), np.full(count, np.nan), np.zeros(count, np.int64)
    )
