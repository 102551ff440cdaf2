"""What a point group's name says, against the rotations themselves."""

import pytest
import torch

from cryofifa.errors import InputError
from cryofifa.physics.point_group_names import is_cubic, member_count
from cryofifa.physics.point_groups import symmetry_members, symmetry_rotations
from cryofifa.settings.config import Config

NAMES = ["C1", "c2", "C7", " C24 ", "D1", "d2", "D7", "D24", "T", "o", "I", "I1", "I2", "I3", "i4"]


@pytest.mark.parametrize("name", NAMES)
def test_a_group_has_as_many_rotations_as_its_name_says(name: str) -> None:
    assert member_count(name) == len(symmetry_rotations(name))
    assert symmetry_members(name, torch.device("cpu")).shape == (member_count(name), 3, 3)


@pytest.mark.parametrize("name", NAMES)
def test_axes_that_are_not_all_in_one_plane_or_line_make_a_cubic_group(name: str) -> None:
    """Cubic groups are those of more than one axis of an order over two."""
    rotations = symmetry_rotations(name)
    traces = rotations.trace(axis1=1, axis2=2)
    turned = rotations[(traces > -1 + 1e-6) & (traces < 3 - 1e-6)]  # neither half a turn nor none
    antisymmetric = turned - turned.transpose(0, 2, 1)
    axes = antisymmetric[:, [2, 0, 1], [1, 2, 0]]
    several = len(axes) > 0 and torch.linalg.matrix_rank(torch.from_numpy(axes), tol=1e-6) > 1
    assert is_cubic(name) == several


@pytest.mark.parametrize("name", ["", "C0", "C", "D0", "C01", "C1000", "T2", "I5", "II", "octahedral", "C2.5"])
def test_no_such_group(name: str) -> None:
    for what in (member_count, symmetry_rotations, is_cubic, lambda group: Config(symmetry=group)):
        with pytest.raises(InputError, match=f"symmetry '{name}' is unknown; give C1"):
            what(name)


def test_the_search_is_finer_by_the_cube_root_of_the_group() -> None:
    cycles = Config().search.orientation_cycles
    assert Config(symmetry="O").search_within_symmetry.orientation_cycles == pytest.approx(24 ** (1 / 3) * cycles)
    assert Config().search_within_symmetry == Config().search
