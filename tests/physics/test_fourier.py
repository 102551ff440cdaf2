"""Transforms against numpy's, and the half plane that stands for a real image."""

import numpy as np
import pytest
import torch

from cryofifa.physics.fourier import (
    HalfPlane,
    centred_index,
    fourier_2d,
    fourier_3d,
    inverse_fourier_2d,
    inverse_fourier_3d,
    rescale_images,
    rescale_volume,
    window_centre,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [15, 16])
def test_transforms_are_numpys_sums_over_centred_indices(size):
    index = np.arange(size) - size // 2
    kernel = np.exp(-2j * np.pi * np.outer(index, index) / size)
    image, volume = noise(2, size, size), noise(size, size, size)
    expected = np.einsum("ay,bx,nyx->nab", kernel, kernel, image.numpy())
    np.testing.assert_allclose(fourier_2d(image).numpy(), expected, atol=1e-4)
    expected = np.einsum("az,by,cx,zyx->abc", kernel, kernel, kernel, volume.numpy())
    np.testing.assert_allclose(fourier_3d(volume).numpy(), expected, atol=1e-3)
    torch.testing.assert_close(inverse_fourier_2d(fourier_2d(image)), image)
    torch.testing.assert_close(inverse_fourier_3d(fourier_3d(volume)), volume)


def test_a_point_at_the_origin_has_a_flat_spectrum_and_power_is_kept():
    point = torch.zeros(12, 12)
    point[6, 6] = 1
    torch.testing.assert_close(fourier_2d(point), torch.ones(12, 12, dtype=torch.complex64))
    image = noise(12, 12)
    power = fourier_2d(image).abs().square().sum() / 144  # Parseval
    torch.testing.assert_close(power, image.square().sum())


def test_centred_index_is_zero_at_half():
    assert centred_index(6).tolist() == [-3, -2, -1, 0, 1, 2]
    assert centred_index(5).tolist() == [-2, -1, 0, 1, 2]


@pytest.mark.parametrize(("before", "after"), [(8, 4), (8, 5), (7, 4), (7, 3), (4, 8), (5, 8), (4, 7), (3, 7)])
def test_window_keeps_the_origin_and_what_fits(before, after):
    array = torch.zeros(before, before)
    array[before // 2, before // 2] = 1
    array[before // 2 - 1, before // 2 + 1] = 2
    window = window_centre(array, after, 2)
    assert window.shape == (after, after)
    assert window[after // 2, after // 2] == 1
    assert window[after // 2 - 1, after // 2 + 1] == 2


@pytest.mark.parametrize(("before", "after"), [(24, 16), (16, 24), (24, 30)])
def test_rescaling_samples_the_same_band_limited_function(before, after):
    def wave(size: int) -> torch.Tensor:
        line = (torch.arange(size) - size // 2) / size
        y, x = torch.meshgrid(line, line, indexing="ij")
        return 3 + torch.cos(2 * torch.pi * (2 * x - 5 * y) + 0.4) + torch.sin(2 * torch.pi * 4 * x)

    torch.testing.assert_close(rescale_images(wave(before), after), wave(after), atol=1e-5, rtol=1e-5)


def test_rescaling_a_volume_samples_the_same_function():
    def wave(size: int) -> torch.Tensor:
        line = (torch.arange(size) - size // 2) / size
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        return 1 + torch.cos(2 * torch.pi * (x - 3 * y + 2 * z) + 0.4)

    torch.testing.assert_close(rescale_volume(wave(16), 10), wave(10), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rescale_volume(wave(10), 16), wave(16), atol=1e-5, rtol=1e-5)


def test_half_plane_holds_each_pair_of_mates_once_up_to_its_radius():
    plane = HalfPlane.of_box(16, 2.0, 5.5)
    points = {tuple(point) for point in plane.index_xy.tolist()}
    assert len(points) == len(plane)
    everything = {(x, y) for x in range(-7, 8) for y in range(-7, 8) if 0 < x * x + y * y <= 5.5**2}
    assert points | {(-x, -y) for x, y in points} == everything
    assert not points & {(-x, -y) for x, y in points}


def test_default_half_plane_reaches_nyquist_without_its_own_row():
    plane = HalfPlane.of_box(16, 2.0)
    assert plane.index_xy.abs().max() == 7
    assert float(plane.radius.max()) <= 8
    assert [7, 3] in plane.index_xy.tolist()  # radius 7.6


def test_a_smaller_mask_is_a_prefix():
    plane = HalfPlane.of_box(32, 3.0)
    assert bool((plane.radius.diff() >= 0).all())
    for radius in (1.0, 2.9, 5.0, 11.3, 16.0):
        smaller = plane.within(radius)
        assert torch.equal(smaller.index_xy, plane.index_xy[: len(smaller)])
        assert {tuple(p) for p in smaller.index_xy.tolist()} == {
            tuple(p) for p in HalfPlane.of_box(32, 3.0, radius).index_xy.tolist()
        }


def test_frequency_is_in_cycles_per_angstrom():
    plane = HalfPlane.of_box(10, 2.5, 3.0)
    row = plane.index_xy.tolist().index([2, -1])
    torch.testing.assert_close(plane.frequency_per_angstrom[row], torch.tensor([2 / 25, -1 / 25]))
    torch.testing.assert_close(plane.radius[row], torch.tensor(5.0).sqrt())


def test_fill_after_gather_gives_the_band_limited_image_back():
    size = 16
    transform = fourier_2d(noise(3, size, size))
    line = torch.arange(size) - size // 2
    inside = (line[:, None].square() + line.square() <= 64) & (line[:, None] > -8) & (line > -8)
    limited = transform * inside
    plane = HalfPlane.of_box(size, 1.0, with_origin=True)
    filled = plane.fill(plane.gather(transform))
    torch.testing.assert_close(filled, limited, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(plane.gather(filled), plane.gather(transform), atol=1e-4, rtol=1e-5)
    without = HalfPlane.of_box(size, 1.0)
    image = inverse_fourier_2d(without.fill(without.gather(transform)))
    expected = inverse_fourier_2d(limited)
    torch.testing.assert_close(image, expected - expected.mean((-1, -2), keepdim=True))


def test_fill_is_hermitian_even_where_the_origin_was_not_real():
    plane = HalfPlane.of_box(8, 1.0, with_origin=True)
    filled = plane.fill(torch.complex(noise(len(plane)), noise(len(plane), seed=1)))
    inner = filled[1:, 1:]
    torch.testing.assert_close(inner, inner.flip((0, 1)).conj())
    assert filled[4, 4].imag == 0
    assert torch.fft.ifft2(torch.fft.ifftshift(filled)).imag.abs().max() < 1e-6
