"""Spreads are as wide as asked, and the particle file's errors are those of a fit to whole micrographs."""

import numpy as np
import pytest
import torch

from cryofifa.particles.simulated.imaging import spread_in_imaging
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.settings.sample import ImagingSettings
from cryofifa_testkit.small_scenes import small_drawn

DRAWN = small_drawn(20_000)


def test_b_factors_damp_power_as_they_should_and_contrast_scales_it():
    spread = spread_in_imaging(
        DRAWN, ImagingSettings(least_b_factor=50.0, largest_b_factor=150.0), np.random.default_rng(0)
    )
    b_factor = spread.b_factor_square_angstrom
    assert (b_factor.min(), b_factor.max()) == pytest.approx((50, 150), abs=1)
    assert b_factor.mean() == pytest.approx(100, abs=1)
    frequency = torch.tensor([[0.03, 0.04], [0.1, 0.0]])
    few = slice(0, 5)
    ratio = (contrast_transfer(spread.ctf(few), frequency) / contrast_transfer(DRAWN.ctf(few), frequency)).square()
    wanted = np.exp(-b_factor[few, None] * np.array([0.05, 0.1]) ** 2 / 2)
    np.testing.assert_allclose(ratio.numpy(), wanted, rtol=1e-4)


def test_contrast_spreads_about_one():
    spread = spread_in_imaging(DRAWN, ImagingSettings(contrast_sd=0.2), np.random.default_rng(0))
    assert np.log(spread.contrast).std() == pytest.approx(0.2, rel=0.03)
    assert np.log(spread.contrast).mean() == pytest.approx(0, abs=0.01)


def test_heights_are_unknown_and_fits_are_wrong_for_whole_micrographs():
    settings = ImagingSettings(
        height_sd_angstrom=200.0, defocus_error_sd_angstrom=500.0, astigmatism_error_sd_angstrom=90.0
    )
    spread = spread_in_imaging(DRAWN, settings, np.random.default_rng(0))
    true = np.stack([spread.defocus_u_angstrom, spread.defocus_v_angstrom])
    written = true + np.stack([spread.defocus_u_error_angstrom, spread.defocus_v_error_angstrom])
    fitted = written - np.stack([DRAWN.defocus_u_angstrom, DRAWN.defocus_v_angstrom])
    first = np.unique(spread.micrograph, return_index=True)[1]
    np.testing.assert_allclose(fitted, fitted[:, first][:, spread.micrograph], atol=1e-6)  # one fit per micrograph
    assert fitted[:, first].mean(axis=0).std() == pytest.approx(500, rel=0.15)
    assert (fitted[0] - fitted[1])[first].std() == pytest.approx(90, rel=0.15)
    assert (true[0] - DRAWN.defocus_u_angstrom).std() == pytest.approx(200, rel=0.03)
    np.testing.assert_allclose(true[0] - true[1], DRAWN.defocus_u_angstrom - DRAWN.defocus_v_angstrom, atol=1e-6)
