"""Rotations against scipy and against RELION's own matrix, written out."""

import inspect

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from cryofifa.conventions import (
    cryosparc_rotvec_from_rotations,
    flip_hand,
    relion_euler_degrees_from_rotations,
    rotations_from_cryosparc_rotvec,
    rotations_from_relion_euler_degrees,
)


def relion_matrix(rot: float, tilt: float, psi: float) -> np.ndarray:
    """Euler_angles2matrix of RELION's euler.cpp, line by line."""
    alpha, beta, gamma = np.radians([rot, tilt, psi])
    ca, cb, cg = np.cos([alpha, beta, gamma])
    sa, sb, sg = np.sin([alpha, beta, gamma])
    cc, cs, sc, ss = cb * ca, cb * sa, sb * ca, sb * sa
    return np.array(
        [
            [cg * cc - sg * sa, cg * cs + sg * ca, -cg * sb],
            [-sg * cc - cg * sa, -sg * cs + cg * ca, sg * sb],
            [sc, ss, cb],
        ]
    )


def random_rotations(n: int = 50) -> np.ndarray:
    return Rotation.random(n, rng=np.random.default_rng(1)).as_matrix()


def test_euler_angles_make_relions_matrix() -> None:
    euler = np.random.default_rng(0).uniform([-180, 0, -180], [180, 180, 180], (50, 3))
    expected = np.stack([relion_matrix(*row) for row in euler])
    np.testing.assert_allclose(rotations_from_relion_euler_degrees(euler), expected, atol=1e-12)


def test_euler_angles_come_back() -> None:
    euler = np.random.default_rng(0).uniform([-179, 1, -179], [179, 179, 179], (50, 3))
    back = relion_euler_degrees_from_rotations(rotations_from_relion_euler_degrees(euler))
    np.testing.assert_allclose(back, euler, atol=1e-8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tilt", [0.0, 180.0])
def test_poles_come_back_as_the_same_rotation_without_a_warning(tilt: float) -> None:
    rotation = np.stack([relion_matrix(30.0, tilt, 50.0)])
    euler = relion_euler_degrees_from_rotations(rotation)
    np.testing.assert_allclose(relion_matrix(*euler[0]), rotation[0], atol=1e-8)


def test_cryosparc_vector_is_the_exponential_transposed() -> None:
    p = np.array([0.3, -1.1, 0.7])
    cross = np.array([[0, -p[2], p[1]], [p[2], 0, -p[0]], [-p[1], p[0], 0]])
    np.testing.assert_allclose(rotations_from_cryosparc_rotvec(p[None])[0], expm(cross).T, atol=1e-12)


def test_cryosparc_vectors_come_back() -> None:
    rotation = random_rotations()
    back = rotations_from_cryosparc_rotvec(cryosparc_rotvec_from_rotations(rotation))
    np.testing.assert_allclose(back, rotation, atol=1e-10)


def test_other_hand_projects_the_mirrored_map_to_the_same_image_points() -> None:
    points = np.random.default_rng(2).normal(size=(3, 20))
    mirrored = points * np.array([[1.0], [1.0], [-1.0]])
    rotation = random_rotations(5)
    np.testing.assert_allclose((flip_hand(rotation) @ mirrored)[:, :2], (rotation @ points)[:, :2], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(flip_hand(rotation)), 1.0)


def test_other_hand_is_minus_tilt() -> None:
    euler = np.array([[10.0, 20.0, 30.0], [-50.0, 170.0, 5.0]])
    np.testing.assert_allclose(
        flip_hand(rotations_from_relion_euler_degrees(euler)),
        rotations_from_relion_euler_degrees(euler * np.array([1, -1, 1])),
        atol=1e-12,
    )


@pytest.mark.parametrize("shape", [(3,), (4, 2), (2, 3, 3)])
def test_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        inspect.unwrap(rotations_from_relion_euler_degrees)(np.zeros(shape))  # past the tests' own type check
