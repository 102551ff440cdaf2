"""Preferred views: part of the particles are seen from near one direction, as those that lie at the water's surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from cryofifa.settings.sample import ViewSettings


def preferring_an_axis(
    rotation_volume_to_image: Float64[np.ndarray, "n 3 3"], settings: ViewSettings, generator: np.random.Generator
) -> Float64[np.ndarray, "n 3 3"]:
    """The same rotations, but that `preferred_share` of the particles are seen from within an angle of a random axis.

    Of these, the directions are uniform on that cap of the sphere, and their angles in the plane stay random.
    """
    if settings.preferred_share == 0:
        return rotation_volume_to_image
    n = len(rotation_volume_to_image)
    axis = generator.standard_normal(3)
    axis /= np.linalg.norm(axis)
    favoured = generator.uniform(size=n) < settings.preferred_share
    cosine = generator.uniform(np.cos(np.radians(settings.within_degree)), 1, n)
    turn, psi = generator.uniform(0, 2 * np.pi, (2, n))
    sine = np.sqrt(1 - cosine**2)
    direction = np.stack([sine * np.cos(turn), sine * np.sin(turn), cosine], axis=1)
    # the z axis onto the preferred one
    onto_axis = Rotation.from_euler("ZY", [np.arctan2(axis[1], axis[0]), np.arccos(axis[2])])
    views = rotations_that_look_along(onto_axis.apply(direction), psi)
    return np.where(favoured[:, None, None], views, rotation_volume_to_image)


def rotations_that_look_along(
    direction: Float64[np.ndarray, "n 3"], psi_radian: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 3 3"]:
    """Rotations A whose view axis in the volume, the third row of A, is this direction; the image is turned by psi."""
    azimuth = np.arctan2(direction[:, 1], direction[:, 0])
    tilt = np.arccos(np.clip(direction[:, 2], -1, 1))
    return Rotation.from_euler("ZYZ", np.stack([azimuth, tilt, psi_radian], axis=1)).inv().as_matrix()
