"""Classes are compared whatever their numbers are; junk is no class."""

import numpy as np
import pytest

from cryofifa.particles.compare_classes import compare_classes


def test_the_numbers_of_classes_do_not_matter():
    true = np.array([1, 1, 1, 2, 2, 3, 0, 0])
    found = np.array([3, 3, 3, 1, 1, 2, 0, 0])
    same = compare_classes(found, true)
    assert (same.adjusted_rand_index, same.share_right, same.share_of_junk_apart) == (1.0, 1.0, 1.0)
    assert same.table == ((2, 0, 0, 0), (0, 0, 2, 0), (0, 0, 0, 1), (0, 3, 0, 0))


def test_the_adjusted_rand_index_is_the_usual_one():
    # the example of scikit-learn's documentation
    found = compare_classes(np.array([1, 1, 2, 3]), np.array([1, 1, 2, 2]))
    assert found.adjusted_rand_index == pytest.approx(0.57, abs=0.005)
    assert found.share_right == 0.75
    assert found.share_of_junk_apart is None


def test_unrelated_classes_agree_by_chance_only():
    draw = np.random.default_rng(0)
    found = compare_classes(draw.integers(1, 4, 5000), draw.integers(1, 4, 5000))
    assert abs(found.adjusted_rand_index) < 0.01


def test_a_particle_in_the_junk_is_in_no_right_class():
    found = compare_classes(np.array([0, 1, 1, 1]), np.array([1, 1, 1, 0]))
    assert found.share_right == pytest.approx(2 / 3)
    assert found.share_of_junk_apart == 0
