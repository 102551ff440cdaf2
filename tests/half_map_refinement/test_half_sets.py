"""Half sets: copies stay together, halves are of equal size, and the input's are kept where they can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryofifa.half_map_refinement.half_sets import half_sets


def told_nothing(text: str) -> None:
    pytest.fail(f"a warning without need: {text}")


def groups_of(labels: list[int]) -> np.ndarray:
    """Of every particle the first one with the same label."""
    return np.array([labels.index(label) for label in labels])


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.integers(0, 1000))
def test_copies_stay_together_and_halves_are_even(labels: list[int], seed: int):
    group = groups_of(labels)
    half = half_sets(None, group, seed, told_nothing).numpy()
    assert set(half.tolist()) <= {1, 2}
    np.testing.assert_array_equal(half, half[group])
    largest = np.bincount(group).max()
    assert abs(int((half == 1).sum()) - int((half == 2).sum())) <= largest


def test_halves_are_random_and_the_same_for_a_seed():
    group = np.arange(1000)
    first, again, other = (half_sets(None, group, seed, told_nothing).numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert 400 < (first == other).sum() < 600
    assert (first == 1).sum() == 500
    assert 150 < (first[:-1] != first[1:]).sum() < 600  # neither blocks nor one after the other


def test_the_inputs_halves_are_kept_but_for_copies_that_they_split():
    labels = [0, 1, 2, 3, 0, 1, 4]
    given_halves = np.array([1, 2, 1, 2, 2, 2, 1])
    half = half_sets(given_halves, groups_of(labels), 0, told_nothing)
    np.testing.assert_array_equal(half, [1, 2, 1, 2, 1, 2, 1])


def test_halves_of_an_input_that_has_hardly_any_of_one_are_drawn_anew():
    said = []
    half = half_sets(np.full(100, 1), np.arange(100), 0, said.append).numpy()
    assert (half == 1).sum() == 50
    assert "100%" in said[0]
