"""Poses are compared up to frame, origin and hand: each is put in by scipy and must be found."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.poses import Poses
from cryofifa.physics.point_groups import symmetry_rotations

MIRROR = np.diag([1.0, 1.0, -1.0])
Q = Rotation.from_rotvec([0.7, -1.1, 0.5]).as_matrix()
ORIGIN_ANGSTROM = np.array([4.0, -6.5, 2.0])


def poses(rotation: np.ndarray, shift: np.ndarray) -> Poses:
    return Poses.found(torch.from_numpy(np.ascontiguousarray(rotation)), torch.from_numpy(shift))


def estimate_of(truth: Poses, noise_degree: float, wrong: float, flipped: bool, group: np.ndarray) -> Poses:
    """A_estimate = A_truth g^T Q^T, with noise, some poses random, and the other hand if asked."""
    n = len(truth)
    generator = np.random.default_rng(1)
    noise = Rotation.from_rotvec(generator.normal(0, np.radians(noise_degree) + 1e-12, (n, 3))).as_matrix()
    member = group[generator.integers(len(group), size=n)]
    rotation = noise @ truth.rotation.numpy() @ np.swapaxes(member, 1, 2) @ Q.T
    bad = generator.uniform(size=n) < wrong
    rotation[bad] = Rotation.random(int(bad.sum()), random_state=2).as_matrix()
    shift = truth.shift_angstrom.numpy() + (rotation @ ORIGIN_ANGSTROM)[:, :2]
    return poses(MIRROR @ rotation @ MIRROR if flipped else rotation, shift)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("group_name", ["C1", "C4", "D3", "T", "O", "I1"])
def test_frame_hand_and_origin_of_poses_are_found(flipped, group_name):
    group = symmetry_rotations(group_name)
    truth = poses(Rotation.random(800, random_state=0).as_matrix(), np.random.default_rng(0).normal(0, 5, (800, 2)))
    found = compare_poses(estimate_of(truth, 1.0, 0.2, flipped, group), truth, group)
    assert found.hand_flipped == flipped
    off = Rotation.from_matrix(np.swapaxes(group, 1, 2) @ Q.T @ found.rotation_truth_to_estimate)
    assert np.degrees(off.magnitude()).min() < 0.3
    np.testing.assert_allclose(found.origin_in_estimate_angstrom, ORIGIN_ANGSTROM, atol=0.1)
    assert found.median_rotation_error_degree < 3.0
    assert found.share_within_10_degree == pytest.approx(0.8, abs=0.1)
    assert found.median_shift_error_angstrom < 0.3


def test_most_poses_may_be_wrong():
    truth = poses(Rotation.random(3000, random_state=0).as_matrix(), np.zeros((3000, 2)))
    found = compare_poses(estimate_of(truth, 3.0, 0.8, True, np.eye(3)[None]), truth)
    assert found.hand_flipped
    assert found.share_within_10_degree == pytest.approx(0.2, abs=0.03)


def test_exact_poses_have_no_error():
    truth = poses(Rotation.random(50, random_state=0).as_matrix(), np.zeros((50, 2)))
    found = compare_poses(estimate_of(truth, 0.0, 0.0, False, np.eye(3)[None]), truth)
    assert found.rotation_error_degree.max() < 1e-6
    assert found.shift_error_angstrom.max() < 1e-6
