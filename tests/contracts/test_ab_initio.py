"""A few epochs on particles of a made-up protein: everything learns, everything is remembered, all repeatable."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.noise_spectrum import NoiseSpectrum
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import form_image, mask_transform
from cryofifa.settings.ab_initio import CurriculumSettings, SearchSettings
from cryofifa.settings.config import Config
from cryofifa.settings.decoders import DecoderSettings, FourierNetSettings
from cryofifa.settings.encoder import EncoderSettings
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.curriculum import Curriculum, stage_at
from cryofifa.train.working_set import WorkingSet
from cryofifa_testkit.known_volumes import microscope_ctf, random_rotations
from cryofifa_testkit.small_sets import simulated_working_set

SIZE, PIXEL, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM = 32, 5.0, 65.0, 25.0
CONFIG = Config(
    curriculum=replace(CurriculumSettings(), minibatch=64),
    encoder=replace(EncoderSettings(), channels=4, stages=2, feature_width=32),
    decoder=DecoderSettings(fourier_net=FourierNetSettings(width=32, modulant_layers=2, envelope_layers=1)),
    search=replace(SearchSettings(), orientations=300),
)
CURRICULUM = Curriculum(
    epochs=4,
    mask_steps=4,
    start_radius=2.5,
    end_radius=9.0,
    growth_share=0.9,
    global_search_share=0.5,
    encoder_share=0.0,
    keep_fraction_start=1.0,
    keep_fraction_end=0.9,
    keep_growth_share=0.5,
    temperature_start=0.5,
    disturbance_start_degree=10.0,
    disturbance_share=0.5,
)


def particles(count: int) -> WorkingSet:
    return simulated_working_set(count, box=SIZE, pixel_size_angstrom=PIXEL)


@pytest.fixture(scope="module")
def working_set() -> WorkingSet:
    return particles(600)


def test_whitened_images_are_what_the_whitened_ctf_predicts():
    """In coloured noise too, the true volume at the true poses leaves nothing of noiseless images."""
    count, ice = 20, NoiseSpectrum(SIZE * PIXEL, tuple(np.linspace(9, 1, SIZE // 2)))
    volume, rotation, ctf = pseudo_protein(SIZE, PIXEL), random_rotations(count), microscope_ctf(count)
    shift = torch.from_numpy(np.random.default_rng(0).normal(0, 5.0, (count, 2))).float()
    image = ImagesInMemory(simulate_images(volume, PIXEL, rotation, shift, ctf))
    training = AbInitio(
        CONFIG, CURRICULUM, WorkingSet(torch.arange(count), image, ctf, PIXEL, ice), 75.0, SHIFT_RANGE_ANGSTROM
    )
    training.poses.shift_angstrom = shift
    batch = training.minibatch(torch.arange(count), stage_at(CURRICULUM, 1.0))
    slices = FourierGrid.from_volume(volume, SIZE // 2).slices(rotation, batch.plane) / SIZE
    predicted = mask_transform(form_image(slices, batch.ctf, shift, batch.plane), batch.mask, batch.plane)
    left = (batch.measured - predicted).abs().square().sum() / batch.measured.abs().square().sum()
    assert float(left) < 0.01


def run(working_set: WorkingSet, config: Config = CONFIG, epochs: int = 2) -> tuple[AbInitio, list]:
    training = AbInitio(config, CURRICULUM, working_set, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM)
    return training, [training.train_epoch(epoch) for epoch in range(epochs)]


@pytest.fixture(scope="module")
def guided(working_set) -> tuple[AbInitio, list]:
    return run(working_set, epochs=4)


def test_every_particle_has_a_proper_pose_and_a_finite_loss(guided):
    training, records = guided
    poses = training.poses
    assert bool(poses.posed.all())
    torch.testing.assert_close(
        poses.rotation @ poses.rotation.mT, torch.eye(3).expand_as(poses.rotation), atol=1e-4, rtol=0
    )
    assert float(poses.shift_angstrom.norm(dim=1).max()) <= SHIFT_RANGE_ANGSTROM * 1.001
    assert float(poses.shift_angstrom.abs().max()) > 0
    assert all(math.isfinite(record.loss) for record in records)


def test_loss_falls_below_that_of_an_empty_volume(guided, working_set):
    """The mean power of masked images is what an empty volume would leave, at the same mask."""
    training, records = guided
    stage = stage_at(CURRICULUM, 0.99)
    empty = training.minibatch(torch.arange(len(working_set)), stage).measured.abs().square().mean()
    assert records[-1].loss < 0.97 * float(empty)


def test_records_say_what_happened(guided):
    training, records = guided
    assert [record.epoch for record in records] == [0, 1, 2, 3]
    assert records[0].pose_change_median_degree is None
    assert records[1].pose_change_median_degree > 0
    for record in records:
        assert sum(record.winner_shares.values()) == pytest.approx(1)
        assert record.resolution_angstrom == pytest.approx(SIZE * PIXEL / record.mask_radius_pixel)
    assert records[0].winner_shares["orientation set"] > 0
    assert records[3].winner_shares["orientation set"] == 0
    assert records[3].mask_radius_pixel == 9
    assert 0 < training.size.radius_angstrom <= RADIUS_ANGSTROM


@pytest.mark.parametrize("mode", ["guided", "amortized"])
def test_both_networks_learn(working_set, mode):
    config = replace(CONFIG, pose_mode=mode)
    untrained = AbInitio(config, CURRICULUM, working_set, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM)
    training, records = run(working_set, config, epochs=1)
    assert math.isfinite(records[0].loss)
    assert bool(training.poses.posed.all())
    before, after = untrained.networks, training.networks
    for untaught, taught in ((before.encoder, after.encoder), (before.decoder(), after.decoder())):
        old = dict(untaught.named_parameters())
        same = [name for name, value in taught.named_parameters() if torch.equal(value, old[name])]
        assert not same


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    small = particles(130)
    (one, _), (two, _), (other, _) = (run(small, replace(CONFIG, seed=seed)) for seed in (1, 1, 2))
    for name, value in one.poses.columns().items():
        assert torch.equal(value, getattr(two.poses, name)), name
    for a, b in zip(one.networks.decoder().parameters(), two.networks.decoder().parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.poses.rotation, other.poses.rotation)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "augmentation"), [("guided", "8x45"), ("guided", "random"), ("amortized", "random")])
def test_a_resumed_run_equals_an_uninterrupted_one(mode, augmentation):
    small = particles(96)
    config = replace(CONFIG, pose_mode=mode, encoder=replace(CONFIG.encoder, augmentation=augmentation))
    whole, _ = run(small, config, epochs=2)
    first, _ = run(small, config, epochs=1)
    saved = {name: value.clone() for name, value in first.state().items()}
    resumed = AbInitio(config, CURRICULUM, small, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM)
    resumed.load_state(saved)
    resumed.train_epoch(1)
    for name, value in whole.poses.columns().items():
        assert torch.equal(value, getattr(resumed.poses, name)), name
    for a, b in zip(whole.networks.encoder.parameters(), resumed.networks.encoder.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("mode", ["guided", "amortized"])
def test_a_last_minibatch_of_one_particle_is_no_stumbling_block(mode):
    config = replace(CONFIG, pose_mode=mode, curriculum=replace(CONFIG.curriculum, minibatch=16))
    training, records = run(particles(17), config, epochs=1)
    assert math.isfinite(records[0].loss)
    assert bool(training.poses.posed.all())


def test_torchs_random_state_is_left_alone(working_set):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    AbInitio(CONFIG, CURRICULUM, working_set, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("follows", [True, False])
def test_the_image_mask_goes_with_the_particle_unless_told_otherwise(follows):
    """A particle is at minus its shift; two dots, there and in the centre, too far apart for one mask of 23 A."""
    shift = torch.tensor([-40.0, 30.0])
    dots = torch.zeros(2, SIZE, SIZE)
    dots[0, SIZE // 2 - 6, SIZE // 2 + 8] = 1.0
    dots[1, SIZE // 2, SIZE // 2] = 1.0
    config = CONFIG.changed(image={"mask_follows_shift": follows})
    working_set = WorkingSet(torch.arange(2), ImagesInMemory(dots), microscope_ctf(2), PIXEL)
    training = AbInitio(config, CURRICULUM, working_set, 20.0, 60.0)
    training.poses.shift_angstrom[:] = shift
    power = training.minibatch(torch.arange(2), stage_at(CURRICULUM, 0.99)).measured.abs().square().sum(dim=1)
    seen, unseen = (0, 1) if follows else (1, 0)
    assert float(power[seen]) > 0
    assert float(power[unseen]) == 0
