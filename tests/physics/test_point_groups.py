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
        ("D3", 6, (1, 0, 0), 2),  # and not along y, which D2 has as well
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


@pytest.mark.parametrize(("name", "side"), [("I3", -1), ("I4", 1)])
def test_both_settings_with_a_fivefold_axis_along_z_have_the_next_one_on_their_own_side(name: str, side: int):
    """The nearest five-fold axis to +z in the xz plane, arctan 2 away: towards -x for I3 and towards +x for I4."""
    group = symmetry_rotations(name)
    for x, is_member in ((side, True), (-side, False)):
        turn = Rotation.from_rotvec(2 * np.pi / 5 * np.array([2 * x, 0, 1]) / np.sqrt(5)).as_matrix()
        assert (np.abs(group - turn).max(axis=(1, 2)).min() < 1e-6) == is_member
