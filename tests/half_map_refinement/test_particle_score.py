"""The particle score: 1 for a particle, 0 for noise, whatever its strength; nothing is gained by being bright."""

import numpy as np
import pytest
import torch

from cryofifa.half_map_refinement.particle_score import ring_noise_power, ring_power, ring_score, ring_sums
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa_testkit.known_volumes import microscope_ctf, random_rotations

SIZE, PIXEL, COUNT = 32, 5.0, 2000
PLANE = HalfPlane.of_box(SIZE, PIXEL, 12.0)
RING = PLANE.radius.round().long()
RINGS = int(RING.max()) + 1
NOISE = torch.linspace(3.0, 0.5, RINGS)


def noise_like(shape: torch.Size, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    real, imaginary = (torch.randn(shape, generator=generator) for _ in range(2))
    return torch.complex(real, imaginary) * (NOISE[RING] / 2).sqrt()


@pytest.fixture(scope="module")
def predicted() -> torch.Tensor:
    """Projections of mean power 1 in the plane, as CTFs and views leave them."""
    grid = FourierGrid.from_volume(pseudo_protein(SIZE, PIXEL), 12.0)
    ctf = contrast_transfer(microscope_ctf(COUNT), PLANE.frequency_per_angstrom)
    values = grid.slices(random_rotations(COUNT, seed=3), PLANE) * ctf
    return values / values.abs().square().mean().sqrt()


def test_particles_score_1_and_noise_0(predicted):
    noise = noise_like(predicted.shape, 0)
    good = ring_score(predicted + noise, predicted, NOISE, RING)
    bad = ring_score(noise, predicted, NOISE, RING)
    assert float(good.mean()) == pytest.approx(1.0, abs=0.1)
    assert abs(float(bad.mean())) < 4 * float(bad.std()) / COUNT**0.5


def test_a_weaker_particle_does_not_score_lower(predicted):
    """Half the amplitude, as at another defocus: the expectation falls as the correlation does."""
    noise = noise_like(predicted.shape, 1)
    strong = ring_score(predicted + noise, predicted, NOISE, RING)
    weak = ring_score(0.5 * predicted + noise, 0.5 * predicted, NOISE, RING)
    assert float(weak.mean()) == pytest.approx(float(strong.mean()), abs=0.1)


def test_bright_junk_gains_nothing_by_being_bright(predicted):
    """A copy of the lowest rings ten times too strong fits the map there, and is no particle."""
    noise = noise_like(predicted.shape, 2)
    low = RING <= 4
    blob = torch.where(low, 10 * predicted, 0.0) + noise
    faint = torch.where(low, predicted, 0.0) + noise
    good = ring_score(predicted + noise, predicted, NOISE, RING)
    score = ring_score(blob, predicted, NOISE, RING)
    assert float(score.median()) < float(ring_score(faint, predicted, NOISE, RING).median())
    assert float(score.quantile(0.98)) < float(good.quantile(0.02))


def test_noise_power_is_that_of_the_noise_and_bright_images_do_not_move_it():
    noise = noise_like(torch.Size((COUNT, len(PLANE))), 3)
    noise[:200] *= 30
    found = ring_noise_power(ring_power(noise, RING, RINGS))
    filled = torch.bincount(RING, minlength=RINGS) >= 12
    torch.testing.assert_close(found[filled], NOISE[filled], rtol=0.1, atol=0)


def test_ring_sums_equal_numpy():
    values = np.random.default_rng(0).normal(size=(3, len(PLANE))).astype(np.float32)
    wanted = [np.bincount(RING.numpy(), weights=row, minlength=RINGS) for row in values]
    np.testing.assert_allclose(ring_sums(torch.from_numpy(values), RING, RINGS).numpy(), wanted, atol=1e-4)
