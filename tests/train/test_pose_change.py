"""How far poses moved, where the particle's symmetry makes several of them one."""

import numpy as np
import pytest
import torch

from cryofifa.particles.poses import Poses
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.train.pose_change import median_pose_change
from cryofifa_testkit.known_volumes import random_rotations, turned_by_degrees

COUNT = 200


def poses(rotation: torch.Tensor, posed: bool = True) -> Poses:
    return Poses(rotation, torch.zeros(COUNT, 2), torch.full((COUNT,), posed))


def test_a_turn_by_a_member_of_the_group_is_no_change():
    group = torch.from_numpy(symmetry_rotations("D7")).float()
    before = random_rotations(COUNT, seed=1)
    member = group[torch.from_numpy(np.random.default_rng(0).integers(len(group), size=COUNT))]
    after = poses(turned_by_degrees(before, 3.0) @ member)
    turned, moved = median_pose_change(poses(before), after, group)
    assert turned == pytest.approx(3.0, abs=0.01)
    assert moved == 0
    assert median_pose_change(poses(before), after, group[:1])[0] > 30


def test_nobody_who_had_no_pose_before_has_moved():
    group = torch.eye(3)[None]
    assert median_pose_change(poses(random_rotations(COUNT), False), poses(random_rotations(COUNT)), group) == (
        None,
        None,
    )
