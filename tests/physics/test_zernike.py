"""Even Zernike polynomials as their published formulas have them, and how they enter the CTF."""

import dataclasses

import numpy as np
import torch

from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.zernike import even_zernike_orders, odd_zernike_orders, zernike
from cryofifa_testkit.known_volumes import microscope_ctf

X, Y = torch.from_numpy(np.random.default_rng(0).uniform(-0.4, 0.4, (2, 50)))
RADIUS, ANGLE = torch.hypot(X, Y), torch.atan2(Y, X)
# Born and Wolf's names, in RELION's order of rlnEvenZernike.
EVEN = [
    torch.ones(50, dtype=torch.float64),  # piston
    RADIUS**2 * (2 * ANGLE).sin(),  # oblique astigmatism
    2 * RADIUS**2 - 1,  # defocus
    RADIUS**2 * (2 * ANGLE).cos(),  # vertical astigmatism
    RADIUS**4 * (4 * ANGLE).sin(),  # oblique fourfold astigmatism
    (4 * RADIUS**4 - 3 * RADIUS**2) * (2 * ANGLE).sin(),
    6 * RADIUS**4 - 6 * RADIUS**2 + 1,  # spherical
    (4 * RADIUS**4 - 3 * RADIUS**2) * (2 * ANGLE).cos(),
    RADIUS**4 * (4 * ANGLE).cos(),
]


def test_even_polynomials_in_relions_order():
    assert even_zernike_orders(4) == [(0, 0), (2, -2), (2, 0), (2, 2)]
    assert odd_zernike_orders(6) == [(1, -1), (1, 1), (3, -3), (3, -1), (3, 1), (3, 3)]
    for (n, m), expected in zip(even_zernike_orders(9), EVEN, strict=True):
        torch.testing.assert_close(zernike(n, m, X, Y), expected)


def test_they_are_added_to_the_ctfs_phase():
    """-sin(gamma + offset) = -sin(gamma) cos(offset) - cos(gamma) sin(offset); the cosine is a quarter turn away."""
    frequency, coefficient = torch.stack([X, Y], dim=-1).float(), torch.linspace(0.5, -0.4, 9)
    ctf = microscope_ctf(5)
    offset = sum(c * z.float() for c, z in zip(coefficient, EVEN, strict=True))
    quarter = dataclasses.replace(ctf, phase_shift_radian=ctf.phase_shift_radian - torch.pi / 2)
    expected = contrast_transfer(ctf, frequency) * offset.cos() + contrast_transfer(quarter, frequency) * offset.sin()
    found = contrast_transfer(dataclasses.replace(ctf, even_zernike=coefficient.expand(5, 9)), frequency)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
    some = dataclasses.replace(ctf, even_zernike=torch.randn(5, 9))[torch.tensor([3, 1])]
    assert some.even_zernike is not None
    assert some.even_zernike.shape == (2, 9)


def test_defocus_and_its_polynomial_are_the_same():
    """2 s^2 - 1 with -pi lambda df / 2, and the constant with the same: as much more defocus."""
    ctf, frequency = microscope_ctf(1), torch.stack([X, Y], dim=-1).float() / 3
    wavelength = 12.2643 / (300e3 * (1 + 0.978466e-6 * 300e3)) ** 0.5
    c = -np.pi * wavelength * 700.0 / 2
    found = contrast_transfer(dataclasses.replace(ctf, even_zernike=torch.tensor([[c, 0, c]])), frequency)
    more = dataclasses.replace(
        ctf, defocus_u_angstrom=ctf.defocus_u_angstrom + 700, defocus_v_angstrom=ctf.defocus_v_angstrom + 700
    )
    torch.testing.assert_close(found, contrast_transfer(more, frequency), atol=1e-3, rtol=0)
