"""What each particle of a minibatch counts in the network's loss: bright junk little, and the worst not at all.

The paper ranks the minibatch's losses and leaves the worst out. The losses of the others are bounded.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cryofifa.particles.bright_junk import bounded_influence


def gradient_weight(loss: Float[Tensor, " n"], keep_fraction: float) -> Float[Tensor, " n"]:
    """Weights of the losses; 0 for the highest, of which `keep_fraction` leaves at least one particle.

    Divided by the share that is kept, so that the mean over all n is that over the kept.
    """
    kept = max(1, round(keep_fraction * len(loss)))
    weight = bounded_influence(loss) * len(loss) / kept
    weight[loss.argsort()[kept:]] = 0
    return weight
