"""The CTF against the outside package torch-ctf, and against what is known at single frequencies."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cryofifa.physics.ctf import CtfParameters, contrast_transfer, electron_wavelength_angstrom
from cryofifa.physics.fourier import HalfPlane


def parameters(**changes: float) -> CtfParameters:
    values = {
        "defocus_u_angstrom": 16000.0,
        "defocus_v_angstrom": 14500.0,
        "defocus_angle_radian": 0.6,
        "phase_shift_radian": 0.0,
        "voltage_kilovolt": 300.0,
        "spherical_aberration_millimetre": 2.7,
        "amplitude_contrast": 0.1,
        "b_factor_square_angstrom": 0.0,
        "scale": 1.0,
    }
    return CtfParameters(**{name: torch.tensor([value]) for name, value in (values | changes).items()})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"voltage_kilovolt": 200.0, "spherical_aberration_millimetre": 2.0, "defocus_angle_radian": -1.2},
        {"phase_shift_radian": 1.1, "amplitude_contrast": 0.07},
        {"defocus_u_angstrom": 9000.0, "defocus_v_angstrom": 7000.0},
    ],
)
def test_equals_torch_ctf(changes):
    from torch_ctf import calculate_ctf_2d

    size, pixel = 64, 1.0
    p = parameters(**changes)
    u, v = float(p.defocus_u_angstrom), float(p.defocus_v_angstrom)
    # torch-ctf: micrometres, half the difference
    outside = calculate_ctf_2d(
        defocus=(u + v) / 2e4,
        astigmatism=(u - v) / 2e4,
        astigmatism_angle=float(torch.rad2deg(p.defocus_angle_radian)),
        voltage=float(p.voltage_kilovolt),
        spherical_aberration=float(p.spherical_aberration_millimetre),
        amplitude_contrast=float(p.amplitude_contrast),
        phase_shift=float(torch.rad2deg(p.phase_shift_radian)),
        pixel_size=pixel,
        image_shape=(size, size),
        rfft=False,
        fftshift=True,
    )
    plane = HalfPlane.of_box(size, pixel, with_origin=True)
    theirs = plane.gather(outside.reshape(size, size).to(torch.complex64)).real
    difference = (contrast_transfer(p, plane.frequency_per_angstrom)[0] - theirs).abs()
    assert difference[plane.radius / size <= 1 / 6].max() < 2e-3
    assert difference.max() < 1e-2


def test_wavelength_is_the_textbooks():
    # de Broglie with relativity, from CODATA constants
    h, mass, charge, light = 6.62607015e-34, 9.1093837e-31, 1.602176634e-19, 2.99792458e8
    for kilovolt in (100.0, 200.0, 300.0):
        energy = charge * kilovolt * 1e3
        expected = 1e10 * h / np.sqrt(2 * mass * energy * (1 + energy / (2 * mass * light**2)))
        assert float(electron_wavelength_angstrom(torch.tensor(kilovolt))) == pytest.approx(expected, rel=1e-4)


def test_at_the_origin_it_is_the_amplitude_contrast_times_the_scale():
    origin = torch.zeros(1, 2)
    for contrast in (0.0, 0.07, 0.1, 1.0):
        found = contrast_transfer(parameters(amplitude_contrast=contrast, scale=1.7), origin)
        assert float(found) == pytest.approx(1.7 * contrast, abs=1e-6)
    phase_plate = parameters(amplitude_contrast=0.0, phase_shift_radian=np.pi / 2)
    assert float(contrast_transfer(phase_plate, origin)) == pytest.approx(1.0)


def test_underfocus_first_goes_up():
    """Weak-phase contrast of an underfocused image has the sign of its amplitude contrast at low frequency."""
    low = torch.tensor([[1 / 100, 0.0]])
    assert float(contrast_transfer(parameters(), low)) > 0.1


def test_astigmatism_axis_is_defined_up_to_half_a_turn():
    plane = HalfPlane.of_box(32, 2.0)
    one = contrast_transfer(parameters(), plane.frequency_per_angstrom)
    other = contrast_transfer(parameters(defocus_angle_radian=0.6 + np.pi), plane.frequency_per_angstrom)
    swapped = contrast_transfer(
        parameters(defocus_u_angstrom=14500.0, defocus_v_angstrom=16000.0, defocus_angle_radian=0.6 + np.pi / 2),
        plane.frequency_per_angstrom,
    )
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
    torch.testing.assert_close(one, swapped, atol=1e-4, rtol=0)


def test_defocus_u_acts_along_its_angle():
    for angle, defocus in ((0.6, 16000.0), (0.6 + np.pi / 2, 14500.0)):
        along = torch.tensor([[np.cos(angle), np.sin(angle)]]).float() * 0.1
        isotropic = parameters(defocus_u_angstrom=defocus, defocus_v_angstrom=defocus)
        found, expected = contrast_transfer(parameters(), along), contrast_transfer(isotropic, along)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_envelope_and_scale_multiply():
    frequency = HalfPlane.of_box(32, 2.0).frequency_per_angstrom
    bare = contrast_transfer(parameters(), frequency)
    damped = contrast_transfer(parameters(b_factor_square_angstrom=80.0, scale=0.5), frequency)
    envelope = 0.5 * torch.exp(-80 / 4 * frequency.square().sum(-1))
    torch.testing.assert_close(damped, bare * envelope)


def test_particles_are_picked_together():
    one = replace(parameters(), even_zernike=torch.zeros(1, 3))
    other = replace(one, scale=torch.tensor([3.0]))
    both = CtfParameters(**{name: torch.cat([column, vars(other)[name]]) for name, column in vars(one).items()})
    assert len(both) == 2
    frequency = HalfPlane.of_box(16, 2.0).frequency_per_angstrom
    torch.testing.assert_close(
        contrast_transfer(both[torch.tensor([1])], frequency), 3 * contrast_transfer(both[:1], frequency)
    )
