"""Half maps of particles with known poses: the halves agree with each other as far as with the truth."""

import math

import numpy as np
import pytest
import torch

from cryofifa.half_map_refinement import half_maps
from cryofifa.half_map_refinement.half_maps import back_project_halves, combined_map_gain, solve_half_maps
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.fourier import HalfPlane, fourier_3d
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa_testkit.known_volumes import blob_volume, microscope_ctf, random_rotations

SIZE, PIXEL, COUNT, WIDTH = 24, 5.0, 600, 1.2
PLANE = HalfPlane.of_box(SIZE, PIXEL)
ROTATION = random_rotations(COUNT)
SHIFT = torch.from_numpy(np.random.default_rng(0).normal(0, 6.0, (COUNT, 2))).float()
HALF = torch.arange(COUNT) % 2 + 1


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    clean = simulate_images(blob_volume(SIZE, WIDTH), PIXEL, ROTATION, SHIFT, microscope_ctf(COUNT))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean + noise * float(clean.std())


def halves(images: torch.Tensor, half: torch.Tensor = HALF, shift: torch.Tensor = SHIFT):
    return back_project_halves(
        lambda rows: images[torch.from_numpy(rows)], microscope_ctf(COUNT), ROTATION, shift, half, PLANE
    )


def test_maps_are_the_truth_where_the_halves_agree(images):
    maps = solve_half_maps(halves(images), 10.0, 3.0)
    truth, mask = blob_volume(SIZE, WIDTH), spherical_mask(SIZE, 10.0, 3.0)
    to_truth = fourier_shell_correlation(maps.combined * mask, truth * mask)
    assert float(to_truth[1:8].min()) > 0.95
    # Rosenthal & Henderson: the combined map's correlation to the truth is sqrt(2 FSC / (1 + FSC))
    expected = (2 * maps.fsc / (1 + maps.fsc)).clamp_min(0).sqrt()
    assert float((to_truth - expected)[1:9].abs().max()) < 0.05
    shell = distance_from_centre(SIZE, 3).round()
    found, true = fourier_3d(maps.combined), fourier_3d(truth)
    a, b = found[shell == 4], true[shell == 4]
    assert float((a * b.conj()).real.sum() / b.abs().square().sum()) == pytest.approx(1, abs=0.08)


def test_a_shift_of_the_wrong_sign_spoils_the_map(images):
    mask = spherical_mask(SIZE, 10.0, 3.0)
    truth = blob_volume(SIZE, WIDTH) * mask
    right = solve_half_maps(halves(images), 10.0, 3.0).combined * mask
    wrong = solve_half_maps(halves(images, shift=-SHIFT), 10.0, 3.0).combined * mask
    good, bad = (fourier_shell_correlation(volume, truth)[3:9].mean() for volume in (right, wrong))
    assert float(good) > float(bad) + 0.2


def test_halves_hold_their_own_particles_only_and_half_zero_none(images):
    changed = images.clone()
    changed[HALF == 2] = 0
    one, two = halves(images), halves(changed)
    assert torch.equal(one[0].data_real, two[0].data_real)
    assert float(two[1].data_real.abs().max()) == 0
    left_out = halves(images, torch.where(HALF == 1, HALF, 0))
    assert float(left_out[1].weight.sum()) == 0
    assert torch.equal(left_out[0].data_real, one[0].data_real)


def test_every_particle_is_counted_once(images):
    third = torch.arange(COUNT) // 2 % 3
    parts = [halves(images, torch.where(third == part, HALF, 0)) for part in range(3)]
    for which, whole in enumerate(halves(images)):
        added = sum(part[which].weight for part in parts)
        torch.testing.assert_close(added, whole.weight, rtol=1e-3, atol=1e-4 * float(whole.weight.max()))


def test_pure_noise_has_no_correlation_and_fades():
    noise = torch.randn(COUNT, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    sums = halves(noise)
    maps = solve_half_maps(sums, 10.0, 3.0)
    assert float(maps.fsc[4:].abs().max()) < 0.3
    assert float(maps.combined.std()) < 0.3 * float((sums[0] + sums[1]).volume().std())
    assert math.isfinite(float(maps.half_1.sum() + maps.half_2.sum()))


def test_ice_that_lies_side_by_side_in_the_file_is_known_as_well(images, monkeypatch):
    """Which images are read together is a matter of memory: the order of the particles changes nothing."""
    ice = images.clone()
    ice[:60] *= 6  # one block of each half has hardly any other
    monkeypatch.setattr(half_maps, "BLOCK", 30)
    in_order, mixed = halves(ice), torch.randperm(COUNT, generator=torch.Generator().manual_seed(4))
    shuffled = back_project_halves(
        lambda rows: ice[mixed][torch.from_numpy(rows)],
        microscope_ctf(COUNT)[mixed],
        ROTATION[mixed],
        SHIFT[mixed],
        HALF[mixed],
        PLANE,
    )
    for one, other in zip(in_order, shuffled, strict=True):
        assert float((one.weight - other.weight).norm()) < 0.02 * float(one.weight.norm())


def test_ice_among_the_particles_spoils_the_map_little(images, monkeypatch):
    """A tenth of the images are blobs somewhere in the box, of five times the standard deviation of all else."""
    ice = images.clone()
    generator = np.random.default_rng(3)
    line = np.arange(SIZE) - SIZE // 2
    for row in range(0, COUNT, 10):
        x, y = generator.uniform(-8, 8, 2)
        blob = np.exp(-((line[:, None] - y) ** 2 + (line - x) ** 2) / (2 * 2.0**2))
        ice[row] += torch.from_numpy(5 * float(images.std()) * blob / blob.std()).float()
    truth, mask = blob_volume(SIZE, WIDTH), spherical_mask(SIZE, 10.0, 3.0)

    def to_truth(stack: torch.Tensor) -> float:
        volume = solve_half_maps(halves(stack), 10.0, 3.0).combined
        return float(fourier_shell_correlation(volume * mask, truth * mask)[1:6].min())

    clean, with_ice = to_truth(images), to_truth(ice)
    monkeypatch.setattr(half_maps, "bounded_influence", lambda power, _median: torch.ones_like(power))
    assert clean - with_ice < 0.01
    assert to_truth(ice) < with_ice - 0.02


@pytest.mark.parametrize("signal", [0.1, 1.0, 9.0])
def test_the_map_of_all_particles_has_the_gain_of_twice_the_images(signal: float):
    """Wiener: S / (S + N), where a half has noise N and all particles have N / 2."""
    noise = 1.0
    half_gain = torch.tensor([signal / (signal + noise)])
    torch.testing.assert_close(combined_map_gain(half_gain), torch.tensor([signal / (signal + noise / 2)]))
