"""What the encoder is taught: one copy of every particle, and synthetic particles that are what they are said to be."""

import math
from dataclasses import replace

import pytest
import torch

from cryofifa.model.pose_encoder import INPUTS, ImageFeatures, PoseEncoder
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import encoder_channels
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.mask import circular_mask
from cryofifa.physics.rotations import in_plane_rotation, twist_about_view_radian
from cryofifa.train.image_copies import Copies
from cryofifa.train.minibatch import Minibatch
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.training_targets import TrainingTarget, fundamental_copy, synthetic_particles
from cryofifa_testkit.known_volumes import angles_degree, microscope_ctf, random_rotations

COUNT, SIZE, PIXEL, MASK_RADIUS = 200, 32, 5.0, 14.0
ROTATION = random_rotations(COUNT, seed=5)


@pytest.mark.parametrize("turns", [4, 8])
def test_one_copy_of_each_particle_lies_in_the_fundamental_domain(turns):
    copies = Copies.fixed(turns)
    every = torch.arange(len(copies)).expand(COUNT, -1)
    pose = copies.pose_of_copy(ROTATION[:, None].expand(-1, len(copies), -1, -1), every)
    inside = (pose[..., 2, 2] > 0) & (twist_about_view_radian(pose).abs() < math.pi / turns)
    assert inside.sum(dim=1).tolist() == [1] * COUNT
    assert torch.equal(inside.long().argmax(dim=1, keepdim=True), fundamental_copy(copies, ROTATION))


def test_every_copy_of_a_particle_has_the_same_fundamental_pose():
    copies = Copies.fixed(8)

    def fundamental_pose(rotation):
        return copies.pose_of_copy(rotation[:, None], fundamental_copy(copies, rotation))[:, 0]

    for k in range(len(copies)):
        turned = copies.pose_of_copy(ROTATION[:, None], torch.full((COUNT, 1), k))[:, 0]
        assert angles_degree(fundamental_pose(turned), fundamental_pose(ROTATION)).max() < 0.1


def test_twist_is_what_an_in_plane_turn_adds():
    angle = torch.linspace(-3.1, 3.1, COUNT)
    added = twist_about_view_radian(in_plane_rotation(angle) @ ROTATION) - twist_about_view_radian(ROTATION) - angle
    torch.testing.assert_close(added.cos(), torch.ones(COUNT), atol=1e-5, rtol=0)


def test_the_shortest_turn_to_a_view_has_no_twist():
    axis = torch.nn.functional.normalize(torch.randn(COUNT, 2, generator=torch.Generator().manual_seed(1)), dim=1)
    generator = torch.zeros(COUNT, 3, 3)  # of turns about axes in the plane
    generator[:, 0, 2], generator[:, 2, 0] = axis[:, 1], -axis[:, 1]
    generator[:, 1, 2], generator[:, 2, 1] = -axis[:, 0], axis[:, 0]
    turn = torch.linalg.matrix_exp(torch.linspace(0, 3.0, COUNT)[:, None, None] * generator)
    assert float(twist_about_view_radian(turn).abs().max()) < 1e-3


def minibatch(particle: torch.Tensor) -> Minibatch:
    """Only what synthetic particles are made from matters: CTF, mask and spread of the shifts."""
    plane, n = HalfPlane.of_box(SIZE, PIXEL), len(particle)
    return Minibatch(
        particle=particle,
        image=torch.zeros(n, SIZE, SIZE),
        mask=circular_mask(SIZE, MASK_RADIUS, 2.0, torch.zeros(n, 2)),
        measured=torch.zeros(n, len(plane), dtype=torch.complex64),
        ctf=contrast_transfer(microscope_ctf(COUNT), plane.frequency_per_angstrom)[particle],
        plane=plane,
        rotation=ROTATION[particle],
        shift_angstrom=torch.zeros(n, 2),
        shift_sd_angstrom=6.0,
        particle_radius_angstrom=60.0,
    )


def made(batch: Minibatch, grid: FourierGrid, count: int = 2, epoch: int = 0):
    return synthetic_particles(
        batch, count, grid, Copies.fixed(4), lambda masked: encoder_channels(masked, 0.3, 4), RandomDraws(0, "x", epoch)
    )


@pytest.fixture(scope="module")
def grid() -> FourierGrid:
    volume = pseudo_protein(SIZE, PIXEL)
    return FourierGrid.from_volume(volume * 0.5 / float(volume.std()) / SIZE, SIZE / 2)


def test_a_synthetic_particle_is_its_projection_and_white_noise(grid):
    """What is left of it after its own projection has the noise's variance; after another one's, much more."""
    batch = minibatch(torch.arange(COUNT))
    batch = replace(batch, ctf=torch.ones_like(batch.ctf))  # of no direction: copies are turned against it
    target = made(batch, grid, count=1)
    inside = batch.mask[0] == 1
    assert int(inside.sum()) > 400

    def left(rotation, shift):
        plane = batch.plane
        clean = form_image(grid.slices(rotation, plane), batch.ctf, shift, plane) * SIZE
        return float((target.image[:, 0] - inverse_fourier_2d(plane.fill(clean)))[:, inside].square().mean())

    assert left(target.poses.rotation, target.poses.shift_angstrom) == pytest.approx(1.0, abs=0.02)
    assert left(target.poses.rotation.roll(1, 0), target.poses.shift_angstrom) > 1.2
    assert left(target.poses.rotation, -target.poses.shift_angstrom) > 1.1
    assert float(target.poses.shift_angstrom.std()) == pytest.approx(6.0, rel=0.15)


def test_synthetic_particles_depend_on_the_particle_and_the_epoch_alone(grid):
    every = made(minibatch(torch.arange(20)), grid)
    some = made(minibatch(torch.tensor([7, 3])), grid)
    torch.testing.assert_close(some.image, every.image.reshape(20, 2, 2, SIZE, SIZE)[[7, 3]].flatten(0, 1))
    assert torch.equal(some.poses.rotation, every.poses.rotation.reshape(20, 2, 3, 3)[[7, 3]].flatten(0, 1))
    assert not torch.equal(made(minibatch(torch.arange(20)), grid, epoch=1).poses.rotation, every.poses.rotation)


def test_the_best_head_is_taught_and_the_others_are_drawn_along_a_little():
    """A loss of nearly nothing where one of the heads is right, whichever it is; the others feel a small pull."""
    wrong = random_rotations(COUNT, seed=8).requires_grad_()

    class TwoHeads(PoseEncoder):
        def forward(self, images):
            first = torch.arange(len(images)) % 2 == 0
            one = torch.where(first[:, None, None], ROTATION, wrong)
            other = torch.where(first[:, None, None], wrong, ROTATION)
            return torch.stack([one, other], dim=1), torch.zeros(len(images), 2)

    features = ImageFeatures(inputs=INPUTS, box_size=8, channels=2, stages=1, feature_width=4, omega=2.0)
    encoder = TwoHeads(features, heads=2, shift_scale_angstrom=1.0)
    loss = TrainingTarget(torch.zeros(COUNT, 2, 8, 8), Poses.found(ROTATION, torch.zeros(COUNT, 2))).loss(encoder)
    alone = (wrong - ROTATION).square().sum((-1, -2)).mean()
    assert 0 < float(loss.detach()) < 0.05 * float(alone.detach())
    loss.backward()
    assert wrong.grad is not None
    assert bool((wrong.grad.abs().sum((1, 2)) > 0).all())
