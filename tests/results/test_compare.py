"""Poses and maps are compared up to frame, origin and hand: each is put in by scipy and must be found."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.errors import InputError
from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.poses import Poses
from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, pseudo_atoms
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.physics.resample import resample_volume
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.results.align_volumes import align_volumes, mirror_z, turned_volume

MIRROR = np.diag([1.0, 1.0, -1.0])
Q = Rotation.from_rotvec([0.7, -1.1, 0.5]).as_matrix()
ORIGIN_ANGSTROM = np.array([4.0, -6.5, 2.0])


def poses(rotation: np.ndarray, shift: np.ndarray) -> Poses:
    return Poses.found(torch.from_numpy(np.ascontiguousarray(rotation)), torch.from_numpy(shift))


def estimate_of(truth: Poses, noise_degree: float, wrong: float, flipped: bool, group: np.ndarray) -> Poses:
    """A_estimate = A_truth g^T Q^T, with noise, some poses random, and the other hand if asked."""
    n = len(truth)
    generator = np.random.default_rng(1)
    noise = Rotation.from_rotvec(generator.normal(0, np.radians(noise_degree) + 1e-12, (n, 3))).as_matrix()
    member = group[generator.integers(len(group), size=n)]
    rotation = noise @ truth.rotation.numpy() @ np.swapaxes(member, 1, 2) @ Q.T
    bad = generator.uniform(size=n) < wrong
    rotation[bad] = Rotation.random(int(bad.sum()), random_state=2).as_matrix()
    shift = truth.shift_angstrom.numpy() + (rotation @ ORIGIN_ANGSTROM)[:, :2]
    return poses(MIRROR @ rotation @ MIRROR if flipped else rotation, shift)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("group_name", ["C1", "C4", "D3", "T", "O", "I1"])
def test_frame_hand_and_origin_of_poses_are_found(flipped, group_name):
    group = symmetry_rotations(group_name)
    truth = poses(Rotation.random(800, random_state=0).as_matrix(), np.random.default_rng(0).normal(0, 5, (800, 2)))
    found = compare_poses(estimate_of(truth, 1.0, 0.2, flipped, group), truth, group)
    assert found.hand_flipped == flipped
    off = Rotation.from_matrix(np.swapaxes(group, 1, 2) @ Q.T @ found.rotation_truth_to_estimate)
    assert np.degrees(off.magnitude()).min() < 0.3
    np.testing.assert_allclose(found.origin_in_estimate_angstrom, ORIGIN_ANGSTROM, atol=0.1)
    assert found.median_rotation_error_degree < 3.0
    assert found.share_within_10_degree == pytest.approx(0.8, abs=0.1)
    assert found.median_shift_error_angstrom < 0.3


def test_most_poses_may_be_wrong():
    truth = poses(Rotation.random(3000, random_state=0).as_matrix(), np.zeros((3000, 2)))
    found = compare_poses(estimate_of(truth, 3.0, 0.8, True, np.eye(3)[None]), truth)
    assert found.hand_flipped
    assert found.share_within_10_degree == pytest.approx(0.2, abs=0.03)


def test_exact_poses_have_no_error():
    truth = poses(Rotation.random(50, random_state=0).as_matrix(), np.zeros((50, 2)))
    found = compare_poses(estimate_of(truth, 0.0, 0.0, False, np.eye(3)[None]), truth)
    assert found.rotation_error_degree.max() < 1e-6
    assert found.shift_error_angstrom.max() < 1e-6


@pytest.mark.parametrize(
    ("name", "size", "axis", "order"),
    [
        ("C1", 1, (0, 0, 1), 1),
        ("C7", 7, (0, 0, 1), 7),
        ("D2", 4, (1, 0, 0), 2),
        ("T", 12, (0, 0, 1), 3),
        ("O", 24, (1, 0, 0), 4),
        ("I", 60, (0, 0, 1), 2),
        ("I1", 60, (1, 0, 0), 2),
        ("i3", 60, (0, 0, 1), 5),
        ("I4", 60, (0.5257311, 0, 0.8506508), 2),
    ],
)
def test_groups_are_complete_and_have_relions_axes(name, size, axis, order):
    group = symmetry_rotations(name)
    assert len(group) == size
    turn = Rotation.from_rotvec(2 * np.pi / order * np.array(axis)).as_matrix()
    assert np.abs(group - turn).max(axis=(1, 2)).min() < 1e-6
    if name in "TOI":
        assert len(Rotation.create_group(name)) == size


def test_unknown_symmetry_is_refused():
    for name in ("C0", "Q", "D", "I7", ""):
        with pytest.raises(InputError, match="symmetry"):
            symmetry_rotations(name)


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


@pytest.mark.parametrize("mirrored", [False, True])
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


def test_resampling_equals_density_made_on_that_grid(protein):
    finer = density_of_atoms(pseudo_atoms(), 48, 3.6)
    coarse = resample_volume(finer, 3.6, PIXEL, BOX)
    assert fourier_shell_correlation(coarse, protein)[: BOX // 2 - 1].min() > 0.99


def test_maps_of_incompatible_fields_are_refused(protein):
    with pytest.raises(InputError, match="voxel sizes"):
        align_volumes(protein, 1.0, protein, PIXEL)
