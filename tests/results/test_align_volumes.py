"""Maps are aligned in rotation, shift and hand: each is put in before atoms become density, and must be found."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.errors import InputError
from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, pseudo_atoms
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.results.align_volumes import align_volumes, mirror_z, turned_volume

Q = Rotation.from_rotvec([0.7, -1.1, 0.5]).as_matrix()
ORIGIN_ANGSTROM = np.array([4.0, -6.5, 2.0])
BOX, PIXEL = 32, 5.0


@pytest.fixture(scope="module")
def protein() -> torch.Tensor:
    return density_of_atoms(pseudo_atoms(), BOX, PIXEL)


@pytest.fixture(scope="module")
def moved() -> torch.Tensor:
    """The same atoms turned and shifted before they become density: no interpolation is involved."""
    return density_of_atoms(pseudo_atoms() @ Q.T + ORIGIN_ANGSTROM, BOX, PIXEL)


def test_turning_forth_and_back_keeps_the_map(protein):
    rotation, shift = torch.from_numpy(Q).float(), torch.tensor([1.3, -2.2, 0.6])
    back = turned_volume(turned_volume(protein, rotation, shift), rotation.T, -(rotation.T @ shift))
    assert fourier_shell_correlation(protein, back)[: int(0.9 * BOX / 2) + 1].min() > 0.99


def test_turned_volume_equals_turned_atoms(protein, moved):
    shift = torch.from_numpy(ORIGIN_ANGSTROM / PIXEL).float()
    back = turned_volume(moved, torch.from_numpy(Q).float(), shift)
    assert fourier_shell_correlation(protein, back)[: BOX // 2 - 1].min() > 0.99


@pytest.mark.parametrize("mirrored", [pytest.param(False, marks=pytest.mark.slow), True])
def test_global_alignment_finds_rotation_shift_and_hand(protein, moved, mirrored):
    found = align_volumes(mirror_z(moved) if mirrored else moved, PIXEL, protein, PIXEL)
    assert found.mirrored == mirrored
    off = Rotation.from_matrix(Q.T @ found.rotation_reference_to_volume.double().numpy())
    assert np.degrees(off.magnitude()) < 0.3
    assert np.abs(found.shift_angstrom.numpy() - ORIGIN_ANGSTROM).max() < 0.1 * PIXEL
    assert found.correlation > 0.99
    assert fourier_shell_correlation(found.volume, protein)[: BOX // 2 - 1].min() > 0.99


def test_a_noisy_map_of_another_grid_is_aligned_from_a_rough_start(protein):
    other = density_of_atoms(pseudo_atoms() @ Q.T + ORIGIN_ANGSTROM, 40, 4.2)
    other = other + 0.5 * other.std() * torch.randn(other.shape, generator=torch.Generator().manual_seed(0))
    rough = Rotation.from_rotvec(np.radians([4.0, -3.0, 2.0])).as_matrix() @ Q
    found = align_volumes(other, 4.2, protein, PIXEL, initial=[(False, torch.from_numpy(rough))])
    off = Rotation.from_matrix(Q.T @ found.rotation_reference_to_volume.double().numpy())
    assert np.degrees(off.magnitude()) < 0.5
    assert np.abs(found.shift_angstrom.numpy() - ORIGIN_ANGSTROM).max() < 0.15 * PIXEL


def test_maps_of_incompatible_fields_are_refused(protein):
    with pytest.raises(InputError, match="voxel sizes"):
        align_volumes(protein, 1.0, protein, PIXEL)
