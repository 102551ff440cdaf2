"""How well two half maps agree beyond what the search gave to both: the number by which starts can be compared.

    agreement = sum over shells s of FSC_s(half_1 - its spherical mean, half_2 - its spherical mean)

The sum goes over the shells beyond 4/3 and up to twice the last shell that the halves shared. Nearer to that shell,
starts in a wrong minimum agree as well as right ones do. The spherical mean is left out, because that of a nearly round
particle agrees whatever its poses are. Measured on apoferritin from 15 to 10 A (LOG.md); its default runs share 18.2 A,
and so count from 13.7 to 9.1 A.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.spherical_mean import without_spherical_mean

SHELLS = (4 / 3, 2.0)  # the sum begins beyond the first and ends at the second, times the last shell that was shared


def half_map_agreement(half_1: Float[Tensor, "z y x"], half_2: Float[Tensor, "z y x"], shared_shell: float) -> float:
    """The agreement by the formula above: a number of shells, each counted by its FSC.

    In a box that ends too soon for that, the outer half of the shells beyond the shared one counts, and at least the
    last shell.

    Args:
        half_1, half_2: the half maps.
        shared_shell: the last shell that the halves shared, in Fourier pixels.
    """
    fsc = fourier_shell_correlation(without_spherical_mean(half_1), without_spherical_mean(half_2))
    first = min(round(SHELLS[0] * shared_shell), (round(shared_shell) + len(fsc)) // 2, len(fsc) - 2)
    return float(fsc[first + 1 : round(SHELLS[1] * shared_shell) + 1].sum())
