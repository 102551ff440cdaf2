"""As many particles as asked for are seen from near one axis, the others from everywhere."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofifa.particles.simulated.views import preferring_an_axis
from cryofifa.settings.sample import ViewSettings

UNIFORM = Rotation.random(8000, random_state=0).as_matrix()


def test_the_share_within_the_angle_is_that_asked_for():
    found = preferring_an_axis(UNIFORM, ViewSettings(0.8, 15.0), np.random.default_rng(1))
    np.testing.assert_allclose(found @ np.swapaxes(found, 1, 2), np.broadcast_to(np.eye(3), found.shape), atol=1e-9)
    view = found[:, 2]
    axis = np.linalg.eigh(view.T @ view)[1][:, -1]
    angle = np.degrees(np.arccos(np.clip(view @ axis * np.sign((view @ axis).mean()), -1, 1)))
    cap = (1 - np.cos(np.radians(15))) / 2  # of the sphere: those that are there by chance
    assert (angle < 15).mean() == pytest.approx(0.8 + 0.2 * cap, abs=0.02)
    # even on the cap: half of its area lies within 10.6 degrees
    assert (angle < np.degrees(np.arccos((1 + np.cos(np.radians(15))) / 2))).mean() == pytest.approx(0.4, abs=0.03)
    in_plane = np.arctan2(found[:, 0, 2], found[:, 1, 2])
    assert abs(np.exp(1j * in_plane).mean()) < 0.05


def test_no_preference_leaves_all_as_they_are():
    assert preferring_an_axis(UNIFORM, ViewSettings(), np.random.default_rng(1)) is UNIFORM
