"""How much each particle of a minibatch counts in the loss: bright junk counts little, the worst not at all.

The paper ranks the minibatch's losses and leaves the highest out. Here the influence of the others is bounded, too.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.train.curriculum import Number


def gradient_weight(loss: Float[Tensor, " n"], keep_fraction: Number) -> Float[Tensor, " n"]:
    """The weight of each particle's loss: 0 for the highest losses, bounded for the others.

    Weights are divided by the share that is kept, so that a mean over all n particles is one over the kept ones.

    Args:
        loss: loss of each particle.
        keep_fraction: the share of the particles that counts; at least one particle always does.
    """
    kept = torch.as_tensor(keep_fraction * len(loss)).round().clamp_min(1)
    place = loss.argsort().argsort()
    return torch.where(place < kept, bounded_influence(loss) * len(loss) / kept, 0)
