"""What each particle of a minibatch counts in the network's loss: bright junk little, and the worst not at all.

The paper ranks the minibatch's losses and leaves the worst out. The losses of the others are bounded.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.train.curriculum import Number


def gradient_weight(loss: Float[Tensor, " n"], keep_fraction: Number) -> Float[Tensor, " n"]:
    """Weights of the losses; 0 for the highest, of which `keep_fraction` leaves at least one particle.

    Divided by the share that is kept, so that the mean over all n is that over the kept.
    """
    kept = torch.as_tensor(keep_fraction * len(loss)).round().clamp_min(1)
    place = loss.argsort().argsort()
    return torch.where(place < kept, bounded_influence(loss) * len(loss) / kept, 0)
