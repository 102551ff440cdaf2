"""Conversion of poses from and to RELION and cryoSPARC; inside CryoFIFA only `rotation_volume_to_image` exists.

A rotation A maps a point of the volume frame to the image frame: r_image = A r_volume, r = (x, y, z).
The central slice of an image is k_volume = A^T k_image.  Sources: RELION's Euler_angles2matrix, cryoDRGN's
parse_pose_star and parse_pose_csparc; both agree numerically with the formulas below.
"""

import warnings

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

# V'(x, y, z) = V(x, y, -z): the mirror that turns a map into its other hand.
MIRROR_Z = np.diag([1.0, 1.0, -1.0])


def rotations_from_relion_euler_degrees(
    euler_degrees: Float64[np.ndarray, "n 3"],
) -> Float64[np.ndarray, "n 3 3"]:
    """A from RELION's (rlnAngleRot, rlnAngleTilt, rlnAnglePsi) in degrees: intrinsic ZYZ angles, transposed.

    Raises:
        ValueError: if the array is not (n, 3).
    """
    euler_degrees = _checked(euler_degrees, (3,))
    return _transposed(Rotation.from_euler("ZYZ", euler_degrees, degrees=True).as_matrix())


def relion_euler_degrees_from_rotations(
    rotation_volume_to_image: Float64[np.ndarray, "n 3 3"],
) -> Float64[np.ndarray, "n 3"]:
    """RELION's (rot, tilt, psi) in degrees, with tilt in [0, 180] and rot and psi in [-180, 180].

    Where tilt is 0 or 180 only rot + psi or rot - psi is defined; psi is then set to 0.

    Raises:
        ValueError: if the array is not (n, 3, 3).
    """
    rotation = _checked(rotation_volume_to_image, (3, 3))
    with warnings.catch_warnings():
        # At the poles scipy picks one of many equal triples and warns; any of them is right.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        return Rotation.from_matrix(_transposed(rotation)).as_euler("ZYZ", degrees=True)


def rotations_from_cryosparc_rotvec(
    rotation_vector: Float64[np.ndarray, "n 3"],
) -> Float64[np.ndarray, "n 3 3"]:
    """A = expm([p]x)^T from cryoSPARC's `alignments3D/pose` p, a rotation vector in radians.

    Raises:
        ValueError: if the array is not (n, 3).
    """
    return _transposed(Rotation.from_rotvec(_checked(rotation_vector, (3,))).as_matrix())


def cryosparc_rotvec_from_rotations(
    rotation_volume_to_image: Float64[np.ndarray, "n 3 3"],
) -> Float64[np.ndarray, "n 3"]:
    """cryoSPARC's rotation vector p in radians, |p| <= pi, with A = expm([p]x)^T.

    Raises:
        ValueError: if the array is not (n, 3, 3).
    """
    return Rotation.from_matrix(_transposed(_checked(rotation_volume_to_image, (3, 3)))).as_rotvec()


def flip_hand(rotation_volume_to_image: Float64[np.ndarray, "n 3 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """The rotations that make the same images from the mirrored map V(x, y, -z): A' = S A S, S = diag(1, 1, -1).

    Shifts stay as they are, because S leaves the image's x and y alone.  In RELION's angles tilt becomes -tilt.

    Raises:
        ValueError: if the array is not (n, 3, 3).
    """
    return MIRROR_Z @ _checked(rotation_volume_to_image, (3, 3)) @ MIRROR_Z


def _transposed(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.swapaxes(matrix, -1, -2))


def _checked(array: np.ndarray, trailing: tuple[int, ...]) -> np.ndarray:
    """The array as float64, if its shape is (n, *trailing)."""
    array = np.asarray(array, dtype=np.float64)
    if array.shape[1:] != trailing or array.ndim != 1 + len(trailing):
        raise ValueError(f"expected shape (n, {', '.join(map(str, trailing))}), got {array.shape}")
    return array
