"""Averages over a group equal blobs at all related places, and particles inserted at all related poses."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.symmetry_average import mean_of_turned, symmetrised_sums
from cryofifa_testkit.known_volumes import (
    CENTRES,
    WEIGHTS,
    blob_transform,
    blob_volume,
    density_of_blobs,
    microscope_ctf,
    random_rotations,
    symmetric_places,
)

SIZE, WIDTH = 32, 1.6
LAST_SHELL = 11  # beyond, a blob of this width has less than 1e-3 of its amplitude left
Q = Rotation.from_rotvec([0.7, -1.1, 0.5]).as_matrix()
CENTRE = np.array([1.3, -0.8, 0.6])
VIEWS = random_rotations(40)


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


def back_projected(
    members: torch.Tensor, centres: np.ndarray = CENTRES, weights: np.ndarray = WEIGHTS
) -> BackProjector:
    """Exact projections of blobs from a few views, under real CTFs, each inserted at its poses A g."""
    plane = HalfPlane.of_box(SIZE, 4.0)
    ctf = contrast_transfer(microscope_ctf(len(VIEWS)), plane.frequency_per_angstrom)
    k = torch.cat([plane.index_xy.double(), torch.zeros(len(plane), 1)], 1) / SIZE
    image = torch.from_numpy(blob_transform((k @ VIEWS.double()).numpy(), WIDTH, centres, weights)).to(torch.complex64)
    sums = BackProjector.empty(SIZE)
    for member in members:
        sums.add(image * ctf, ctf, VIEWS @ member, plane)
    return sums


@pytest.mark.parametrize("group", ["C2", "C4", "D2", "O"])
def test_symmetrised_sums_are_those_of_all_poses(group):
    members = torch.from_numpy(Rotation.create_group(group).as_matrix()).float()
    found, expected = symmetrised_sums(back_projected(members[:1]), members), back_projected(members)
    for name in ("data_real", "data_imaginary", "weight"):
        wanted = getattr(expected, name) / len(members)
        assert float((getattr(found, name) - wanted).abs().max()) < 1e-3 * float(wanted.abs().max())


@pytest.mark.parametrize("group", ["C3", "D5", "T", "I"])
def test_symmetrised_sums_make_as_good_a_volume_as_all_poses(group):
    """Also where no member but the identity carries the grid onto itself, but for a slight blur of the sums."""
    places, weights = symmetric_places(group, 2, 8.0, seed=2)
    places, weights = places @ Q.T, weights / weights.sum()
    members = torch.from_numpy(Q @ Rotation.create_group(group).as_matrix() @ Q.T).float()
    truth = density_of_blobs(SIZE, places, weights, WIDTH)
    alone = back_projected(torch.eye(3)[None], places, weights)
    found = symmetrised_sums(alone, members).volume()
    inserted = back_projected(members, places, weights).volume()

    def against_truth(volume: torch.Tensor) -> torch.Tensor:
        return fourier_shell_correlation(volume, truth)[: LAST_SHELL + 1]

    assert (against_truth(found) > against_truth(inserted) - 0.005).all()
    assert against_truth(found).min() > 0.97 > against_truth(alone.volume()).min()
    # half of what the blur takes at the outermost blob, and no gain
    assert 0.95 < float((found * truth).sum() / (inserted * truth).sum()) < 1.0
