"""Fourier shell correlation of two volumes: FSC(s) = Re sum_s A B* / sqrt(sum_s |A|^2 sum_s |B|^2)."""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d
from cryofifa.physics.shells import shell_numbers, shell_sums


def fourier_shell_correlation(a: Float[Tensor, "z y x"], b: Float[Tensor, "z y x"]) -> Float[Tensor, " shells"]:
    """The FSC of two volumes over shells 0 .. N//2, one Fourier pixel wide (|k| rounded); 0 where one has no power.

    Raises:
        ValueError: if the volumes are not cubes of one size.
    """
    if a.shape != b.shape or a.ndim != 3 or len(set(a.shape)) != 1:
        raise ValueError(f"expected two cubes of one size, got {tuple(a.shape)} and {tuple(b.shape)}")
    size = a.shape[-1]
    shells = size // 2 + 1
    shell = shell_numbers(size, 3, a.device)
    first, second = fourier_3d(a.double()), fourier_3d(b.double())
    cross = shell_sums((first * second.conj()).real, shell, shells)
    power_a, power_b = (shell_sums(one.abs().square(), shell, shells) for one in (first, second))
    # Rounding leaves about 1e-28 of the power in shells that a low-pass emptied: no power for our purpose.
    empty = (power_a <= 1e-20 * power_a.max()) | (power_b <= 1e-20 * power_b.max())
    norm = (power_a * power_b).sqrt()
    return torch.where(empty, 0.0, cross / torch.where(empty, 1.0, norm)).float()


def first_crossing_angstrom(curve: Float[Tensor, " shells"], threshold: float, box_angstrom: float) -> float:
    """The resolution in angstrom at which the curve first falls under the threshold, counted from shell 1.

    Interpolated linearly in frequency between the last shell above and the first one below.  A curve that is below
    already at shell 1 gives the box width; one that never falls below gives the Nyquist resolution.
    """
    values = [float(value) for value in curve]
    for shell in range(1, len(values)):
        if values[shell] < threshold:
            if shell == 1:
                return box_angstrom
            above, below = values[shell - 1], values[shell]
            return box_angstrom / (shell - 1 + (above - threshold) / (above - below))
    return box_angstrom / (len(values) - 1)
