"""A decoder per class: each particle's slice is its own class's, and what is kept is found again."""

import torch
from torch import nn

from cryofifa.model.voxel_grid import VoxelGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.system.processes import ALONE
from cryofifa.train.networks import Networks
from cryofifa_testkit.known_volumes import random_rotations

SIZE, CPU = 16, torch.device("cpu")
PLANE = HalfPlane.of_box(SIZE, 4.0, 6.0)


def networks(classes: int, seed: int = 0) -> Networks[nn.Linear]:
    torch.manual_seed(seed)
    decoders = [VoxelGrid(box_size=SIZE, support_radius_pixel=6.0, edge_width_pixel=3.0) for _ in range(classes)]
    for decoder in decoders:
        for values in decoder.parameters():
            nn.init.normal_(values)
    return Networks(nn.Linear(2, 2), decoders, 1e-3, 1e-2, CPU)


def test_a_particle_gets_the_slice_of_its_class():
    three, rotation, which = networks(3), random_rotations(9), torch.arange(9) % 3
    found = three.slices(rotation, which, PLANE)
    for index in range(3):
        own = which == index
        torch.testing.assert_close(found[own], three.decoder(index).slices(rotation[own], PLANE))


def test_only_the_decoder_of_a_particles_class_learns_from_it():
    two = networks(2)
    two.slices(random_rotations(4), torch.ones(4, dtype=torch.long), PLANE).abs().sum().backward()
    learned = [
        sum(float(p.grad.abs().sum()) for p in two.decoder(k).parameters() if p.grad is not None) for k in (0, 1)
    ]
    assert learned[0] == 0
    assert learned[1] > 0


def test_every_class_has_a_sampled_volume_of_its_own():
    first, second = networks(2).sampled(5.0, torch.eye(3)[None], ALONE)
    assert first.radius == second.radius == 5.0
    assert not torch.equal(first.real_imaginary, second.real_imaginary)


def test_kept_weights_of_all_classes_are_found_again():
    one, other = networks(2), networks(2, seed=1)
    other.load_state(one.state())
    for index in range(2):
        for a, b in zip(one.decoder(index).parameters(), other.decoder(index).parameters(), strict=True):
            assert torch.equal(a, b)
