"""The contrast transfer function (CTF), in RELION's conventions.

lambda = 12.2643 / sqrt(E (1 + 0.978466e-6 E))                      electron wavelength in angstrom, E in volts
df     = (U + V + (U - V) cos 2(theta - theta0)) / 2                defocus at azimuth theta, in angstrom
gamma  = -pi lambda df s^2 + pi/2 Cs lambda^3 s^4 - phase - atan(w / sqrt(1 - w^2)) + sum_j c_j Z_j
CTF    = -sin(gamma) * scale * exp(-B s^2 / 4)                      so that CTF(0) = +w

s is the spatial frequency in cycles per angstrom, w the amplitude contrast, c_j the coefficients of even Zernike
polynomials Z_j (zernike.py): symmetric aberrations beyond defocus, astigmatism and Cs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.zernike import even_zernike_orders, zernike


def electron_wavelength_angstrom(voltage_kilovolt: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The relativistic electron wavelength in angstrom, with RELION's constants."""
    volt = voltage_kilovolt * 1e3
    return 12.2643 / (volt * (1 + 0.978466e-6 * volt)).sqrt()


@dataclass(frozen=True)
class CtfParameters:
    """The optics of a set of particles: one value per particle, with RELION's meaning and the units in the names.

    Underfocus is positive. defocus_u lies along `defocus_angle_radian`, measured from +x, and defocus_v across it.
    """

    defocus_u_angstrom: Float[Tensor, " particles"]
    defocus_v_angstrom: Float[Tensor, " particles"]
    defocus_angle_radian: Float[Tensor, " particles"]
    phase_shift_radian: Float[Tensor, " particles"]
    voltage_kilovolt: Float[Tensor, " particles"]
    spherical_aberration_millimetre: Float[Tensor, " particles"]
    amplitude_contrast: Float[Tensor, " particles"]
    b_factor_square_angstrom: Float[Tensor, " particles"]
    scale: Float[Tensor, " particles"]
    even_zernike: Float[Tensor, "particles coefficients"] | None = None  # in RELION's order; None for none

    def __getitem__(self, particles: Tensor | slice) -> CtfParameters:
        """The optics of some of the particles."""
        return self._each(lambda column: column[particles])

    def __len__(self) -> int:
        return self.scale.shape[0]

    def to(self, device: torch.device) -> CtfParameters:
        """The same optics on another device."""
        return self._each(lambda column: column.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> CtfParameters:
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(column) for name, column in columns.items() if column is not None})


def contrast_transfer(
    parameters: CtfParameters, frequency_per_angstrom: Float[Tensor, "points 2"]
) -> Float[Tensor, "particles points"]:
    """CTF of every particle at spatial frequencies (x, y) in cycles per angstrom, by the module's equations."""
    x, y = frequency_per_angstrom.unbind(-1)
    square = x.square() + y.square()  # s^2
    p = parameters
    wavelength = electron_wavelength_angstrom(p.voltage_kilovolt)
    aberration_angstrom = p.spherical_aberration_millimetre * 1e7
    # s^2 cos 2(theta - theta0) without the angle theta, which has no value at the origin
    along, across = x.square() - y.square(), 2 * x * y
    mean = 0.5 * (p.defocus_u_angstrom + p.defocus_v_angstrom)
    half_difference = 0.5 * (p.defocus_u_angstrom - p.defocus_v_angstrom)
    double_angle = 2 * p.defocus_angle_radian
    defocus_times_square = (
        mean[:, None] * square
        + (half_difference * double_angle.cos())[:, None] * along
        + (half_difference * double_angle.sin())[:, None] * across
    )
    constant_phase = p.phase_shift_radian + torch.atan(p.amplitude_contrast / (1 - p.amplitude_contrast**2).sqrt())
    gamma = (
        -torch.pi * wavelength[:, None] * defocus_times_square
        + 0.5 * torch.pi * (aberration_angstrom * wavelength**3)[:, None] * square.square()
        - constant_phase[:, None]
    )
    if p.even_zernike is not None:
        orders = even_zernike_orders(p.even_zernike.shape[1])
        gamma = gamma + p.even_zernike @ torch.stack([zernike(n, m, x, y) for n, m in orders])
    return -gamma.sin() * envelope(parameters, frequency_per_angstrom)


def envelope(
    parameters: CtfParameters, frequency_per_angstrom: Float[Tensor, "points 2"]
) -> Float[Tensor, "particles points"]:
    """What the CTF oscillates within: scale * exp(-B s^2 / 4), for every particle at these spatial frequencies."""
    square = frequency_per_angstrom.square().sum(-1)
    return parameters.scale[:, None] * torch.exp(-0.25 * parameters.b_factor_square_angstrom[:, None] * square)
