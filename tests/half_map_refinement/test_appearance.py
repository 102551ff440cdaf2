"""What an image looks like does not depend on how it is turned, and tells edges, ice and noise from a particle."""

import torch

from cryofifa.half_map_refinement.appearance import HARMONICS, Appearance
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.particles.noise_spectrum import WHITE
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.physics.ctf import CtfParameters
from cryofifa.physics.fourier import HalfPlane
from cryofifa.settings.images import ImageSettings

BOX, PIXEL_SIZE_ANGSTROM, RADIUS_ANGSTROM = 48, 4.0, 60.0


def looks_of(image: torch.Tensor) -> torch.Tensor:
    def values(value: float) -> torch.Tensor:
        return torch.full((len(image),), value)

    optics = CtfParameters(
        defocus_u_angstrom=values(15000.0),
        defocus_v_angstrom=values(15000.0),
        defocus_angle_radian=values(0.0),
        phase_shift_radian=values(0.0),
        voltage_kilovolt=values(300.0),
        spherical_aberration_millimetre=values(2.7),
        amplitude_contrast=values(0.1),
        b_factor_square_angstrom=values(0.0),
        scale=values(1.0),
    )
    frame = ParticleFrame(
        lambda rows: image[torch.from_numpy(rows)],
        optics,
        HalfPlane.of_box(BOX, PIXEL_SIZE_ANGSTROM),
        ParticleSize(RADIUS_ANGSTROM, False, ImageSettings()),
        torch.eye(3)[None],
    )
    return Appearance(frame, WHITE).of(torch.arange(len(image)))


def noise(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, BOX, BOX, generator=torch.Generator().manual_seed(seed))


def grid() -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(BOX, dtype=torch.float32) - BOX // 2
    y, x = torch.meshgrid(index, index, indexing="ij")
    return y, x


def test_a_turned_image_looks_the_same():
    """By a quarter turn about the centre, which maps the grid onto itself but for its first row."""
    image = noise(4)
    image[:, 0], image[:, :, 0] = 0, 0
    turned = torch.rot90(image, 1, (1, 2)).roll(1, 1)
    torch.testing.assert_close(looks_of(turned), looks_of(image), atol=1e-3, rtol=1e-3)


def test_white_noise_has_the_power_of_white_noise_in_every_ring():
    rings = looks_of(noise(400))[:, :8].exp().mean(dim=0)
    assert ((rings - 1).abs() < 0.2).all()


def test_an_edge_is_told_by_its_first_harmonic():
    _, x = grid()
    edge = noise(50) + 2.0 * (x > 4)
    first = -3 - len(HARMONICS)  # harmonics stand before the three extremes
    assert (looks_of(edge)[:, first] > looks_of(noise(50, seed=2))[:, first].max()).all()


def test_ice_is_told_by_its_power():
    y, x = grid()
    ice = noise(50) + 5.0 * torch.exp(-(x**2 + y**2) / 8)
    assert (looks_of(ice)[:, 1] > looks_of(noise(50, seed=2))[:, 1].max()).all()
