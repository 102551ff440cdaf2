"""Evenness and SCF* at distributions whose value is known."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofifa.results.view_coverage import (
    SphereBins,
    sampling_compensation_factor,
    view_directions,
    view_evenness,
    with_equal_poses,
)

EVEN = Rotation.random(20_000, np.random.default_rng(0)).as_matrix()
SINGLE = np.broadcast_to(EVEN[0], (5000, 3, 3))


def looking_along(direction: np.ndarray) -> np.ndarray:
    """Rotations whose third row is the direction."""
    helper = np.where(np.abs(direction[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(helper, direction)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(direction, first), direction], axis=1)


def side_views(count: int) -> np.ndarray:
    turn = 2 * np.pi * (np.arange(count) + 0.5) / count
    return looking_along(np.stack([np.cos(turn), np.sin(turn), np.zeros(count)], axis=1))


def test_the_view_direction_is_seen_along_the_image_axis() -> None:
    along_z_of_image = EVEN[:5].transpose(0, 2, 1) @ np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(view_directions(EVEN[:5]), along_z_of_image)


@pytest.mark.parametrize("count", [192, 768, 3072])
def test_bins_have_equal_area_and_hold_their_centres(count: int) -> None:
    bins = SphereBins.about(count)
    assert abs(bins.count - count) < 0.05 * count
    np.testing.assert_array_equal(bins.index(bins.centres()), np.arange(bins.count))
    band_height = np.diff(np.append(bins.lower_z, 1.0))
    np.testing.assert_allclose(band_height / bins.sectors, 2 / bins.count)  # Archimedes
    poles = np.array([[0.0, 0, 1], [0, 0, -1], [1, 0, 0], [1, -1e-300, 0]])
    assert bins.counts(poles).sum() == 4


def test_even_views_give_one() -> None:
    assert view_evenness(EVEN) == pytest.approx(1, abs=0.02)
    assert sampling_compensation_factor(EVEN) == pytest.approx(1, abs=0.02)


def test_few_even_views_do_not_look_uneven() -> None:
    """With half as many views as bins; without the correction this would be about 3."""
    inverse = [1 / view_evenness(part) for part in np.split(EVEN[:10_000], 100)]
    assert np.mean(inverse) == pytest.approx(1, abs=0.2)


def test_a_single_view_gives_nearly_nothing() -> None:
    assert view_evenness(SINGLE) < 0.01
    assert sampling_compensation_factor(SINGLE) < 0.01


def test_half_of_the_sphere_is_half_even_but_samples_all_of_fourier_space() -> None:
    half = EVEN[EVEN[:, 2, 2] > 0]
    assert view_evenness(half) == pytest.approx(0.5, abs=0.05)
    assert sampling_compensation_factor(half) == pytest.approx(1, abs=0.02)


def test_side_views_have_the_published_sampling() -> None:
    """Baldwin & Lyumkis 2020: 8 / pi^2 = 0.81 for side views only."""
    assert sampling_compensation_factor(side_views(7200)) == pytest.approx(8 / math.pi**2, abs=0.03)
    assert view_evenness(side_views(7200)) < 0.2


def test_directions_that_no_view_reaches_count_as_if_one_did() -> None:
    """All views in one: of n slices that are the same, those within the band see sin(7.5 degrees) of the sphere."""
    seen, views = math.sin(math.radians(7.5)), 100
    # s is 1 / seen where slices lie, and 1 / (views seen) where none does
    wanted = seen / (seen * seen + (1 - seen) * views * seen)
    assert sampling_compensation_factor(SINGLE[:views]) == pytest.approx(wanted, rel=0.15)


def test_a_common_rotation_changes_little() -> None:
    uneven = looking_along(EVEN[:, 2][EVEN[:, 2, 2] > 0.5])
    turned = uneven @ EVEN[7]
    assert view_evenness(turned) == pytest.approx(view_evenness(uneven), abs=0.04)
    assert sampling_compensation_factor(turned) == pytest.approx(sampling_compensation_factor(uneven), abs=0.04)


def test_no_views_and_nan_rows() -> None:
    assert math.isnan(view_evenness(EVEN[:1]))
    assert math.isnan(sampling_compensation_factor(EVEN[:0]))
    broken = EVEN.copy()
    broken[::2] = np.nan
    assert view_evenness(broken) == pytest.approx(1, abs=0.03)


def test_a_symmetric_particle_is_seen_from_all_equal_views() -> None:
    """One view of an octahedron are 24; written into one asymmetric unit, even views are still even."""
    octahedral = Rotation.create_group("O").as_matrix()
    in_one_unit = looking_along(np.abs(view_directions(EVEN)))  # an eighth of the sphere
    assert view_evenness(in_one_unit) < 0.2
    equal = with_equal_poses(in_one_unit, octahedral)
    assert view_evenness(equal) == pytest.approx(1, abs=0.02)
    assert sampling_compensation_factor(equal) == pytest.approx(1, abs=0.02)
    assert len(with_equal_poses(EVEN[:1], octahedral)) == 24
    assert len(with_equal_poses(np.repeat(EVEN, 2, axis=0), octahedral)) <= 500_000
