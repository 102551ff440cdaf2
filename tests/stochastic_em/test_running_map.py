"""A map that remembers the last particles: older ones fade, and frequencies without information are damped."""

import pytest
import torch

from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.stochastic_em.running_map import RunningMap
from cryofifa_testkit.known_volumes import blob_volume, random_rotations

SIZE, PIXEL = 24, 5.0
PLANE = HalfPlane.of_box(SIZE, PIXEL, SIZE / 2)
BALL = spherical_mask(SIZE, 10.0, 2.0)


def empty(slice_power: float = 1e6) -> RunningMap:
    return RunningMap(BackProjector.empty(SIZE), torch.full((SIZE // 2 + 1,), slice_power), BALL)


def add_views(running: RunningMap, volume: torch.Tensor, count: int = 400, seed: int = 0, weight: float = 1.0) -> None:
    """Add the volume's own slices, as images with a CTF of 1 that count so much."""
    rotation = random_rotations(count, seed=seed)
    slices = FourierGrid.from_volume(volume, SIZE / 2).slices(rotation, PLANE)
    running.add(weight * slices, torch.full(slices.shape, weight), rotation, PLANE)


def test_the_slices_of_a_volume_give_the_volume():
    running, volume = empty(), blob_volume(SIZE, width=2.0)
    assert running.is_empty
    add_views(running, volume)
    assert not running.is_empty
    fsc = fourier_shell_correlation(running.volume(), volume)
    assert float(fsc[1:5].min()) > 0.98  # the blobs have next to nothing beyond
    inside = BALL == 1
    assert float((running.volume() - volume)[inside].norm() / volume[inside].norm()) < 0.1


def test_what_is_forgotten_whole_leaves_nothing_and_half_of_it_leaves_half():
    first, second = blob_volume(SIZE, width=2.0), blob_volume(SIZE, width=2.0).flip(0)
    whole, half, wanted = empty(), empty(), empty()
    for running, share in ((whole, 1.0), (half, 0.5)):
        add_views(running, first)
        running.forget(share)
        add_views(running, second, seed=1)
    add_views(wanted, second, seed=1)
    torch.testing.assert_close(whole.volume(), wanted.volume(), atol=1e-5, rtol=1e-4)
    mixed = first / 3 + 2 * second / 3  # in every direction one third of the weight is the first's
    inside = BALL == 1
    assert float((half.volume() - mixed)[inside].norm() / mixed[inside].norm()) < 0.1


def test_the_prior_is_a_wiener_filter():
    """As many particles as say nothing more than the prior: half of the volume is left (V = w v / (w + 1 / tau^2))."""
    volume = blob_volume(SIZE, width=2.0)
    strong = empty()
    add_views(strong, volume)
    mean_weight = 8 * float(strong.sums.weight.mean())  # per Fourier pixel of the box, over its eight grid points
    weak = RunningMap(strong.sums, torch.full((SIZE // 2 + 1,), 1e-4 / mean_weight), BALL)
    ratio = float((weak.volume() * strong.volume()).sum() / strong.volume().square().sum())
    assert ratio < 0.05
    assert float((empty().volume()).abs().max()) == 0


def test_orientations_that_hold_next_to_nothing_are_left_out_without_a_trace():
    running, volume = empty(), blob_volume(SIZE)
    add_views(running, volume)
    before = running.volume()
    rotation = random_rotations(50, seed=9)
    weight = torch.full((50, len(PLANE)), 1e-9)
    weight[0] = 1.0
    running.add(torch.zeros(50, len(PLANE), dtype=torch.complex64), weight, rotation, PLANE)
    assert float((running.volume() - before).norm()) == pytest.approx(0, abs=0.05 * float(before.norm()))
