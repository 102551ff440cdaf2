"""The second encoder: what it is shown, what it is taught, and that it learns to correct poses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.preprocess import Frame
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.rotations import perturb_rotation
from cryofifa.run.planning import plan_refinement
from cryofifa.settings.config import Config
from cryofifa.settings.encoder import EncoderSettings
from cryofifa.settings.refinements import EncoderRefinementSettings
from cryofifa.train.curriculum import stage_at
from cryofifa.train.encoder_refinement import CorrectionUnit, EncoderRefinement
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.working_set import WorkingSet
from cryofifa_testkit.known_volumes import angles_degree, microscope_ctf, random_rotations, turned_by_degrees

SIZE, PIXEL, COUNT, RADIUS_ANGSTROM = 32, 5.0, 256, 65.0
ROTATION = random_rotations(COUNT, seed=8)
SHIFT = torch.from_numpy(np.random.default_rng(4).normal(0, 5.0, (COUNT, 2))).float()
CONFIG = Config(
    pose_mode="amortized",
    encoder=replace(EncoderSettings(), channels=8, stages=2, feature_width=64),
    encoder_refinement=EncoderRefinementSettings(
        epochs=4, mask_steps=4, end_resolution_angstrom=14.0, fade_in_share=0.25
    ),
)


@pytest.fixture(scope="module")
def volume() -> torch.Tensor:
    volume = pseudo_protein(SIZE, PIXEL)
    clean = simulate_images(volume, PIXEL, ROTATION, SHIFT, microscope_ctf(COUNT))
    return volume / float(clean[:, 8:-8, 8:-8].std())


def refinement(volume: torch.Tensor, rotation: torch.Tensor, config: Config = CONFIG) -> EncoderRefinement:
    clean = simulate_images(volume, PIXEL, ROTATION, SHIFT, microscope_ctf(COUNT))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    curriculum = plan_refinement(config, Frame(SIZE, SIZE, PIXEL))
    assert curriculum is not None
    training = EncoderRefinement(
        config,
        curriculum,
        WorkingSet(torch.arange(COUNT), ImagesInMemory(clean + noise), microscope_ctf(COUNT), PIXEL),
        RADIUS_ANGSTROM,
        25.0,
    )
    training.poses.rotation, training.poses.shift_angstrom = rotation.clone(), SHIFT.clone()
    training.poses.posed[:] = True
    return training


def test_a_fresh_encoder_corrects_nothing(volume):
    training = refinement(volume, ROTATION)
    stage = stage_at(training.curriculum, 0.5)
    found = training.infer(training.minibatch(torch.arange(32), stage), [grid_of(volume)], stage, 0, 0)
    torch.testing.assert_close(found.poses.rotation, ROTATION[:32], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.poses.shift_angstrom, SHIFT[:32])
    assert set(found.poses.origin.tolist()) == {WINNER_ORIGINS.index("encoder")}


def grid_of(volume: torch.Tensor) -> FourierGrid:
    return FourierGrid.from_volume(volume / SIZE, SIZE / 2)


def test_the_encoder_is_shown_the_particle_beside_its_projection(volume):
    """At the true pose the projection is the image without its noise; at another it is not."""
    training = refinement(volume, ROTATION)
    stage = stage_at(training.curriculum, 1.0)
    batch = training.minibatch(torch.arange(64), stage)

    def likeness(rotation: torch.Tensor) -> float:
        shown = training._compared(batch.image, batch, rotation, grid_of(volume))
        return float(torch.corrcoef(torch.stack([shown[:, 1].flatten(), shown[:, 2].flatten()]))[0, 1])

    assert likeness(ROTATION[:64]) > 0.6
    assert likeness(turned_by_degrees(ROTATION[:64], 40.0)) < likeness(ROTATION[:64]) - 0.1


def test_a_correction_of_one_moves_the_edge_by_a_third_of_a_radian_of_phase():
    training_extent = SIZE * PIXEL
    stage = stage_at(plan_refinement(CONFIG, Frame(SIZE, SIZE, PIXEL)), 1.0)  # pyright: ignore[reportArgumentType]
    unit = CorrectionUnit.of_stage(stage, training_extent, RADIUS_ANGSTROM)
    finest_period = training_extent / stage.mask_radius
    assert unit.turn_radian * RADIUS_ANGSTROM == pytest.approx(0.33 * finest_period)
    assert unit.shift_angstrom == pytest.approx(0.2 * finest_period)


def test_the_decoder_waits_while_fading_in(volume):
    training = refinement(volume, ROTATION)
    before = {name: value.clone() for name, value in training.networks.decoder().state_dict().items()}
    encoder_before = training.networks.encoder.features.residual_network[0].weight.clone()  # pyright: ignore
    training.train_epoch(0)
    assert all(torch.equal(before[name], value) for name, value in training.networks.decoder().state_dict().items())
    assert not torch.equal(encoder_before, training.networks.encoder.features.residual_network[0].weight)  # pyright: ignore
    training.train_epoch(1)
    assert not all(torch.equal(before[name], value) for name, value in training.networks.decoder().state_dict().items())


@pytest.mark.slow
def test_taught_on_synthetic_particles_it_corrects_real_ones(volume):
    """Poses 8 degrees off, the true map, and nothing seen but synthetic particles: most poses get better."""
    start = turned_by_degrees(ROTATION, 8.0)
    training = refinement(volume, start)
    stage, grid = stage_at(training.curriculum, 1.0), grid_of(volume)
    unit = CorrectionUnit.of_stage(stage, training.plane.extent_angstrom, RADIUS_ANGSTROM)
    for step in range(400):
        batch = training.minibatch(torch.arange(64) + 64 * (step % 4), stage)
        loss = training._synthetic_loss(batch, grid, unit, epoch=step)
        training.networks.optimiser.zero_grad()
        loss.backward()
        training.networks.optimiser.step()
    training.networks.encoder.eval()
    batch = training.minibatch(torch.arange(COUNT), stage)
    with torch.no_grad():
        turn, _ = training.networks.encoder(training._compared(batch.image, batch, start, grid))
    corrected = perturb_rotation(start, turn * unit.turn_radian)
    before, after = angles_degree(start, ROTATION), angles_degree(corrected, ROTATION)
    assert (after < before).mean() > 0.7
    assert np.median(after) < 0.92 * np.median(before)


def test_guided_refinement_finds_poses_by_search_and_teaches_them(volume):
    training = refinement(volume, turned_by_degrees(ROTATION, 6.0), CONFIG.changed(pose_mode="guided"))
    stage, grid = stage_at(training.curriculum, 1.0), grid_of(volume)
    for epoch in range(4):
        batch = training.minibatch(torch.arange(COUNT), stage)
        found = training.infer(batch, [grid], stage, epoch, 0)
        training.poses.rotation, training.poses.shift_angstrom = found.poses.rotation, found.poses.shift_angstrom
    assert np.median(angles_degree(training.poses.rotation, ROTATION)) < 3
    found.training_loss.backward()
    assert all(parameter.grad is not None for parameter in training.networks.encoder.parameters())
    assert all(parameter.grad is None for parameter in training.networks.decoder().parameters())
