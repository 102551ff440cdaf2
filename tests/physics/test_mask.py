"""Soft masks: inside one, outside zero, half on the radius, centred where asked."""

import math

import torch

from cryofifa.physics.mask import circular_mask, distance_from_centre, soft_edge, spherical_mask


def test_edge_is_one_then_half_on_the_radius_then_zero():
    distance = torch.tensor([0.0, 7.9, 9.0, 10.0, 11.0, 12.1, 50.0])
    torch.testing.assert_close(soft_edge(distance, 10.0, 4.0), torch.tensor([1, 1, 0.75, 0.5, 0.25, 0, 0]))
    assert soft_edge(torch.tensor([9.9, 10.0, 10.1]), 10.0, 0.0).tolist() == [1, 1, 0]


def test_area_and_volume_are_those_of_disc_and_ball():
    assert abs(float(circular_mask(64, 20.0, 3.0).sum()) / (math.pi * 20**2) - 1) < 0.01
    assert abs(float(spherical_mask(48, 15.0, 3.0).sum()) / (4 / 3 * math.pi * 15**3) - 1) < 0.02


def test_distance_is_zero_at_half():
    distance = distance_from_centre(6, 3)
    assert distance[3, 3, 3] == 0
    torch.testing.assert_close(distance[0, 4, 5], torch.tensor(float(9 + 1 + 4)).sqrt())


def test_disc_is_centred_at_half_and_moves_with_its_centre():
    centre = torch.tensor([[0.0, 0.0], [4.0, -3.0], [-2.0, 5.0]])
    mask = circular_mask(32, 5.0, 2.0, centre)
    line = torch.arange(32.0) - 16
    mass = mask.sum((1, 2))
    found = torch.stack([(mask * line).sum((1, 2)), (mask * line[:, None]).sum((1, 2))], -1) / mass[:, None]
    torch.testing.assert_close(found, centre, atol=1e-4, rtol=0)
    torch.testing.assert_close(mask[1], mask[0].roll((-3, 4), (0, 1)))
    torch.testing.assert_close(circular_mask(32, 5.0, 2.0), mask[0])
