"""What two half maps agree on that neither search nor shape gave them.

    agreement = sum over shells s of FSC_s(half_1 - its spherical mean, half_2 - its spherical mean)

over the shells beyond 4/3 and up to twice the last one that the halves shared. Next to that shell wrong minima agree as
well as right ones do, and the spherical mean of a near-sphere agrees whatever its poses are. Measured on apoferritin
from 15 to 10 A (LOG.md); its default runs share 18.2 A, and so count from 13.7 to 9.1 A.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.spherical_mean import without_spherical_mean

SHELLS = (4 / 3, 2.0)  # beyond the one, up to the other, times the last shell that was shared


def half_map_agreement(half_1: Float[Tensor, "z y x"], half_2: Float[Tensor, "z y x"], shared_shell: float) -> float:
    """In shells, each by its FSC; where the box ends before, half of the shells beyond what was shared, or the last."""
    fsc = fourier_shell_correlation(without_spherical_mean(half_1), without_spherical_mean(half_2))
    first = min(round(SHELLS[0] * shared_shell), (round(shared_shell) + len(fsc)) // 2, len(fsc) - 2)
    return float(fsc[first + 1 : round(SHELLS[1] * shared_shell) + 1].sum())
