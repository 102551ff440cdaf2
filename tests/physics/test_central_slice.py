"""Central slices against closed forms, scipy's rotation and the outside package torch-fourier-slice."""

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from cryofifa.physics.central_slice import FourierGrid, slice_coordinates
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa_testkit.known_volumes import blob_projection, blob_transform, blob_volume, random_rotations

SIZE = 32


def test_coordinates_are_a_transposed_times_k():
    rotation, plane = random_rotations(4), HalfPlane.of_box(16, 1.0)
    k = np.concatenate([plane.index_xy.numpy(), np.zeros((len(plane), 1))], axis=1)
    expected = np.einsum("nji,pj->npi", rotation.numpy(), k)
    np.testing.assert_allclose(slice_coordinates(rotation, plane), expected, atol=1e-5)


def test_slices_equal_the_blobs_own_transform():
    rotation, plane = random_rotations(20), HalfPlane.of_box(SIZE, 1.0)
    found = FourierGrid.from_volume(blob_volume(SIZE), SIZE / 2).slices(rotation, plane)
    k = torch.cat([plane.index_xy.float(), torch.zeros(len(plane), 1)], 1) / SIZE
    expected = blob_transform((k @ rotation).double().numpy())  # A^T k
    error = np.abs(found.numpy() - expected)
    assert error.max() < 0.04 * np.abs(expected).max()
    assert np.sqrt((error**2).sum() / (np.abs(expected) ** 2).sum()) < 0.015


def test_slices_equal_direct_summation_over_atoms():
    """Atoms on voxels: FT at A^T k is a sum over a few terms, whatever the interpolation."""
    atoms = np.array([(3, 0, 1), (-4, 2, 0), (0, -5, 2), (1, 1, -6)])
    volume = torch.zeros(SIZE, SIZE, SIZE)
    for x, y, z in atoms + SIZE // 2:
        volume[z, y, x] = 1
    rotation, plane = random_rotations(10, seed=1), HalfPlane.of_box(SIZE, 1.0, 12.0)
    found = FourierGrid.from_volume(volume, 12.0).slices(rotation, plane).numpy()
    k = np.concatenate([plane.index_xy.numpy(), np.zeros((len(plane), 1))], axis=1)
    turned = np.einsum("nij,aj->nai", rotation.double().numpy(), atoms)  # A r
    expected = np.exp(-2j * np.pi * np.einsum("pi,nai->nap", k, turned) / SIZE).sum(1)
    assert np.sqrt((np.abs(found - expected) ** 2).mean() / (np.abs(expected) ** 2).mean()) < 0.03


def test_projection_equals_that_of_the_turned_blobs():
    rotation, plane = random_rotations(6, seed=2), HalfPlane.of_box(SIZE, 1.0, with_origin=True)
    slices = FourierGrid.from_volume(blob_volume(SIZE), SIZE / 2).slices(rotation, plane)
    for image, matrix in zip(inverse_fourier_2d(plane.fill(slices)), rotation.double().numpy(), strict=True):
        expected = blob_projection(SIZE, matrix)
        torch.testing.assert_close(image, expected, atol=0.02 * float(expected.max()), rtol=0)


def test_projection_equals_scipys_turned_volume_summed_along_z():
    volume = blob_volume(SIZE, width=2.0)
    rotation, plane = random_rotations(3, seed=3), HalfPlane.of_box(SIZE, 1.0, with_origin=True)
    images = inverse_fourier_2d(plane.fill(FourierGrid.from_volume(volume, SIZE / 2).slices(rotation, plane)))
    for image, matrix in zip(images, rotation.double().numpy(), strict=True):
        back = matrix.T[::-1, ::-1]  # r_volume = A^T r_image, in (z, y, x)
        centre = np.full(3, SIZE // 2)
        turned = affine_transform(volume.numpy(), back, centre - back @ centre, order=3)
        np.testing.assert_allclose(image, turned.sum(0), atol=0.02 * float(image.max()))


def test_equals_torch_fourier_slice():
    from torch_fourier_slice import project_3d_to_2d

    volume, rotation = blob_volume(SIZE), random_rotations(5, seed=4)
    plane = HalfPlane.of_box(SIZE, 1.0, with_origin=True)
    ours = inverse_fourier_2d(plane.fill(FourierGrid.from_volume(volume, SIZE / 2).slices(rotation, plane)))
    theirs = project_3d_to_2d(volume, rotation.mT, pad_factor=3.0)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.999


@pytest.mark.parametrize("radius", [3.0, 7.5, 16.0])
def test_a_grid_cut_to_a_radius_gives_the_same_slices(radius):
    volume, rotation = blob_volume(SIZE), random_rotations(4)
    plane = HalfPlane.of_box(SIZE, 1.0, radius)
    cut = FourierGrid.from_volume(volume, radius)
    assert cut.real_imaginary.shape[-1] == FourierGrid.size_for(radius)
    whole = FourierGrid.from_volume(volume, SIZE / 2).slices(rotation, plane)
    torch.testing.assert_close(cut.slices(rotation, plane), whole, atol=1e-4, rtol=1e-4)


def test_slices_are_hermitian_and_turn_with_the_volume():
    """The unturned slice is the k_z = 0 plane; turning the pose by 180 degrees in the plane conjugates it."""
    grid, plane = FourierGrid.from_volume(blob_volume(SIZE), SIZE / 2), HalfPlane.of_box(SIZE, 1.0)
    rotation = random_rotations(1, seed=5)[0]
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    torch.testing.assert_close(
        grid.slices(half_turn @ rotation, plane), grid.slices(rotation, plane).conj(), atol=1e-3, rtol=1e-3
    )


def test_slices_carry_gradients_to_grid_and_rotation():
    grid = FourierGrid(FourierGrid.from_volume(blob_volume(16), 8.0).real_imaginary.requires_grad_(), 8.0)
    rotation = random_rotations(2).requires_grad_()
    grid.slices(rotation, HalfPlane.of_box(16, 1.0)).abs().square().sum().backward()
    assert grid.real_imaginary.grad.abs().sum() > 0
    assert rotation.grad.abs().sum() > 0


def test_a_symmetrised_grid_is_the_mean_of_the_blobs_own_transforms_over_the_group():
    """Against the closed form, for scipy's octahedral group, whose frame is RELION's; and equal at equivalent poses."""
    group = Rotation.create_group("O").as_matrix()
    grid = FourierGrid.from_volume(blob_volume(SIZE), 10.0).symmetrised(torch.from_numpy(group).float())
    rotation, plane = random_rotations(5, seed=4), HalfPlane.of_box(SIZE, 1.0, 10.0)
    found = grid.slices(rotation, plane)
    k = torch.cat([plane.index_xy.float(), torch.zeros(len(plane), 1)], 1).double().numpy() / SIZE
    expected = np.mean([blob_transform(k @ (rotation.double().numpy() @ member)) for member in group], axis=0)
    assert np.abs(found.numpy() - expected).max() < 0.05 * np.abs(expected).max()
    for member in group[[3, 11, 20]]:
        again = grid.slices(rotation @ torch.from_numpy(member).float(), plane)
        torch.testing.assert_close(again, found, atol=0.02 * float(found.abs().max()), rtol=0)


def test_without_symmetry_a_grid_stays_what_it_is():
    grid = FourierGrid.from_volume(blob_volume(SIZE), 10.0)
    assert grid.symmetrised(torch.eye(3)[None]) is grid
