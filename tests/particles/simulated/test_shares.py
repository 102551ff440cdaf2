"""Every kind has its share to the nearest row."""

import numpy as np
import pytest

from cryofifa.particles.simulated.shares import in_turn


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_counts_are_within_one_of_the_share(count):
    weights = [0.5, 0.0, 2.0, 1.0, 1e-9]
    kind = in_turn(count, weights)
    assert len(kind) == count
    wanted = count * np.array(weights) / sum(weights)
    assert (np.abs(np.bincount(kind, minlength=5) - wanted) <= 1).all()
    assert 1 not in kind


def test_equal_weights_take_turns():
    assert in_turn(7, [1, 1, 0, 1]).tolist() == [0, 1, 3, 0, 1, 3, 0]
    assert in_turn(10, [0.97, 0.03]).tolist() == [0] * 10  # 0.3 of a row is none
