"""Volumes averaged over a group equal blobs placed at all symmetry-related places."""

import numpy as np
import pytest
import torch
from known_volumes import CENTRES, WEIGHTS, blob_volume, density_of_blobs, symmetric_places
from scipy.spatial.transform import Rotation

from cryofifa.physics.symmetrise import mean_of_turned
from cryofifa.results.fsc import fourier_shell_correlation

SIZE, WIDTH = 32, 1.6
LAST_SHELL = 11  # beyond, a blob of this width has less than 1e-3 of its amplitude left
Q = Rotation.from_rotvec([0.7, -1.1, 0.5]).as_matrix()
CENTRE = np.array([1.3, -0.8, 0.6])


def assert_same(found: torch.Tensor, expected: torch.Tensor, share: float = 0.003) -> None:
    assert float((found - expected).abs().max()) < share * float(expected.abs().max())
    assert fourier_shell_correlation(found, expected)[: LAST_SHELL + 1].min() > 0.9999


@pytest.mark.parametrize("group", ["C4", "D3", "T", "I"])
def test_mean_over_a_group_is_the_density_of_all_copies(group):
    members = Rotation.create_group(group).as_matrix()
    copies = np.einsum("gij,nj->gni", members, CENTRES).reshape(-1, 3)
    expected = density_of_blobs(SIZE, copies, np.tile(WEIGHTS, len(members)) / len(members), WIDTH)
    found = mean_of_turned(blob_volume(SIZE, WIDTH), torch.from_numpy(members).float())
    assert_same(found, expected)
    assert_same(mean_of_turned(found, torch.from_numpy(members).float()), found)


@pytest.mark.parametrize("group", ["C3", "O"])
def test_a_symmetric_map_off_the_centre_is_turned_into_the_groups_frame(group):
    places, weights = symmetric_places(group, 2, 8.0, seed=1)
    members = Rotation.create_group(group).as_matrix()
    moved = density_of_blobs(SIZE, places @ Q.T + CENTRE, weights, WIDTH)
    found = mean_of_turned(moved, torch.from_numpy(Q @ members).float(), torch.from_numpy(CENTRE).float())
    assert_same(found, density_of_blobs(SIZE, places, weights, WIDTH))
