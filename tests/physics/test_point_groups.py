"""Point groups: complete, with their axes where RELION has them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofifa.errors import InputError
from cryofifa.physics.point_groups import symmetry_rotations


@pytest.mark.parametrize(
    ("name", "size", "axis", "order"),
    [
        ("C1", 1, (0, 0, 1), 1),
        ("C7", 7, (0, 0, 1), 7),
        ("D2", 4, (1, 0, 0), 2),
        ("T", 12, (0, 0, 1), 3),
        ("O", 24, (1, 0, 0), 4),
        ("I", 60, (0, 0, 1), 2),
        ("I1", 60, (1, 0, 0), 2),
        ("i3", 60, (0, 0, 1), 5),
        ("I4", 60, (0.5257311, 0, 0.8506508), 2),
    ],
)
def test_groups_are_complete_and_have_relions_axes(name, size, axis, order):
    group = symmetry_rotations(name)
    assert len(group) == size
    turn = Rotation.from_rotvec(2 * np.pi / order * np.array(axis)).as_matrix()
    assert np.abs(group - turn).max(axis=(1, 2)).min() < 1e-6
    if name in "TOI":
        assert len(Rotation.create_group(name)) == size


def test_unknown_symmetry_is_refused():
    for name in ("C0", "Q", "D", "I7", ""):
        with pytest.raises(InputError, match="symmetry"):
            symmetry_rotations(name)
