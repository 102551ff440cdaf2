"""Poses mapped into the asymmetric unit show the same image; draws within it are uniform."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from cryofifa.physics.asymmetric_unit import in_asymmetric_unit
from cryofifa.physics.rotations import rotation_from_uniform, twist_about_view_radian
from cryofifa_testkit.known_volumes import angles_degree, random_rotations, symmetric_places

GROUPS = ["C1", "C5", "D3", "T", "O", "I"]


def members_of(group: str) -> torch.Tensor:
    return torch.from_numpy(Rotation.create_group(group).as_matrix()).float()


def draws(group: str, count: int) -> torch.Tensor:
    uniform = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    return in_asymmetric_unit(rotation_from_uniform(uniform), members_of(group))


@pytest.mark.parametrize("group", GROUPS)
def test_the_symmetric_structure_looks_the_same(group):
    places, _ = symmetric_places(group, 3, 10.0, seed=0)
    rotation = random_rotations(20)
    for before, after in zip(rotation.numpy(), in_asymmetric_unit(rotation, members_of(group)).numpy(), strict=True):
        apart = np.linalg.norm((places @ before.T)[:, None] - places @ after.T, axis=-1)
        assert apart.min(axis=1).max() < 1e-4
        assert apart.min(axis=0).max() < 1e-4


@pytest.mark.parametrize("group", GROUPS)
def test_all_equal_poses_become_one_which_is_nearest_to_the_identity(group):
    members = members_of(group)
    copies = random_rotations(50)[:, None] @ members
    found = in_asymmetric_unit(copies, members)
    torch.testing.assert_close(found, found[:, :1].expand_as(found), atol=1e-5, rtol=0)
    angle = angles_degree(found[:, 0], torch.eye(3).expand(50, 3, 3))
    least = np.degrees(Rotation.from_matrix(copies.reshape(-1, 3, 3).double().numpy()).magnitude())
    np.testing.assert_allclose(angle, least.reshape(50, -1).min(axis=1), atol=0.1)


def test_draws_about_one_axis_have_a_uniform_twist_within_the_unit():
    twist = twist_about_view_radian(draws("C5", 3000)).numpy()
    assert kstest(twist, "uniform", args=(-np.pi / 5, 2 * np.pi / 5)).pvalue > 0.01


@pytest.mark.parametrize("group", GROUPS)
def test_copies_of_the_draws_are_uniform_over_all_rotations(group):
    """Angles to a fixed rotation have the density (1 - cos a) / pi; without the copies they do not."""
    members, found = members_of(group), draws(group, 3000)
    chosen = torch.randint(len(members), (3000,), generator=torch.Generator().manual_seed(1))
    fixed = random_rotations(1, seed=5).expand(3000, 3, 3)

    def p_value(rotation: torch.Tensor) -> float:
        return kstest(np.radians(angles_degree(fixed, rotation)), lambda a: (a - np.sin(a)) / np.pi).pvalue

    assert p_value(found @ members[chosen]) > 0.01
    if group != "C1":
        assert p_value(found) < 1e-6
