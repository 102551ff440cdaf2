"""Zernike polynomials of spatial frequency, in RELION's order and without a unit disc.

Z(k) = R_n^|m|(|k|) * (cos(m theta) where m >= 0, sin(|m| theta) where m < 0)

|k| is in cycles per angstrom.  rlnOddZernike counts n = 1, 3, 5, ..., rlnEvenZernike n = 0, 2, 4, ..., and both, within
n, m = -n, -n + 2, ..., n.  Zivanov, Nakane and Scheres, IUCrJ 7 (2020) 253.
"""

from math import factorial

import torch
from jaxtyping import Float
from torch import Tensor


def odd_zernike_orders(count: int) -> list[tuple[int, int]]:
    """The orders (n, m) of the first `count` odd Zernike polynomials, in the order of rlnOddZernike."""
    orders = [(n, m) for n in range(1, 2 * count, 2) for m in range(-n, n + 1, 2)]
    return orders[:count]


def even_zernike_orders(count: int) -> list[tuple[int, int]]:
    """The orders (n, m) of the first `count` even Zernike polynomials, in the order of rlnEvenZernike."""
    orders = [(n, m) for n in range(0, 2 * count, 2) for m in range(-n, n + 1, 2)]
    return orders[:count]


def zernike(n: int, m: int, x: Float[Tensor, "*points"], y: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
    """Z at frequencies (x, y); the power |m| of x + iy holds both cos and sin without the angle itself."""
    order, square = abs(m), x.square() + y.square()
    angular = torch.complex(x, y) ** order  # |k|^|m| exp(i |m| theta)
    radial = torch.zeros_like(square)  # R / |k|^|m|: even powers only
    for k in range((n - order) // 2 + 1):
        power = (n - order) // 2 - k
        weight = factorial(n - k) / (factorial(k) * factorial(order + power) * factorial(power))
        radial = radial + (-1) ** k * weight * square**power
    return radial * (angular.real if m >= 0 else angular.imag)
