"""Water takes contrast away by the ratio that is asked for, at low frequency above all."""

import numpy as np
import pytest
import torch

from cryofifa.particles.simulated.solvent import in_water
from cryofifa.settings.sample import SolventSettings

SIZE, PIXEL = 24, 4.0


@pytest.mark.parametrize("contrast", [0.3, 0.7])
def test_power_falls_by_babinets_ratio_at_every_frequency(contrast):
    volume = torch.from_numpy(np.random.default_rng(0).standard_normal((SIZE,) * 3)).float()
    wet = in_water(volume, PIXEL, SolventSettings(contrast, 400.0))
    ratio = np.abs(np.fft.fftn(wet.numpy()) / np.fft.fftn(volume.numpy())) ** 2
    line = np.fft.fftfreq(SIZE, PIXEL)
    square = line[:, None, None] ** 2 + line[:, None] ** 2 + line**2
    np.testing.assert_allclose(ratio, (1 - contrast * np.exp(-100.0 * square)) ** 2, rtol=2e-3)
    assert ratio[0, 0, 0] == pytest.approx((1 - contrast) ** 2, rel=1e-3)


def test_no_water_no_change():
    volume = torch.rand(8, 8, 8)
    assert in_water(volume, PIXEL, SolventSettings(0.0)) is volume
