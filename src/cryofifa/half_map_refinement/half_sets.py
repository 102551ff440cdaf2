"""Which half of the particles each belongs to: the half that the input gives, or a random one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from cryofifa.train.random_draws import RandomDraws

SMALLEST_HALF_SHARE = 0.1  # half sets with a smaller half are replaced: their FSC would say nothing


def half_sets(
    given: Int64[np.ndarray, " n"] | None, group: Int64[np.ndarray, " n"], seed: int, warn: Callable[[str], None]
) -> Int[Tensor, " n"]:
    """Half set of every particle, 1 or 2: the input's if it has them, else random halves of equal size.

    Copies of a particle come into one half, that of the first of them.

    Args:
        given: half sets of the input; None where it has none.
        group: of every particle, the first row that it is a copy of (`particles.copies`).
        seed: of the random halves.
        warn: is told where the input's halves are too uneven to be used.
    """
    if given is not None:
        together = given[group]
        share = float((together == 1).mean())
        if SMALLEST_HALF_SHARE <= share <= 1 - SMALLEST_HALF_SHARE:
            return torch.from_numpy(together.copy())
        warn(f"rlnRandomSubset gives half 1 {share:.0%} of the particles: new random halves are used")
    order = RandomDraws(seed, "halves").order(torch.arange(len(group))).numpy()
    size = np.bincount(group, minlength=len(group))
    half, members = np.zeros(len(group), dtype=np.int64), [0, 0]
    # each group in turn joins the smaller half; particles without copies go into one half and the other in turn
    for first in dict.fromkeys(group[order].tolist()):
        smaller = int(members[1] < members[0])
        half[first] = 1 + smaller
        members[smaller] += int(size[first])
    return torch.from_numpy(half[group])
