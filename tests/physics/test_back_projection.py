"""Back-projection: the adjoint of the slice, and its inverse when views and CTFs cover all of Fourier space."""

import math

import numpy as np
import pytest
import torch

from cryofifa.physics.back_projection import BackProjector, add_hermitian_mate
from cryofifa.physics.central_slice import FourierGrid, trilinear_gridding
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.shells import scale_shells
from cryofifa_testkit.known_volumes import blob_transform, blob_volume, microscope_ctf, random_rotations

SIZE, PIXEL, WIDTH = 32, 4.0, 1.1


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def exact_transforms(rotation: torch.Tensor, plane: HalfPlane) -> torch.Tensor:
    """Noise-free images' transforms in closed form."""
    k = torch.cat([plane.index_xy.double(), torch.zeros(len(plane), 1)], 1) / SIZE
    return torch.from_numpy(blob_transform((k @ rotation.double()).numpy(), WIDTH)).to(torch.complex64)


@pytest.fixture(scope="module", params=[False, True], ids=["without origin", "with origin"])
def reconstruction(request) -> torch.Tensor:
    plane = HalfPlane.of_box(SIZE, PIXEL, with_origin=request.param)
    rotation = random_rotations(1500)
    ctf = contrast_transfer(microscope_ctf(1500), plane.frequency_per_angstrom)
    projector = BackProjector.empty(SIZE)
    for rows in torch.arange(1500).split(300):
        projector.add(exact_transforms(rotation[rows], plane) * ctf[rows], ctf[rows], rotation[rows], plane)
    return projector.volume()


def test_spreading_is_the_adjoint_of_reading():
    """<slice G, F> = <G, spread F> for any grid and any points, so also in real space."""
    size, plane, rotation = 12, HalfPlane.of_box(12, 1.0), random_rotations(5)
    values = torch.complex(noise(5, len(plane)), noise(5, len(plane), seed=1))
    projector = BackProjector.empty(size)
    projector.add(values, torch.ones(5, len(plane)), rotation, plane)
    fine = FourierGrid.size_for(size / 2)
    spread = torch.complex(projector.data_real, projector.data_imaginary).reshape(fine, fine, fine)
    grid = FourierGrid(noise(2, fine, fine, fine, seed=2), size / 2)
    left = (grid.slices(rotation, plane) * values.conj()).sum()
    right = (torch.complex(*grid.real_imaginary) * spread.conj()).sum()
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-3)

    volume = noise(size, size, size, seed=3)
    left = (FourierGrid.from_volume(volume, size / 2).slices(rotation, plane) * values.conj()).sum().real
    padded = np.fft.ifftshift(spread[2:-2, 2:-2, 2:-2].numpy())  # the grid of the twice larger box
    back = np.fft.fftshift(np.fft.ifftn(padded).real) * (2 * size) ** 3
    back = back[size // 2 : -size // 2, size // 2 : -size // 2, size // 2 : -size // 2]
    right = (volume / trilinear_gridding(size) * torch.from_numpy(back).float()).sum()
    torch.testing.assert_close(left, right, rtol=1e-3, atol=0.05)


def test_noise_free_images_give_the_volume_back(reconstruction):
    curve = fourier_shell_correlation(reconstruction, blob_volume(SIZE, WIDTH))
    assert curve[1 : math.floor(0.9 * SIZE / 2) + 1].min() > 0.99


def test_scale_is_right_on_every_shell(reconstruction):
    found, true = fourier_3d(reconstruction), fourier_3d(blob_volume(SIZE, WIDTH))
    shell = distance_from_centre(SIZE, 3).round()
    for number in range(2, 14):
        a, b = found[shell == number], true[shell == number]
        ratio = float((a * b.conj()).real.sum() / b.abs().square().sum())
        assert ratio == pytest.approx(1, abs=0.04), f"shell {number}"


def test_density_has_the_right_value_at_the_blobs(reconstruction):
    true = blob_volume(SIZE, WIDTH)
    bright = true > 0.3 * true.max()
    slope = (reconstruction[bright] * true[bright]).sum() / true[bright].square().sum()
    assert float(slope) == pytest.approx(1, abs=0.05)


def test_points_at_nyquist_do_not_raise_and_turn_up():
    plane = HalfPlane.of_box(16, 1.0)
    straight = torch.eye(3).repeat(6, 1, 1)
    rotation = torch.cat([straight, random_rotations(50)])
    projector = BackProjector.empty(16)
    ones = torch.ones(len(rotation), len(plane))
    projector.add(torch.complex(ones, 0 * ones), ones, rotation, plane)
    assert torch.isfinite(projector.volume()).all()
    assert float(projector.weight.sum()) == pytest.approx(len(rotation) * len(plane), rel=1e-4)


def test_empty_sums_give_a_finite_volume():
    assert torch.isfinite(BackProjector.empty(12).volume()).all()


def test_halves_add_up_to_the_whole():
    plane, rotation = HalfPlane.of_box(12, 1.0), random_rotations(6)
    values, ctf = torch.complex(noise(6, len(plane)), noise(6, len(plane), seed=1)), noise(6, len(plane), seed=2)
    first, second, whole = (BackProjector.empty(12) for _ in range(3))
    first.add(values[:2], ctf[:2], rotation[:2], plane)
    second.add(values[2:], ctf[2:], rotation[2:], plane)
    whole.add(values, ctf, rotation, plane)
    torch.testing.assert_close((first + second).volume(), whole.volume(), atol=1e-4, rtol=1e-3)


def test_a_shell_is_multiplied_by_its_gain():
    plane, rotation = HalfPlane.of_box(SIZE, PIXEL), random_rotations(400)
    ones = torch.ones(400, len(plane))
    projector = BackProjector.empty(SIZE)
    projector.add(exact_transforms(rotation, plane), ones, rotation, plane)
    whole = fourier_3d(projector.volume())
    half = fourier_3d(scale_shells(projector.volume(), torch.full((SIZE // 2 + 1,), 0.5)))
    shell = distance_from_centre(SIZE, 3).round()
    a, b = half[shell == 5], whole[shell == 5]
    assert float((a * b.conj()).real.sum() / b.abs().square().sum()) == pytest.approx(0.5, abs=1e-3)


def test_hermitian_mate_makes_a_real_volume():
    grid = torch.complex(noise(8, 8, 8), noise(8, 8, 8, seed=1))
    whole = add_hermitian_mate(grid)
    assert torch.fft.ifftn(torch.fft.ifftshift(whole)).imag.abs().max() < 1e-6
    torch.testing.assert_close(inverse_fourier_3d(whole), 2 * inverse_fourier_3d(grid))
