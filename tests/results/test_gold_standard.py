"""Phase randomisation: what a mask correlates by itself is taken out, and signal is left."""

import pytest
import torch

from cryofifa.physics.fourier import fourier_3d
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.shells import scale_shells
from cryofifa.physics.symmetry_average import mean_of_turned
from cryofifa.results.gold_standard import CHANCE_SD, chance_level, corrected_for_mask, masked_fsc, with_random_phases
from cryofifa_testkit.known_volumes import blob_volume

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


BOX_ANGSTROM = 160.0


@pytest.mark.parametrize("radius", [4.0, 8.0, 14.0])
def test_what_was_shared_does_not_leak_beyond_through_the_mask(radius):
    """Halves alike to shell 8, nothing but noise of their own beyond: as runs on pure noise end."""
    leaked = []
    for seed in range(5):
        kept = (torch.arange(SIZE // 2 + 1) <= 8).float()
        shared = scale_shells(noise(seed), kept)
        pair = [shared + scale_shells(noise(10 * seed + one), 1 - kept) for one in (100, 101)]
        found = masked_fsc(*pair, spherical_mask(SIZE, radius, 3.0), shared_shell=8)
        assert found.resolution_angstrom(0.143, BOX_ANGSTROM) > BOX_ANGSTROM / 9
        leaked.append(float(found.masked[9]))
    assert sum(leaked) / len(leaked) > 0.15  # the test can fail


def test_a_sphere_that_both_halves_have_in_common_is_no_agreement():
    """A thin hollow sphere, whatever the poses are; all else that the halves show is noise."""
    hollow = torch.exp(-0.5 * ((distance_from_centre(SIZE, 3) - 9) / 0.8).square())
    found = masked_fsc(*(hollow + 0.2 * noise(seed) for seed in (1, 2)), spherical_mask(SIZE, 14.0, 4.0))
    assert float(found.unmasked[1:8].min()) > 0.7  # there is much in common
    assert found.resolution_angstrom(0.143, SIZE) > SIZE / 4


def test_true_agreement_beyond_what_was_shared_is_found():
    found = masked_fsc(*halves(16, noise_sd=0.02), spherical_mask(SIZE, 12.0, 4.0), shared_shell=8)
    assert BOX_ANGSTROM / 19 < found.resolution_angstrom(0.143, BOX_ANGSTROM) < BOX_ANGSTROM / 15


@pytest.mark.parametrize("radius", [7.0, 15.0])
def test_chance_is_three_standard_deviations_of_unrelated_maps(radius):
    mask = spherical_mask(SIZE, radius, 4.0)
    level = chance_level(mask, 5)
    assert bool((level[:6] == 0).all())
    curves = torch.stack(
        [fourier_shell_correlation(mask * noise(2 * one), mask * noise(2 * one + 1)) for one in range(40)]
    )
    seen = curves[:, 8:].square().mean().sqrt()
    expected = (level[8:] / CHANCE_SD).square().mean().sqrt()
    assert 0.85 < float(seen / expected) < 1.15


@pytest.mark.parametrize("group", ["C3", "D2", pytest.param("O", marks=pytest.mark.slow)])
def test_chance_can_do_more_where_both_maps_are_symmetrised(group):
    """Of maps alike in nothing but the group that was imposed on both."""
    members = torch.from_numpy(symmetry_rotations(group)).float()
    mask = spherical_mask(SIZE, 15.0, 4.0)
    level = chance_level(mask, 0, len(members))
    curves = []
    for one in range(10):
        pair = (mask * mean_of_turned(noise(100 + 2 * one + half), members) for half in (0, 1))
        curves.append(fourier_shell_correlation(*pair))
    seen = torch.stack(curves)[:, 8:22].square().mean().sqrt()
    expected = (level[8:22] / CHANCE_SD).square().mean().sqrt()
    assert 0.75 < float(seen / expected) < 1.25


def test_the_correction_finds_the_fsc_that_the_mask_had_raised():
    """Where a mask correlates a share s by itself, an FSC f shows as s + (1 - s) f (Chen et al. 2013)."""
    true, share = torch.linspace(0.95, 0.05, SIZE // 2 + 1), 0.4
    curves = iter([share + (1 - share) * true, *[torch.full_like(true, share)] * 50])
    _, randomised, corrected = corrected_for_mask(
        noise(1), noise(2), torch.ones(SIZE, SIZE, SIZE), true, lambda *_: next(curves), 0, 0
    )
    torch.testing.assert_close(randomised, torch.full_like(true, share))
    torch.testing.assert_close(corrected[12:], true[12:])  # well beyond the first randomised shell


@pytest.mark.parametrize(("shared_shell", "first"), [(0, 6), (3, 6), (9, 10)])
def test_phases_are_random_where_the_halves_disagree_and_shared_nothing_and_the_ball_is_taken_out(
    shared_shell: int, first: int
):
    """The unmasked curve falls under 0.8 in shell 6; what both halves shared is never randomised."""
    unmasked = torch.tensor([1.0, 0.99, 0.95, 0.9, 0.85, 0.81, 0.7, 0.5, 0.3, *[0.1] * 16])
    ball = 5 * (distance_from_centre(SIZE, 3) < 12).float()
    seen = []

    def correlate(half_1: torch.Tensor, half_2: torch.Tensor) -> torch.Tensor:
        seen.extend((half_1, half_2))
        return torch.zeros(SIZE // 2 + 1)

    mask = torch.ones(SIZE, SIZE, SIZE)
    corrected_for_mask(noise(1) + ball, noise(2) + ball, mask, unmasked, correlate, shared_shell, 0)
    for given, drawn, half in zip(seen[:2], seen[2:4], (noise(1), noise(2)), strict=True):
        own = torch.corrcoef(torch.stack([given.flatten(), ball.flatten()]))[0, 1]
        assert abs(float(own)) < 0.05
        assert float(torch.corrcoef(torch.stack([given.flatten(), half.flatten()]))[0, 1]) > 0.9
        same = fourier_shell_correlation(given, drawn)
        torch.testing.assert_close(same[:first], torch.ones(first), atol=1e-3, rtol=0)
        assert float(same[first:].abs().max()) < 0.5
