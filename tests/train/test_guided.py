"""Guided inference against a known volume: it finds the true poses, and teaches the encoder alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cryofifa.model.pose_encoder import INPUTS, ImageFeatures, PoseEncoder
from cryofifa.particles.preprocess import encoder_channels
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d
from cryofifa.physics.mask import circular_mask
from cryofifa.physics.shift import displacement_phase
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.amortized import AmortizedInference
from cryofifa.train.candidates import clamp_length
from cryofifa.train.curriculum import Stage
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.guided import GuidedInference
from cryofifa.train.image_copies import CopiedImages, Copies
from cryofifa.train.minibatch import Inference, Minibatch
from cryofifa.train.pose_search import PoseSearch
from cryofifa.train.training_targets import fundamental_copy
from cryofifa_testkit.known_volumes import angles_degree, microscope_ctf, random_rotations, turned_by_degrees

SIZE, PIXEL, COUNT = 32, 5.0, 24
RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM = 65.0, 20.0
ROTATION = random_rotations(COUNT, seed=11)
SHIFT = torch.from_numpy(np.random.default_rng(0).normal(0, 5.0, (COUNT, 2))).float()
STAGE = Stage(
    mask_radius=10.0,
    searches_globally=False,
    use_encoder=True,
    keep_fraction=1.0,
    temperature=0.0,
    disturbance_degree=0.0,
    encoder_rate=1.0,
)


@pytest.fixture(scope="module")
def world() -> tuple[torch.Tensor, FourierGrid]:
    """Particles of a made-up protein with noise of sd 1, and the transform of the volume they show, over the box."""
    volume = pseudo_protein(SIZE, PIXEL)
    clean = simulate_images(volume, PIXEL, ROTATION, SHIFT, microscope_ctf(COUNT))
    scale = 1.5 / float(clean[:, 8:-8, 8:-8].std())
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean * scale + noise, FourierGrid.from_volume(volume * scale / SIZE, 10.0)


COPIES = Copies.fixed(4)
SHIFT_SCALE_ANGSTROM = SHIFT_RANGE_ANGSTROM / 3


def features() -> ImageFeatures:
    return ImageFeatures(inputs=INPUTS, box_size=SIZE, channels=4, stages=2, feature_width=16, omega=5.0)


def encoder_input(masked: torch.Tensor) -> torch.Tensor:
    return encoder_channels(masked, 0.3, 4)


def inference(synthetic: int = 1, **settings) -> GuidedInference:
    torch.manual_seed(0)
    return GuidedInference(
        PoseEncoder(features(), heads=1, shift_scale_angstrom=SHIFT_SCALE_ANGSTROM),
        encoder_input,
        synthetic,
        PoseSearch(replace(SearchSettings(), **settings), 0, SHIFT_RANGE_ANGSTROM),
    )


def minibatch(image, rotation, shift, shift_sd: float = 6.0) -> Minibatch:
    plane = HalfPlane.of_box(SIZE, PIXEL, 10.0)
    mask = circular_mask(SIZE, 14.0, 2.0, -shift / PIXEL)
    return Minibatch(
        particle=torch.arange(COUNT),
        image=image,
        mask=mask,
        measured=plane.gather(fourier_2d(image * mask)) / SIZE,
        ctf=contrast_transfer(microscope_ctf(COUNT), plane.frequency_per_angstrom),
        plane=plane,
        rotation=rotation,
        shift_angstrom=shift,
        shift_sd_angstrom=shift_sd,
        particle_radius_angstrom=RADIUS_ANGSTROM,
    )


def infer(search, batch, grid, stage=STAGE, epoch: int = 0) -> Inference:
    channels = encoder_input(batch.image * batch.mask)
    seen = CopiedImages.of_channels(COPIES, channels) if stage.use_encoder else None
    return search.infer(batch, seen, [grid], stage, epoch, 0)


def test_remembered_poses_a_few_degrees_off_are_corrected(world):
    image, grid = world
    search, rotation, shift = inference(), turned_by_degrees(ROTATION, 6.0), torch.zeros(COUNT, 2)
    for epoch in range(7):
        found = infer(search, minibatch(image, rotation, shift), grid, epoch=epoch)
        rotation, shift = found.poses.rotation, found.poses.shift_angstrom
        assert not rotation.requires_grad
    assert np.median(angles_degree(rotation, ROTATION)) < 3.0
    # the fine grid's step is 1 / (8 * frequency) = 2 angstrom; the sign is RELION's
    assert float((shift - SHIFT).norm(dim=1).median()) < 2.0
    assert float((shift + SHIFT).norm(dim=1).median()) > 5.0


def test_true_poses_are_kept_and_come_from_memory_or_beside_it(world):
    image, grid = world
    found = infer(inference(), minibatch(image, ROTATION, SHIFT), grid)
    assert np.median(angles_degree(found.poses.rotation, ROTATION)) < 2.5
    assert float((found.poses.shift_angstrom - SHIFT).norm(dim=1).median()) < 2.0
    assert set(found.poses.origin.tolist()) <= {WINNER_ORIGINS.index("memory"), WINNER_ORIGINS.index("perturbation")}


def test_orientation_set_finds_poses_nobody_remembers(world):
    """2,000 random rotations: the nearest is 11 degrees off in the median (volume of a ball in SO(3))."""
    image, grid = world
    batch = minibatch(image, random_rotations(COUNT, seed=3), torch.zeros(COUNT, 2))
    found = infer(inference(), batch, grid, replace(STAGE, searches_globally=True))
    error = angles_degree(found.poses.rotation, ROTATION)
    assert np.median(error) < 16
    assert (found.poses.origin == WINNER_ORIGINS.index("orientation set")).float().mean() > 0.8
    assert float((found.poses.shift_angstrom - SHIFT).norm(dim=1).median()) < 5.0
    for epoch in range(1, 6):
        batch = minibatch(image, found.poses.rotation, found.poses.shift_angstrom)
        found = infer(inference(), batch, grid, replace(STAGE, searches_globally=True), epoch=epoch)
    assert np.median(angles_degree(found.poses.rotation, ROTATION)) < 3.5


def test_before_its_time_the_encoder_is_neither_asked_nor_taught(world):
    image, grid = world
    search = inference()
    object.__setattr__(search, "encoder", None)
    found = infer(search, minibatch(image, ROTATION, SHIFT), grid, replace(STAGE, use_encoder=False))
    assert float(found.training_loss) == 0
    assert WINNER_ORIGINS.index("encoder") not in found.poses.origin.tolist()
    assert np.median(angles_degree(found.poses.rotation, ROTATION)) < 2.5


def test_a_tight_prior_keeps_shifts_small(world):
    image, grid = world
    free = infer(inference(), minibatch(image, ROTATION, torch.zeros(COUNT, 2), shift_sd=50.0), grid)
    tight = infer(inference(), minibatch(image, ROTATION, torch.zeros(COUNT, 2), shift_sd=0.01), grid)
    assert float(free.poses.shift_angstrom.norm(dim=1).mean()) > 1
    assert float(tight.poses.shift_angstrom.norm(dim=1).max()) < 1e-6


def test_training_loss_reaches_the_encoder_and_nothing_else(world):
    image, grid = world
    grid = FourierGrid(grid.real_imaginary.clone().requires_grad_(), grid.radius)
    search = inference()
    found = infer(search, minibatch(image, ROTATION, SHIFT), grid)
    found.training_loss.backward()
    assert grid.real_imaginary.grad is None
    assert all(parameter.grad is not None for parameter in search.encoder.parameters())
    assert sum(float(p.grad.abs().sum()) for p in search.encoder.rotation_head.parameters()) > 0
    assert sum(float(p.grad.abs().sum()) for p in search.encoder.translation_head.parameters()) > 0


def test_an_encoder_that_does_not_propose_learns_all_the_same(world):
    image, grid = world
    wrong, poses = random_rotations(COUNT, seed=3), []
    for seed in (0, 1):
        search = inference()
        torch.manual_seed(seed)
        for parameter in search.encoder.parameters():
            torch.nn.init.normal_(parameter)
        found = infer(search, minibatch(image, wrong, SHIFT), grid, replace(STAGE, encoder_proposes=False))
        found.training_loss.backward()
        assert sum(float(p.grad.abs().sum()) for p in search.encoder.rotation_head.parameters()) > 0
        poses.append(found.poses.rotation)
    assert torch.equal(*poses)  # whatever it would have said


def test_an_encoder_that_is_right_has_no_training_loss(world):
    """An encoder that knows the pose of every copy it is asked about wins, and has nothing to learn."""
    image, grid = world
    search = inference(synthetic=0, encoder_copies=3, wide_perturbations=1, narrow_perturbations=0)
    batch = minibatch(image, random_rotations(COUNT, seed=3), SHIFT)
    others = search.search.draws("copies", 0).integers(torch.arange(COUNT), 2, len(COPIES))
    asked = torch.cat([fundamental_copy(COPIES, batch.rotation), others], dim=1)
    taught = fundamental_copy(COPIES, ROTATION)

    class Oracle(PoseEncoder):
        def forward(self, images):
            copy = taught if len(images) == COUNT else asked
            rotation = COPIES.pose_of_copy(ROTATION[:, None].expand(-1, copy.shape[1], -1, -1), copy)
            shift = COPIES.shift_of_copy(SHIFT[:, None].expand(-1, copy.shape[1], -1), copy)
            return rotation.flatten(0, 1)[:, None], shift.flatten(0, 1)

    perfect = replace(search, search=replace(search.search, shift_range_angstrom=100.0))
    object.__setattr__(perfect, "encoder", Oracle(features(), heads=1, shift_scale_angstrom=1.0))
    plane = HalfPlane.of_box(SIZE, PIXEL, 10.0)
    clean = grid.slices(ROTATION, plane) * batch.ctf
    clean = clean * displacement_phase(SHIFT, plane.frequency_per_angstrom)
    found = infer(perfect, replace(batch, measured=clean, shift_sd_angstrom=1e4), grid)
    assert float(found.training_loss) < 1e-5
    assert set(found.poses.origin.tolist()) == {WINNER_ORIGINS.index("encoder")}


def test_the_same_draws_give_the_same_poses(world):
    image, grid = world
    batch = minibatch(image, ROTATION, SHIFT)
    one, two = (infer(inference(), batch, grid, replace(STAGE, searches_globally=True)) for _ in range(2))
    assert torch.equal(one.poses.rotation, two.poses.rotation)
    assert torch.equal(one.poses.shift_angstrom, two.poses.shift_angstrom)


def test_amortized_takes_the_copy_and_the_head_whose_prediction_fits_best(world):
    """An encoder of two heads, one of which is right about one copy only, is believed for that copy and head."""
    image, grid = world
    right, right_head = 5, 1

    class OneCopyOnly(PoseEncoder):
        def forward(self, values):
            if len(values) == COUNT:  # the gradient pass, on the winners
                good = COPIES.pose_of_copy(ROTATION, torch.full((COUNT,), right))
                return torch.stack([good.roll(1, 0), good], dim=1), COPIES.shift_of_copy(
                    SHIFT, torch.full((COUNT,), right)
                )
            rotation = random_rotations(COUNT * 8 * 2, seed=9).reshape(COUNT, 8, 2, 3, 3)
            shift = torch.zeros(COUNT, 8, 2)
            rotation[:, right, right_head] = COPIES.pose_of_copy(ROTATION, torch.full((COUNT,), right))
            shift[:, right] = COPIES.shift_of_copy(SHIFT, torch.full((COUNT,), right))
            return rotation.flatten(0, 1), shift.flatten(0, 1)

    two_heads = OneCopyOnly(features(), heads=2, shift_scale_angstrom=SHIFT_SCALE_ANGSTROM)
    search = AmortizedInference(encoder=two_heads, encoder_input=encoder_input, synthetic=0, seed=0)
    batch = minibatch(image, ROTATION, SHIFT)
    found = infer(search, batch, grid)
    torch.testing.assert_close(found.poses.rotation, ROTATION, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.poses.shift_angstrom, SHIFT, atol=1e-4, rtol=1e-4)


def test_clamp_keeps_direction_and_short_shifts():
    found = clamp_length(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 2.5)
    torch.testing.assert_close(found, torch.tensor([[1.5, 2.0], [0.3, 0.4], [0.0, 0.0]]))
    assert math.isclose(float(found[0].norm()), 2.5, rel_tol=1e-6)
