"""The sign of shifts: RELION's origin brings the particle to the centre, so the particle sits at minus it."""

import torch

from cryofifa.physics.fourier import HalfPlane, fourier_2d, inverse_fourier_2d
from cryofifa.physics.shift import displacement_phase, shift_grid

SIZE, PIXEL = 16, 2.5


def moved_point(origin_angstrom: torch.Tensor) -> torch.Tensor:
    point = torch.zeros(SIZE, SIZE)
    point[SIZE // 2, SIZE // 2] = 1
    plane = HalfPlane.of_box(SIZE, PIXEL)
    phase = displacement_phase(origin_angstrom, plane.frequency_per_angstrom)
    return inverse_fourier_2d(plane.fill(plane.gather(fourier_2d(point)) * phase))


def test_a_bright_point_sits_at_half_minus_its_origin():
    image = moved_point(torch.tensor([3 * PIXEL, -2 * PIXEL]))
    y, x = divmod(int(image.argmax()), SIZE)
    assert (x, y) == (SIZE // 2 - 3, SIZE // 2 + 2)


def test_a_fraction_of_a_pixel_follows_the_shift_theorem():
    centre, half = moved_point(torch.zeros(2)), moved_point(torch.tensor([0.5 * PIXEL, 0.0]))
    # half a pixel towards -x: as much on the pixel left of the centre as on the centre
    torch.testing.assert_close(half[SIZE // 2, SIZE // 2], half[SIZE // 2, SIZE // 2 - 1])
    assert half[SIZE // 2, SIZE // 2] > half[SIZE // 2, SIZE // 2 + 1]
    torch.testing.assert_close(half.square().sum(), centre.square().sum())


def test_conjugate_brings_it_back_and_shifts_add():
    frequency = HalfPlane.of_box(SIZE, PIXEL).frequency_per_angstrom
    a, b = torch.tensor([4.0, -7.0]), torch.tensor([-1.5, 2.0])
    together = displacement_phase(a + b, frequency)
    torch.testing.assert_close(displacement_phase(a, frequency) * displacement_phase(b, frequency), together)
    torch.testing.assert_close(together * together.conj(), torch.ones_like(together))


def test_grid_is_square_about_zero_zero_first():
    grid = shift_grid(1.5, 2)
    assert grid[0].tolist() == [0, 0]
    expected = {(1.5 * x, 1.5 * y) for x in range(-2, 3) for y in range(-2, 3)}
    assert {tuple(point) for point in grid.tolist()} == expected
    assert len(grid) == 25
