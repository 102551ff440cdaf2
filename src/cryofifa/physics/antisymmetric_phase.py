"""Beam tilt and the other antisymmetric aberrations, which shift the phases of an image and can be undone there.

transform of the image = exp(i phi(k)) * transform without these aberrations
phi(k) = -2 pi Cs lambda^2 |k|^2 (k . tilt) + sum_j c_j Z_j(k)                      so that phi(-k) = -phi(k)

The first term is RELION's rlnBeamTiltX/Y (tilt in radians here), the sum its rlnOddZernike (Z_j: zernike.py).  Signs
are those that relion_reconstruct takes out of an image.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.ctf import electron_wavelength_angstrom
from cryofifa.physics.zernike import odd_zernike_orders, zernike


def antisymmetric_phase(
    beam_tilt_milliradian: Float[Tensor, "2"],
    odd_zernike: Float[Tensor, " coefficients"],
    voltage_kilovolt: Float[Tensor, ""],
    spherical_aberration_millimetre: Float[Tensor, ""],
    frequency_per_angstrom: Float[Tensor, "*points 2"],
) -> Float[Tensor, "*points"]:
    """The phase phi in radians at spatial frequencies (x, y) in cycles per angstrom, by the module's equations.

    beam_tilt_milliradian: tilt along (x, y).
    odd_zernike: the coefficients c_j in RELION's order; any number of them, also none.
    """
    x, y = frequency_per_angstrom.unbind(-1)
    square = x.square() + y.square()
    tilt_x, tilt_y = beam_tilt_milliradian.unbind()
    cubic_angstrom = spherical_aberration_millimetre * 1e7 * electron_wavelength_angstrom(voltage_kilovolt).square()
    phase = -2 * torch.pi * cubic_angstrom * 1e-3 * square * (x * tilt_x + y * tilt_y)
    for coefficient, (n, m) in zip(odd_zernike, odd_zernike_orders(len(odd_zernike)), strict=True):
        phase = phase + coefficient * zernike(n, m, x, y)
    return phase


def half_transform_frequencies(size: int, pixel_size_angstrom: float) -> Float[Tensor, "y half_x 2"]:
    """Spatial frequencies (x, y), in cycles per angstrom, of the samples of torch's `rfft2` of a square image."""
    y = torch.fft.fftfreq(size, pixel_size_angstrom, dtype=torch.float64)
    x = torch.fft.rfftfreq(size, pixel_size_angstrom, dtype=torch.float64)
    return torch.stack([grid.mT for grid in torch.meshgrid(x, y, indexing="ij")], dim=-1)


def without_phase(image: Float[Tensor, "*batch y x"], phase: Float[Tensor, "y half_x"]) -> Float[Tensor, "*batch y x"]:
    """Take a phase out of images: their transforms are multiplied by exp(-i phase).

    phase: in radians, at the frequencies of `half_transform_frequencies`.

    At Nyquist of an even box a frequency and its Hermitian mate are one sample, which cannot have an antisymmetric
    phase: these samples are left as they are.
    """
    size = image.shape[-1]
    phase = phase.clone()
    if size % 2 == 0:
        phase[size // 2] = 0
        phase[:, size // 2] = 0
    plate = torch.polar(torch.ones_like(phase), -phase).to(torch.complex64)
    return torch.fft.irfft2(torch.fft.rfft2(image) * plate, s=(size, size))
