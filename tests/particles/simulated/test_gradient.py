"""Ramps are planes of the height that is asked for."""

import numpy as np
import pytest

from cryofifa.particles.simulated.gradient import Gradients
from cryofifa.settings.sample import GradientSettings


def test_a_ramp_is_a_plane_through_the_centre():
    image = Gradients(np.array([[0.0, 0.0], [0.5, -0.2]]), 16).images(range(1, 2))[0]
    assert image[8, 8] == 0
    assert image[8, 0] == pytest.approx(-0.5)
    assert image[0, 8] == pytest.approx(0.2)
    np.testing.assert_allclose(np.diff(image, axis=0), -0.2 / 8, atol=1e-6)
    np.testing.assert_allclose(np.diff(image, axis=1), 0.5 / 8, atol=1e-6)


def test_heights_spread_as_asked():
    drawn = Gradients.drawn(5000, 16, GradientSettings(0.3), 0)
    np.testing.assert_allclose(drawn.height.std(axis=0), 0.3, rtol=0.05)
    assert not Gradients.drawn(3, 16, GradientSettings(), 0).images(range(3)).any()
