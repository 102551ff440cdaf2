"""Rotations: proper, uniform, in RELION's direction; angles against scipy."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cryofifa.physics.rotations import (
    in_plane_rotation,
    mirror_in_x,
    perturb_rotation,
    rotation_distance_radian,
    rotation_from_six_numbers,
    rotation_from_uniform,
)
from cryofifa_testkit.known_volumes import angles_degree, random_rotations


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def is_proper(rotation: torch.Tensor, tolerance: float = 1e-5) -> bool:
    unit = (rotation @ rotation.mT - torch.eye(3)).abs().max() < tolerance
    return bool(unit) and bool((torch.linalg.det(rotation) - 1).abs().max() < tolerance)


def test_six_numbers_give_the_images_axes_as_rows():
    six = noise(50, 6)
    rotation = rotation_from_six_numbers(six)
    assert is_proper(rotation)
    first, second = six[:, :3].numpy(), six[:, 3:].numpy()
    x_axis = first / np.linalg.norm(first, axis=1, keepdims=True)
    y_axis = second - (second * x_axis).sum(1, keepdims=True) * x_axis
    y_axis /= np.linalg.norm(y_axis, axis=1, keepdims=True)
    np.testing.assert_allclose(rotation[:, 0], x_axis, atol=1e-5)
    np.testing.assert_allclose(rotation[:, 1], y_axis, atol=1e-5)
    np.testing.assert_allclose(rotation[:, 2], np.cross(x_axis, y_axis), atol=1e-5)
    # the image's x axis, seen from the volume, is what A turns into (1, 0, 0)
    np.testing.assert_allclose((rotation @ torch.from_numpy(x_axis)[..., None])[..., 0], [[1, 0, 0]] * 50, atol=1e-5)


def test_six_numbers_of_a_rotation_give_it_back():
    rotation = random_rotations(20)
    torch.testing.assert_close(rotation_from_six_numbers(rotation[:, :2].flatten(1)), rotation)


def test_uniform_numbers_give_uniform_rotations():
    count = 40_000
    rotation = rotation_from_uniform(torch.rand(count, 3, generator=torch.Generator().manual_seed(0)))
    assert is_proper(rotation)
    flat = rotation.flatten(1).double()
    # Haar measure: E R = 0, E R_ij R_kl = delta_ik delta_jl / 3, E (trace R)^4 = 3, angles of density 1 - cos
    tolerance = 5 / math.sqrt(count)
    assert flat.mean(0).abs().max() < tolerance
    assert (flat.T @ flat / count - torch.eye(9) / 3).abs().max() < tolerance
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1).double()
    assert abs(trace.pow(4).mean() - 3) < 0.3
    angle = np.sort(np.arccos(((trace - 1) / 2).clamp(-1, 1).numpy()))
    expected = (angle - np.sin(angle)) / np.pi
    assert np.abs(expected - (np.arange(count) + 0.5) / count).max() < 1.95 / math.sqrt(count)  # KS, p = 0.001


def test_perturbation_turns_the_image_frame_by_the_vectors_length():
    rotation, vector = random_rotations(30), noise(30, 3) * 0.5
    turned = perturb_rotation(rotation, vector)
    expected = Rotation.from_rotvec(vector.numpy()).as_matrix() @ rotation.numpy()
    np.testing.assert_allclose(turned, expected, atol=1e-5)
    np.testing.assert_allclose(np.radians(angles_degree(rotation, turned)), vector.norm(dim=1), atol=1e-4)
    torch.testing.assert_close(perturb_rotation(rotation, torch.zeros(30, 3)), rotation)


def test_distance_is_scipys_angle_also_for_tiny_and_straight_angles():
    a = random_rotations(40)
    axis = torch.nn.functional.normalize(noise(40, 3), dim=1)
    angle = torch.cat([torch.logspace(-3, 0, 20), torch.linspace(1, math.pi, 20)])
    b = torch.from_numpy(Rotation.from_rotvec((axis * angle[:, None]).numpy()).as_matrix()).float() @ a
    found = rotation_distance_radian(a, b)
    torch.testing.assert_close(found, angle, atol=2e-3, rtol=0)  # float32 loses digits near 180 degrees
    torch.testing.assert_close(found[:20], angle[:20], atol=3e-6, rtol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.floats(-7, 7))
def test_in_plane_rotation_carries_x_towards_y(angle):
    turned = in_plane_rotation(torch.tensor(angle)) @ torch.tensor([1.0, 0.0, 2.0])
    torch.testing.assert_close(turned, torch.tensor([math.cos(angle), math.sin(angle), 2.0]), atol=1e-5, rtol=1e-5)


def test_mirror_is_half_a_turn_about_y():
    np.testing.assert_allclose(mirror_in_x(), Rotation.from_euler("y", 180, degrees=True).as_matrix(), atol=1e-7)
