"""Beam tilt and odd Zernike phases: symmetry, RELION's own identities and torch-ctf, scipy's polynomials."""

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_jacobi

from cryofifa.physics.antisymmetric_phase import (
    antisymmetric_phase,
    half_transform_frequencies,
    odd_zernike_orders,
    without_phase,
)

PIXEL = 1.2
TILT = (0.7, -1.1)
ZERNIKE = (0.5, -0.7, 8.0, 1.5, -2.0, 10.0, 3.0)


def phase(
    frequency: torch.Tensor, tilt: tuple[float, ...] = (0.0, 0.0), zernike: tuple[float, ...] = (), cs: float = 2.7
) -> torch.Tensor:
    def double(*values: float) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)

    return antisymmetric_phase(double(*tilt), double(*zernike), double(300.0)[0], double(cs)[0], frequency)


def image_of(size: int) -> torch.Tensor:
    return torch.randn(3, size, size, generator=torch.Generator().manual_seed(size))


def test_phase_is_antisymmetric():
    frequency = torch.randn(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 5
    found = phase(frequency, TILT, ZERNIKE)
    assert float(found.abs().max()) > 1
    torch.testing.assert_close(phase(-frequency, TILT, ZERNIKE), -found)


def test_tilt_has_the_phase_of_relions_formula_in_degrees():
    """0.360 * Cs * 1e7 * lambda^2 * |k|^2 (k . tilt) degrees is what RELION adds to an image to take the tilt out."""
    wavelength = 12.2643247 / math.sqrt(300e3 * (1 + 300e3 * 0.978466e-6))
    x, y = 0.21, -0.13
    degree = 0.360 * 2.7 * 1e7 * wavelength**2 * (x * x + y * y) * (x * TILT[0] + y * TILT[1])
    found = phase(torch.tensor([[x, y]], dtype=torch.float64), TILT)
    assert float(found[0]) == pytest.approx(-math.radians(degree), rel=1e-5)


def test_tilt_has_the_size_of_torch_ctfs():
    from torch_ctf.ctf_aberrations import apply_odd_zernikes

    frequency = half_transform_frequencies(32, PIXEL)
    rho, theta = frequency.norm(dim=-1), torch.atan2(frequency[..., 1], frequency[..., 0])
    theirs = apply_odd_zernikes(None, rho, theta, torch.tensor(300.0), torch.tensor(2.7), torch.tensor(TILT))
    # the sign is RELION's; their wavelength differs in the fourth digit
    torch.testing.assert_close(-phase(frequency, TILT), theirs.double(), rtol=1e-3, atol=1e-6)


def test_tilt_is_coma_less_a_shift():
    """r^2 x is (Z_3^1 + 2 Z_1^1) / 3: how RELION itself puts the tilt among the Zernike terms."""
    wavelength = 12.2643247 / math.sqrt(300e3 * (1 + 300e3 * 0.978466e-6))
    scale = 2.7 * 20000 * wavelength**2 * math.pi
    x, y = (-scale * tilt / 3 for tilt in TILT)
    frequency = half_transform_frequencies(16, PIXEL)
    found = phase(frequency, zernike=(2 * y, 2 * x, 0.0, y, x, 0.0))
    torch.testing.assert_close(found, phase(frequency, TILT), rtol=1e-5, atol=1e-9)


def test_zernike_polynomials_are_scipys():
    """R_n^m(r) = (-1)^((n-m)/2) r^m P^(m,0)_((n-m)/2)(1 - 2 r^2)."""
    generator = np.random.default_rng(1)
    x, y = generator.uniform(-0.6, 0.6, (2, 50))
    r, theta = np.hypot(x, y), np.arctan2(y, x)
    frequency = torch.from_numpy(np.stack([x, y], axis=1))
    orders = odd_zernike_orders(12)
    assert orders[:6] == [(1, -1), (1, 1), (3, -3), (3, -1), (3, 1), (3, 3)]
    for j, (n, m) in enumerate(orders):
        half, order = (n - abs(m)) // 2, abs(m)
        radial = (-1) ** half * r**order * eval_jacobi(half, order, 0, 1 - 2 * r**2)
        expected = radial * (np.cos(m * theta) if m > 0 else np.sin(-m * theta))
        found = phase(frequency, zernike=(0.0,) * j + (1.0,))
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_linear_term_is_a_shift():
    """exp(2 pi i k.d) is what an image moved by -d has too much: taking it out moves it by +d."""
    size, pixels = 33, (3, -2)
    image, frequency = image_of(size), half_transform_frequencies(size, PIXEL)
    moved_y, moved_x = (2 * math.pi * pixel * PIXEL for pixel in (pixels[1], pixels[0]))
    found = without_phase(image, phase(frequency, zernike=(moved_y, moved_x)))
    torch.testing.assert_close(found, image.roll((pixels[1], pixels[0]), (-2, -1)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [32, 33])
def test_no_phase_is_no_change_and_the_opposite_brings_it_back(size: int):
    image, frequency = image_of(size), half_transform_frequencies(size, PIXEL)
    torch.testing.assert_close(without_phase(image, phase(frequency)), image, atol=1e-5, rtol=0)
    tilted = without_phase(image, phase(frequency, (-TILT[0], -TILT[1]), tuple(-c for c in ZERNIKE)))
    assert float((tilted - image).abs().max()) > 1
    torch.testing.assert_close(without_phase(tilted, phase(frequency, TILT, ZERNIKE)), image, atol=1e-5, rtol=0)
    assert float(tilted.square().sum()) == pytest.approx(float(image.square().sum()), rel=1e-5)
