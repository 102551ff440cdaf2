"""Which half of the particles each belongs to: the half that the input gives, or a random one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from cryofifa.particles.files.table import ParticleTable
from cryofifa.train.random_draws import RandomDraws

SMALLEST_HALF_SHARE = 0.1  # half sets with a smaller half are replaced: their FSC would say nothing


def half_sets(table: ParticleTable, seed: int, warn: Callable[[str], None]) -> Int[Tensor, " n"]:
    """Half set of every particle, 1 or 2: rlnRandomSubset if the input has it, else random halves of equal size.

    Args:
        table: the particles.
        seed: of the random halves.
        warn: is told where the input's halves are too uneven to be used.
    """
    given = table.random_subset
    if given is not None:
        share = float((given == 1).mean())
        if SMALLEST_HALF_SHARE <= share <= 1 - SMALLEST_HALF_SHARE:
            return torch.from_numpy(np.array(given))
        warn(f"rlnRandomSubset gives half 1 {share:.0%} of the particles: new random halves are used")
    order = RandomDraws(seed, "halves").order(torch.arange(len(table)))
    half = torch.empty(len(order), dtype=torch.long)
    half[order] = 1 + torch.arange(len(order)) % 2
    return half
