"""The table of poses: columns stay together, and what nobody knows is not made up."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from cryofifa.particles.poses import Poses, known
from cryofifa_testkit.known_volumes import random_rotations

COUNT = 12


def some() -> Poses:
    return Poses.found(
        random_rotations(COUNT),
        torch.arange(2.0 * COUNT).reshape(COUNT, 2),
        half=torch.arange(COUNT) % 2 + 1,
        score=torch.linspace(0, 1, COUNT),
    )


def test_columns_make_the_same_table_again():
    again = Poses.from_columns(some().columns())
    assert again.columns().keys() == {"rotation", "shift_angstrom", "posed", "half", "score"}
    assert all(torch.equal(column, again.columns()[name]) for name, column in some().columns().items())


def test_columns_of_different_lengths_are_refused():
    with pytest.raises((ValueError, TypeCheckError)):  # the latter where shapes are checked, as here
        Poses(random_rotations(3), torch.zeros(3, 2), torch.ones(3, dtype=torch.bool), score=torch.zeros(2))


def test_a_copy_shares_nothing():
    one = some()
    other = one.copy()
    other.shift_angstrom[:] = -7.0
    assert bool((one.shift_angstrom >= 0).all())


@given(rows=st.lists(st.integers(0, COUNT - 1), unique=True))
def test_rows_put_are_the_rows_selected(rows: list[int]):
    """And no other row is touched, nor any column that the poses put do not have."""
    index = torch.tensor(rows, dtype=torch.long)
    poses, found = Poses.unknown(torch.ones(COUNT, dtype=torch.long)), some().select(index)
    poses.put(index, found)
    assert torch.equal(poses.select(index).rotation, found.rotation)
    assert poses.posed.nonzero()[:, 0].tolist() == sorted(rows)
    assert bool((known(poses.half) == 1).all())
    untouched = ~poses.posed
    assert torch.equal(poses.rotation[untouched], torch.eye(3).expand(int(untouched.sum()), 3, 3))


def test_poses_with_gradients_are_put_without():
    poses = Poses.unknown(torch.ones(2, dtype=torch.long))
    poses.put(torch.arange(2), Poses.found(random_rotations(2).requires_grad_(), torch.zeros(2, 2)))
    assert not poses.rotation.requires_grad


def test_a_class_is_put_where_both_tables_have_one():
    poses = Poses.unknown(torch.ones(3, dtype=torch.long))
    poses.class_index = torch.zeros(3, dtype=torch.long)
    poses.put(torch.tensor([2]), Poses.found(random_rotations(1), torch.zeros(1, 2), class_index=torch.tensor([1])))
    poses.put(torch.tensor([0]), Poses.found(random_rotations(1), torch.zeros(1, 2)))
    assert poses.class_index.tolist() == [0, 0, 1]


def test_a_column_that_nobody_filled_is_not_taken_for_zeros():
    assert some().class_index is None
    with pytest.raises(AssertionError, match="lacks a column"):
        known(some().class_index)


def test_without_a_column_of_classes_all_are_in_the_first():
    one = some()
    assert bool(one.in_class(0).all())
    one.class_index = torch.arange(COUNT) % 3
    assert one.in_class(1).nonzero()[:, 0].tolist() == [1, 4, 7, 10]


def test_poses_among_others_stay_with_their_rows():
    rows = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14])
    wide = some().among(15, rows)
    assert all(torch.equal(column[rows], some().columns()[name]) for name, column in wide.columns().items())
    others = torch.tensor([0, 10, 13])
    assert not wide.posed[others].any()
    assert bool(known(wide.score)[others].isnan().all())
    assert set(known(wide.half)[others].tolist()) <= {1, 2}  # files of RELION and cryoSPARC know no third half
    torch.testing.assert_close(wide.rotation[others], torch.eye(3).repeat(3, 1, 1))
