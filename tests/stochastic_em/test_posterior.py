"""The posterior is Bayes' rule over orientations and shifts, and what it adds to a map is weighted by it."""

import numpy as np
import pytest
import torch

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import form_image
from cryofifa.stochastic_em.posterior import Posterior, posterior_of
from cryofifa.train.minibatch import Minibatch
from cryofifa_testkit.known_volumes import blob_volume, microscope_ctf, random_rotations

SIZE, PIXEL, RADIUS, COUNT = 24, 5.0, 8.0, 6
PLANE = HalfPlane.of_box(SIZE, PIXEL, RADIUS)
SHIFT_SD, RANGE = 4.0, 15.0
GRID = FourierGrid.from_volume(blob_volume(SIZE), RADIUS)
ORIENTATIONS = random_rotations(40, seed=5)


def minibatch(strength: float, noise: float, seed: int = 0) -> Minibatch:
    """Particles in the first of the orientations, shifted a little, with Gaussian noise of this power per point."""
    generator = torch.Generator().manual_seed(seed)
    ctf = contrast_transfer(microscope_ctf(COUNT), PLANE.frequency_per_angstrom) * strength
    shift = torch.randn(COUNT, 2, generator=generator) * 3
    clean = form_image(GRID.slices(ORIENTATIONS[:COUNT], PLANE), ctf, shift, PLANE)
    real, imaginary = (torch.randn(clean.shape, generator=generator) for _ in range(2))
    return Minibatch(
        particle=torch.arange(COUNT),
        image=torch.zeros(COUNT, SIZE, SIZE),
        mask=torch.ones(COUNT, SIZE, SIZE),
        measured=clean + torch.complex(real, imaginary) * (noise / 2) ** 0.5,
        ctf=ctf,
        plane=PLANE,
        rotation=torch.eye(3).repeat(COUNT, 1, 1),
        shift_angstrom=shift,
        shift_sd_angstrom=SHIFT_SD,
        particle_radius_angstrom=50.0,
    )


def found(batch: Minibatch, influence: torch.Tensor | None = None) -> Posterior:
    return posterior_of(batch, torch.ones(COUNT) if influence is None else influence, GRID, ORIENTATIONS, RANGE)


def test_it_is_bayes_rule_summed_over_all_orientations_and_shifts():
    """Against every pose's likelihood by itself: forming its image, and comparing it point by point."""
    batch = minibatch(strength=1.0, noise=1.0)
    posterior = found(batch)
    step = 0.2 * PLANE.extent_angstrom / PLANE.largest_radius
    offsets = [torch.tensor([x, y]) * step for y in (-1.0, 0.0, 1.0) for x in (-1.0, 0.0, 1.0)]
    data, weight, shift = np.zeros((40, len(PLANE)), complex), np.zeros((40, len(PLANE))), np.zeros((COUNT, 2))
    for image in range(COUNT):
        log = np.zeros((40, len(offsets)))
        for index, rotation in enumerate(ORIENTATIONS):
            for number, offset in enumerate(offsets):
                moved = batch.shift_angstrom[image] + offset
                model = form_image(GRID.slices(rotation[None], PLANE), batch.ctf[image][None], moved[None], PLANE)[0]
                distance = float((batch.measured[image] - model).abs().square().sum())
                log[index, number] = -distance - float(moved.square().sum()) / (2 * SHIFT_SD**2)
        probability = np.exp(log - log.max())
        probability /= probability.sum()
        for number, offset in enumerate(offsets):
            moved = (batch.shift_angstrom[image] + offset).numpy()
            phase = np.exp(-2j * np.pi * (PLANE.frequency_per_angstrom.numpy() @ moved))
            centred = batch.measured[image].numpy() * phase * batch.ctf[image].numpy()
            data += probability[:, number, None] * centred
            weight += probability[:, number, None] * batch.ctf[image].numpy() ** 2
            shift[image] += probability[:, number].sum() * moved
    np.testing.assert_allclose(posterior.data.numpy(), data, atol=2e-3 * np.abs(data).max())
    np.testing.assert_allclose(posterior.weight.numpy(), weight, atol=2e-3 * weight.max())
    np.testing.assert_allclose(posterior.shift_angstrom.numpy(), shift, atol=0.02)


def test_a_clear_image_counts_in_its_own_orientation_and_a_faint_one_in_all():
    clear, faint = found(minibatch(strength=20.0, noise=0.1)), found(minibatch(strength=1e-3, noise=1.0))
    torch.testing.assert_close(clear.best_rotation, ORIENTATIONS[:COUNT])
    assert float(clear.weight[COUNT:].sum()) < 1e-3 * float(clear.weight.sum())
    assert float(faint.weight.sum(dim=1).std() / faint.weight.sum(dim=1).mean()) < 0.05


def test_what_is_explained_is_the_signals_power_for_the_true_map_and_less_for_none():
    batch = minibatch(strength=20.0, noise=0.1)
    signal = (GRID.slices(ORIENTATIONS[:COUNT], PLANE) * batch.ctf).abs().square().sum(dim=1)
    assert (found(batch).explained / signal).numpy() == pytest.approx(1.0, abs=0.1)
    assert float(found(minibatch(strength=1e-3, noise=1.0)).explained.abs().max()) < 0.1


def test_an_image_without_influence_adds_nothing():
    batch, influence = minibatch(strength=20.0, noise=0.1), torch.ones(COUNT)
    influence[2] = 0.0
    posterior = found(batch, influence)
    assert float(posterior.weight[2].max()) < 1e-3 * float(posterior.weight.max())
    torch.testing.assert_close(posterior.best_rotation[2], ORIENTATIONS[2])
