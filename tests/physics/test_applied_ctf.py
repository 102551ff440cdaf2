"""Images that were multiplied by their CTF, or its sign, are the recorded ones again; the CTF here is another one."""

import numpy as np
import pytest
import torch
from jaxtyping import Float
from scipy.constants import c, e, h, m_e

from cryofifa.physics.antisymmetric_phase import half_transform_frequencies
from cryofifa.physics.applied_ctf import without_flipped_phases, without_premultiplication
from cryofifa.physics.ctf import CtfParameters

SIZE, PIXEL_SIZE_ANGSTROM, COUNT = 64, 3.0, 40
DEFOCUS_U, DEFOCUS_V = np.linspace(9000, 24000, COUNT), np.linspace(8500, 25000, COUNT)
ANGLE, B_FACTOR, SCALE = np.linspace(-1.5, 1.5, COUNT), np.linspace(0, 80, COUNT), np.linspace(0.7, 1.2, COUNT)


def own_ctf() -> Float[np.ndarray, "n y half_x"]:
    """sin(chi + arcsin w) * scale * exp(-B s^2 / 4), with the wavelength from physical constants."""
    volt = 300e3 * e
    wavelength = 1e10 * h * c / np.sqrt(volt * (volt + 2 * m_e * c**2))
    x, y = np.meshgrid(np.fft.rfftfreq(SIZE, PIXEL_SIZE_ANGSTROM), np.fft.fftfreq(SIZE, PIXEL_SIZE_ANGSTROM))
    square, theta = x**2 + y**2, np.arctan2(y, x)
    found = []
    for u, v, angle, b, scale in zip(DEFOCUS_U, DEFOCUS_V, ANGLE, B_FACTOR, SCALE, strict=True):
        defocus = u * np.cos(theta - angle) ** 2 + v * np.sin(theta - angle) ** 2
        chi = np.pi * wavelength * square * (defocus - 0.5 * 2.7e7 * wavelength**2 * square)
        found.append(np.sin(chi + np.arcsin(0.1)) * scale * np.exp(-b * square / 4))
    return np.stack(found)


def parameters() -> CtfParameters:
    def column(values: np.ndarray | float) -> torch.Tensor:
        return torch.from_numpy(np.broadcast_to(np.float32(values), (COUNT,)).copy())

    return CtfParameters(
        defocus_u_angstrom=column(DEFOCUS_U),
        defocus_v_angstrom=column(DEFOCUS_V),
        defocus_angle_radian=column(ANGLE),
        phase_shift_radian=column(0.0),
        voltage_kilovolt=column(300.0),
        spherical_aberration_millimetre=column(2.7),
        amplitude_contrast=column(0.1),
        b_factor_square_angstrom=column(B_FACTOR),
        scale=column(SCALE),
    )


def frequency() -> torch.Tensor:
    return half_transform_frequencies(SIZE, PIXEL_SIZE_ANGSTROM).float()


def recorded() -> np.ndarray:
    """A disc off the centre, and white noise."""
    line = np.arange(SIZE) - SIZE // 2
    disc = (np.hypot(line - 6, line[:, None] + 3) < 11).astype(float)
    return disc + np.random.default_rng(0).normal(size=(COUNT, SIZE, SIZE))


def filtered(image: np.ndarray, gain: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.fft.irfft2(np.fft.rfft2(image) * gain, s=(SIZE, SIZE)).astype(np.float32))


def test_flipped_phases_come_back():
    """All but frequencies where the CTF is next to nothing, whose sign rounding decides."""
    image, ctf = recorded(), own_ctf()
    found = without_flipped_phases(filtered(image, np.sign(ctf)), parameters(), frequency())
    clear = np.abs(ctf) > 0.02
    difference = np.fft.rfft2(found.numpy()) - np.fft.rfft2(image)
    inside = clear[:, 1 : SIZE // 2, 1 : SIZE // 2]
    assert np.abs(difference[:, 1 : SIZE // 2, 1 : SIZE // 2][inside]).max() < 1e-3


def test_premultiplied_images_are_the_recorded_ones_where_the_ctf_is_not_small():
    image, ctf = recorded(), own_ctf()
    found = without_premultiplication(filtered(image, ctf), parameters(), frequency())
    x, y = frequency().double().unbind(-1)
    envelope = SCALE[:, None, None] * np.exp(-B_FACTOR[:, None, None] * (x**2 + y**2).numpy() / 4)
    inside = (np.abs(ctf) > 0.32 * envelope)[:, 1 : SIZE // 2, 1 : SIZE // 2]
    before, after = (np.fft.rfft2(values)[:, 1 : SIZE // 2, 1 : SIZE // 2][inside] for values in (image, found.numpy()))
    assert inside.mean() > 0.75
    assert np.abs(after / before - 1).max() < 0.06  # constants differ in the fourth digit
    assert np.median(np.abs(after / before - 1)) < 1e-3


def test_low_frequencies_come_back_whole():
    """Before its first maximum the CTF is small, but the particle's shape is there: 1 % of the envelope is enough."""
    image, ctf = recorded(), own_ctf()
    found = without_premultiplication(filtered(image, ctf), parameters(), frequency())
    before, after = (np.fft.rfft2(values)[:, :3, :3] for values in (image, found.numpy()))
    np.testing.assert_allclose(after, before, rtol=5e-3, atol=5e-2)


def test_noise_is_nearly_white_again_and_never_raised_at_zeros():
    """White noise that was multiplied by the CTF, and rounding on top, which must not be blown up."""
    noise = np.random.default_rng(1).normal(size=(COUNT, SIZE, SIZE))
    rounded = filtered(noise, own_ctf()) + 0.01 * torch.randn(COUNT, SIZE, SIZE)
    found = without_premultiplication(rounded, parameters(), frequency())
    assert float(found.var()) == pytest.approx(0.9, abs=0.05)
    power = np.abs(np.fft.rfft2(found.numpy())) ** 2 / SIZE**2
    assert power.max() < 20  # of exponentially distributed values of mean 1, and 80,000 of them
