"""An orientation set's distances against those of one image and candidate at a time; the best of it near the truth."""

import torch

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import squared_distance_over_shifts
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.candidates import shift_penalty
from cryofifa.train.orientation_set import OrientationSet
from cryofifa.train.random_draws import RandomDraws
from cryofifa_testkit.known_volumes import random_rotations

PLANE = HalfPlane.of_box(24, 3.0, 8.0)
RADIUS_ANGSTROM = 40.0
SETTINGS = SearchSettings(orientations=300)


def grid() -> FourierGrid:
    volume = torch.randn(24, 24, 24, generator=torch.Generator().manual_seed(0))
    return FourierGrid.from_volume(volume / 24, 8.0)


def orientation_set(index: int = 0, seed: int = 0) -> OrientationSet:
    return OrientationSet.drawn(RandomDraws(seed, "bank", 0), index, grid(), PLANE, SETTINGS, RADIUS_ANGSTROM)


def test_least_distance_is_that_of_the_best_shift():
    made, draw = orientation_set(), torch.Generator().manual_seed(1)
    points = made.power.shape[1]
    assert points < len(PLANE)  # low frequencies only
    low = PLANE.within(float(PLANE.radius[points - 1]))
    image, ctf = torch.randn(4, points, dtype=torch.complex64, generator=draw), torch.rand(4, points, generator=draw)
    penalty = shift_penalty(torch.randn(4, 2, generator=draw) * 5, made.offset_angstrom, 6.0)
    found = made.least_distance(image, ctf, penalty)
    model = grid().slices(made.rotation, low) * ctf[:, None]
    every = squared_distance_over_shifts(image, model, made.phase) + penalty[:, None]
    torch.testing.assert_close(found, every.amin(dim=2), atol=1e-3, rtol=1e-4)
    assert len(every.argmin(dim=2).unique()) > 1


def test_the_best_are_the_nearest_of_the_orientation_set_first():
    made, rotation = orientation_set(), random_rotations(6, seed=3)
    made.rotation[:6] = rotation
    slices = grid().slices(rotation, PLANE)
    made.pairs[:6, :-1] = torch.view_as_real(slices[:, : made.power.shape[1]]).flatten(1)
    made.power[:6] = slices[:, : made.power.shape[1]].abs().square()
    best = made.best(slices, torch.ones(6, len(PLANE)), torch.zeros(6, 2), 6.0, count=3)
    assert best.shape == (6, 3, 3, 3)
    torch.testing.assert_close(best[:, 0], rotation)


def test_a_orientation_set_is_the_same_when_drawn_again_and_another_for_another_index():
    assert torch.equal(orientation_set(2).rotation, orientation_set(2).rotation)
    assert not torch.equal(orientation_set(2).rotation, orientation_set(3).rotation)
    assert not torch.equal(orientation_set(2).rotation, orientation_set(2, seed=1).rotation)
