"""Rings and shells: whose members they are, and what sums and means over them say."""

import numpy as np
import torch

from cryofifa.physics.shells import radial_mean, shell_counts, shell_means, shell_numbers, shell_sums


def test_a_sample_belongs_to_the_shell_of_its_rounded_radius():
    shell = shell_numbers(8, 3)
    index = np.indices((8, 8, 8)) - 4
    assert torch.equal(shell, torch.from_numpy(np.sqrt((index**2).sum(0)).round()).long())
    assert int(shell.max()) > 4  # the corners


def test_means_are_those_of_the_members_and_corners_have_no_part():
    values, shell = torch.tensor([1.0, 3.0, 10.0, 99.0]), torch.tensor([0, 0, 2, 3])
    assert shell_means(values, shell, 3).tolist() == [2.0, 0.0, 10.0]
    assert shell_sums(values, shell, 3).tolist() == [4.0, 0.0, 10.0]
    assert shell_counts(shell, 3).tolist() == [2, 0, 1]


def test_sums_of_many_small_numbers_are_exact():
    values, shell = torch.full((200, 200, 200), 0.1), torch.zeros(200, 200, 200, dtype=torch.long)
    assert abs(float(shell_sums(values, shell, 1)) / (8e6 * float(values[0, 0, 0])) - 1) < 1e-12


def test_the_rings_of_an_image_end_at_the_edge():
    image = torch.randn(16, 16, generator=torch.Generator().manual_seed(0)) + 2
    distance = torch.from_numpy(np.hypot(*(np.indices((16, 16)) - 8)).round())
    expected = [float(image[distance == ring].mean()) for ring in range(8)]
    np.testing.assert_allclose(radial_mean(image), expected, rtol=1e-5)
