"""Each kind of junk looks as its name says."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cryofifa.particles.simulated.junk_kinds import Aggregate, CarbonEdge, Fragment, JunkKind, Nothing, Two, broken_off
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.scene import Scene
from cryofifa.physics.fourier import inverse_fourier_2d
from cryofifa_testkit.small_scenes import BOX, PIXEL_ANGSTROM, small_drawn, small_scene

ROWS = range(30)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return small_scene(small_drawn(len(ROWS)))


def images(kind: JunkKind, scene: Scene) -> np.ndarray:
    transforms = [kind.transform(scene, row, np.random.default_rng(row)) for row in ROWS]
    return inverse_fourier_2d(scene.plane.fill(torch.stack(transforms))).numpy()


def power(image: np.ndarray) -> float:
    """Mean over images of the sum of squares."""
    return float(np.square(image).sum(axis=(1, 2)).mean())


@pytest.fixture(scope="module")
def particles(scene) -> np.ndarray:
    return inverse_fourier_2d(scene.plane.fill(scene.particles(ROWS))).numpy()


def test_nothing_is_nothing(scene):
    assert not images(Nothing(), scene).any()


def test_a_heap_and_two_particles_have_the_power_of_as_many(scene, particles):
    """Overlapping particles add as noise does, for their poses have nothing to do with each other."""
    assert power(images(Two(), scene)) / power(particles) == pytest.approx(2, rel=0.25)
    assert 4 < power(images(Aggregate(), scene)) / power(particles) < 10


def test_two_particles_lie_on_both_sides_of_the_centre(scene, particles):
    line = np.arange(BOX) - BOX // 2
    square = line[:, None] ** 2 + line**2

    def extent(image: np.ndarray) -> float:
        return float((np.square(image) * square).sum() / np.square(image).sum())

    two = images(Two(), scene)
    assert extent(two) > 1.3 * extent(particles)
    power = np.square(two)
    across = [(power.sum(axis=axis) * line).sum(axis=1) / power.sum(axis=(1, 2)) for axis in (1, 2)]
    assert np.hypot(*across).mean() < 4  # pixels; two on one side lie 10 pixels away


def test_carbon_covers_one_side_of_a_straight_edge(scene):
    line = (np.arange(BOX) - BOX // 2).astype(float)
    x, y = np.meshgrid(line, line)
    bright_shares = []
    for image in images(CarbonEdge(), scene):
        smooth = gaussian_filter(image, 1.5)  # without the grain
        bright = smooth > 0.5 * np.quantile(smooth, 0.98)
        inside, outside = np.median(image[bright]), np.median(image[~bright])
        assert inside - outside > 0.8
        # one straight line tells nearly all pixels of one side from those of the other
        design = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
        fit = design @ np.linalg.lstsq(design, 2.0 * bright.ravel() - 1, rcond=None)[0]
        assert ((fit > 0) == bright.ravel()).mean() > 0.85
        bright_shares.append(bright.mean())
    assert min(bright_shares) < 0.4 < 0.6 < max(bright_shares)


def test_a_fragment_is_part_of_the_whole_brought_to_the_centre():
    whole = pseudo_protein(BOX, PIXEL_ANGSTROM)
    generator = np.random.default_rng(0)
    for _ in range(4):
        part = broken_off(whole, PIXEL_ANGSTROM, generator)
        assert 0.25 < float(part.clamp_min(0).sum() / whole.clamp_min(0).sum()) < 0.65
        kept = part.clamp_min(0).numpy()
        middle = np.array(
            [(kept.sum(axis=axes) * (np.arange(BOX) - BOX // 2)).sum() for axes in ((1, 2), (0, 2), (0, 1))]
        )
        assert np.abs(middle / kept.sum()).max() < 1.0
        # moved back to where it was, it is the whole times a mask
        overlap = torch.fft.ifftn(torch.fft.fftn(whole) * torch.fft.fftn(part).conj()).real.max()
        assert float(overlap / part.square().sum()) == pytest.approx(1, abs=0.1)


def test_fragments_are_weaker_than_particles(scene, particles):
    fragments = images(Fragment.of_scene(scene, np.random.default_rng(0)), scene)
    assert 0.1 < power(fragments) / power(particles) < 0.8
