"""Neighbours: as many as asked for, beside the particle, partly in the box."""

import numpy as np

from cryofifa.particles.simulated.neighbours import Neighbours
from cryofifa.settings.sample import NeighbourSettings
from cryofifa_testkit.small_scenes import BOX, small_drawn, small_scene


def test_neighbours_lie_at_the_edge_and_no_image_without_one_is_touched():
    neighbours = Neighbours.drawn(small_scene(small_drawn(40)), NeighbourSettings(0.35))
    assert neighbours.present.sum() == 14
    power = np.square(neighbours.images(range(40)))
    assert not power[~neighbours.present].any()
    line = np.arange(BOX) - BOX // 2
    distance = np.hypot(line[:, None], line)
    outer, inner = (power[neighbours.present][:, part].mean(axis=1) for part in (distance > 13, distance < 6))
    assert (outer > 2 * inner).all()
    # each of them is partly in the box
    scene = neighbours.scene
    whole = scene.copies(0, np.eye(3)[None], np.zeros((1, 2)), np.random.default_rng(0)).square().sum()
    share = power[neighbours.present].sum(axis=(1, 2)) / float(whole)
    assert 0.002 < share.min() < share.max() < 0.8
