"""Directional FSC: along each direction the half maps agree as far as they were made to, and a mask adds nothing."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.symmetry_average import mean_of_turned
from cryofifa.results.directional_fsc import HALF_ANGLE_DEGREE, Cones, DirectionalFsc, directional_fsc
from cryofifa.results.fsc import in_mask

SIZE = 48
PIXEL = 2.0
BOX = SIZE * PIXEL
EVERYWHERE = torch.ones(SIZE, SIZE, SIZE)
AXIS = np.array([2.0, -3.0, 6.0]) / 7  # a unit vector (x, y, z), far from what it is with its axes exchanged


def white(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((SIZE, SIZE, SIZE))


def frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Shell radius of every point of numpy's transform, and its angle with the axis in degrees."""
    line = np.fft.fftfreq(SIZE, 1 / SIZE)
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    along = np.abs(np.stack([x, y, z], axis=-1) @ AXIS) / np.maximum(radius, 1e-9)
    return radius, np.degrees(np.arccos(np.clip(along, 0, 1)))


def halves(ends_at: np.ndarray | float, noise_sd: float = 0.3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A white signal up to a radius in Fourier space, which may depend on direction, and white noise of each half."""
    radius, _ = frequencies()
    signal = np.fft.ifftn(np.fft.fftn(white(seed)) * (radius <= ends_at)).real
    first, second = (torch.from_numpy(signal + noise_sd * white(seed + one)).float() for one in (1, 2))
    return first, second


def angle_with_axis(found: DirectionalFsc) -> np.ndarray:
    return np.degrees(np.arccos(np.abs(found.direction @ AXIS)))


def test_each_direction_has_the_resolution_that_it_was_given() -> None:
    """Signal to radius 8.5 within 40 degrees of an axis, and to 16.5 elsewhere; cones that hold both lie between."""
    _, angle = frequencies()
    found = directional_fsc(*halves(np.where(angle < 40, 8.5, 16.5)), EVERYWHERE, PIXEL)
    from_axis = angle_with_axis(found)
    along = found.resolution_angstrom[from_axis < 40 - HALF_ANGLE_DEGREE - 2]
    across = found.resolution_angstrom[from_axis > 40 + HALF_ANGLE_DEGREE + 2]
    assert BOX / 9 < np.median(along) < BOX / 8
    assert BOX / 17 < np.median(across) < BOX / 16
    # the white signal's FSC is 1 / (1 + noise power) where there is any, and 0 elsewhere; shells 1 .. 24
    held = 1 / 1.09
    assert found.area[from_axis < 10] == pytest.approx(held * 8 / 24, abs=0.06)
    assert found.area[from_axis > 75] == pytest.approx(held * 16 / 24, abs=0.06)
    assert found.area_ratio == pytest.approx(0.5, abs=0.08)
    assert from_axis[found.area.argmin()] < 20


def test_a_direction_without_data_is_found_and_tells() -> None:
    """A missing cone, as views near one axis leave: within it nothing but noise of each half's own."""
    _, angle = frequencies()
    found = directional_fsc(*halves(np.where(angle < 45, 0.0, 16.5)), EVERYWHERE, PIXEL)
    from_axis = angle_with_axis(found)
    assert from_axis[found.resolution_angstrom.argmax()] < 45
    assert found.resolution_angstrom.max() > BOX / 6
    assert found.area_ratio < 0.3


@pytest.mark.parametrize("group", ["C1", "C4", "D2"])
def test_where_all_directions_are_alike_the_ratio_is_near_one(group: str) -> None:
    members = torch.from_numpy(Rotation.create_group(group).as_matrix()).float()
    pair = halves(16.5) if group == "C1" else tuple(mean_of_turned(half, members) for half in halves(16.5))
    found = directional_fsc(*pair, EVERYWHERE, PIXEL)
    assert found.area_ratio > 0.85
    assert found.resolution_angstrom.max() < 1.15 * np.median(found.resolution_angstrom)


def test_a_single_shell_under_the_threshold_is_noise_and_two_are_the_end() -> None:
    curves = torch.ones(3, 11)
    curves[0, 5], curves[1, 5:7], curves[2, 8:] = 0.05, 0.05, 0.0
    found = DirectionalFsc(np.eye(3), curves, 20.0)
    crossing = 4 + (1 - 0.143) / (1 - 0.05)  # in a straight line between shells 4 and 5
    np.testing.assert_allclose(found.resolution_angstrom, [2.0, 20 / crossing, 20 / 7.857], rtol=1e-3)


def test_what_a_mask_alone_correlates_is_taken_out_along_every_direction() -> None:
    """A thin slab in both halves: along its normal, its own transform correlates noise that ends at shell 4."""
    radius, _ = frequencies()
    line = torch.arange(SIZE) - SIZE // 2
    mask = spherical_mask(SIZE, 16.0, 3.0) * (line.abs() <= 2).float()[:, None, None]
    pair = tuple(
        torch.from_numpy(np.fft.ifftn(np.fft.fftn(white(0) + 0.05 * white(seed)) * (radius < 5)).real).float()
        + 0.01 * torch.from_numpy(white(seed + 10)).float()
        for seed in (1, 2)
    )
    cones = Cones.of_box(SIZE)
    masked = cones.correlation(*(in_mask(half, mask) for half in pair))
    found = directional_fsc(*pair, mask, PIXEL)
    normal = np.abs(found.direction[:, 2]) > 0.95
    beyond = slice(8, 20)
    assert float(masked[normal, beyond].mean()) > 0.3
    assert abs(float(found.curves[normal, beyond].mean())) < 0.1


def test_a_cone_holds_the_points_within_twenty_degrees_of_its_axis() -> None:
    """Against the definition in numpy, but for bins of 2 degrees at the edge of a cone."""
    first, second = halves(30.0, noise_sd=1.0)
    cones = Cones.of_box(SIZE)
    curves = cones.correlation(first, second).numpy()
    nearest = int(np.abs(cones.direction @ AXIS).argmax())
    line = np.fft.fftfreq(SIZE, 1 / SIZE)
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    along = np.abs(np.stack([x, y, z], axis=-1) @ cones.direction[nearest]) / np.maximum(radius, 1e-9)
    a, b = (np.fft.fftn(half.numpy().astype(float)) for half in (first, second))
    for shell in range(12, SIZE // 2):
        held = (np.rint(radius) == shell) & (along > np.cos(np.radians(HALF_ANGLE_DEGREE)))
        wanted = (a[held] * b[held].conj()).real.sum() / np.sqrt(
            (np.abs(a[held]) ** 2).sum() * (np.abs(b[held]) ** 2).sum()
        )
        assert curves[nearest, shell] == pytest.approx(wanted, abs=0.12)
