"""Phase randomisation: what a mask correlates by itself is taken out, and signal is left."""

import pytest
import torch
from known_volumes import blob_volume

from cryofifa.physics.fourier import fourier_3d
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa.physics.shells import scale_shells
from cryofifa.results.fsc import fourier_shell_correlation
from cryofifa.results.gold_standard import masked_fsc, with_random_phases

SIZE = 48


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def halves(limit_shell: int, noise_sd: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """A signal that ends at a shell, in noise of its own in each half."""
    signal = scale_shells(blob_volume(SIZE, 1.0) * 40, (torch.arange(SIZE // 2 + 1) <= limit_shell).float())
    return signal + noise_sd * noise(1), signal + noise_sd * noise(2)


def test_a_tight_mask_alone_raises_the_curve_and_the_correction_takes_that_out():
    """A jagged mask, the same for both halves, correlates where there is no signal; corrected, hardly any is left."""
    mask = (scale_shells(noise(3), (torch.arange(SIZE // 2 + 1) < 6).float()) > 0).float()
    found = masked_fsc(*halves(4, noise_sd=0.01), mask)
    beyond = slice(13, 24)
    assert float(found.masked[beyond].mean()) > 0.15
    assert abs(float(found.corrected[beyond].mean())) < 0.07
    torch.testing.assert_close(found.corrected[:5], found.masked[:5])


def test_true_signal_beyond_the_randomised_shell_is_left():
    """Signal to the end of the box, unmasked under 0.8 early because of noise: the mask's gain is real."""
    mask = spherical_mask(SIZE, 12.0, 6.0)
    found = masked_fsc(*halves(SIZE, noise_sd=0.05), mask)
    lowest = (found.unmasked[1:] < 0.8).nonzero()
    assert len(lowest) > 0
    shell = 1 + int(lowest[0]) + 3
    assert float(found.corrected[shell]) > float(found.unmasked[shell])
    assert float(found.corrected[shell]) > 0.5


def test_without_a_mask_nothing_is_corrected():
    found = masked_fsc(*halves(8), torch.ones(SIZE, SIZE, SIZE))
    # independent random phases correlate by chance alone: one over the square root of the points
    points = torch.bincount(distance_from_centre(SIZE, 3).round().long().flatten())[: SIZE // 2 + 1]
    assert bool((found.randomised[11:].abs() < 5 / (points[11:] / 2).sqrt()).all())
    torch.testing.assert_close(found.corrected, found.masked, atol=0.2, rtol=0)


@pytest.mark.parametrize("size", [16, 17])
def test_random_phases_keep_amplitudes_low_shells_and_a_real_map(size):
    volume = torch.randn(size, size, size, generator=torch.Generator().manual_seed(0))
    found = with_random_phases(volume, 4, torch.Generator().manual_seed(5))
    torch.testing.assert_close(fourier_3d(found).abs(), fourier_3d(volume).abs(), atol=1e-3, rtol=1e-3)
    curve = fourier_shell_correlation(found, volume)
    torch.testing.assert_close(curve[:4], torch.ones(4), atol=1e-4, rtol=0)
    assert float(curve[5:].abs().max()) < 0.5
