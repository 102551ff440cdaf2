"""Copies as the settings say; random ones depend on seed, epoch and particle alone."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import kstest

from cryofifa.settings.encoder import EncoderSettings
from cryofifa.train.image_copies import CopyChoice

CPU, PARTICLES = torch.device("cpu"), torch.arange(500)


def choice(augmentation: str, turns: int = 8, seed: int = 0) -> CopyChoice:
    settings = replace(EncoderSettings(), augmentation=augmentation, random_turns=turns)
    return CopyChoice.of_settings(settings, seed, CPU)


@pytest.mark.parametrize(("augmentation", "degree"), [("4x90", 90), ("8x45", 45)])
def test_fixed_copies_are_turns_by_the_named_angle_each_with_its_mirror_image(augmentation, degree):
    matrix = choice(augmentation).copies(PARTICLES, 3).copy_from_image
    assert matrix.shape[0] == 1
    upright, mirrored = matrix[0][matrix[0, :, 2, 2] > 0], matrix[0][matrix[0, :, 2, 2] < 0]
    for half, sign in ((upright, 1), (mirrored, -1)):
        angle = torch.atan2(half[:, 1, 0], sign * half[:, 0, 0]).rad2deg().round().remainder(360)
        assert sorted(angle.tolist()) == list(range(0, 360, degree))


def test_random_copies_are_new_for_every_particle_epoch_and_seed():
    first = choice("random", 5).copies(PARTICLES, 0)
    assert len(first) == 10
    assert first.turned_radian.unique().numel() > 0.99 * 500 * 5
    for other in (choice("random", 5).copies(PARTICLES, 1), choice("random", 5, seed=1).copies(PARTICLES, 0)):
        assert (other.turned_radian != first.turned_radian).float().mean() > 0.99
    assert kstest(first.turned_radian.flatten().numpy() / (2 * math.pi), "uniform").pvalue > 1e-3


def test_neither_order_nor_company_changes_a_particles_copies():
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    every = choice("random").copies(PARTICLES, 2)
    assert torch.equal(choice("random").copies(PARTICLES[order], 2).copy_from_image, every.copy_from_image[order])
    image = torch.randn(500, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    few = order[:7]
    torch.testing.assert_close(
        choice("random").copies(PARTICLES[few], 2).base_images(image[few]), every.base_images(image)[few]
    )
