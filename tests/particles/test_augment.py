"""Every copy of an image is the projection at the copy's pose, displaced by the copy's shift."""

import math

import pytest
import torch
from known_volumes import blob_projection, blob_volume, microscope_ctf, random_rotations

from cryofifa.particles.augment import Copies, mirror_image, quarter_turn, rotate_image
from cryofifa.particles.simulate import simulate_images

SIZE, PIXEL = 48, 3.0
SHIFT = torch.tensor([[2.2 * PIXEL, -1.4 * PIXEL], [-0.7 * PIXEL, 3.0 * PIXEL]])


def images(rotation: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    ctf = microscope_ctf(len(rotation), astigmatism_angstrom=0.0)
    return simulate_images(blob_volume(SIZE), PIXEL, rotation, shift, ctf)


def copies_of(image: torch.Tensor, copies: Copies) -> torch.Tensor:
    every = torch.arange(len(copies)).expand(len(image), -1)
    return copies.of_base(copies.base_images(image[:, None]), every)[:, :, 0]


@pytest.mark.parametrize("turns", [4, 8])
def test_each_copy_is_the_projection_at_its_own_pose(turns):
    copies, rotation = Copies.fixed(turns), random_rotations(2)
    found = copies_of(images(rotation, SHIFT), copies)
    assert found.shape[1] == len(copies) == 2 * turns
    for k in range(len(copies)):
        copy = torch.full((2,), k)
        expected = images(copies.pose_of_copy(rotation, copy), copies.shift_of_copy(SHIFT, copy))
        if k < 8:  # no interpolation
            torch.testing.assert_close(found[:, k], expected, atol=2e-3 * float(expected.abs().max()), rtol=0)
        else:
            # the corners of a turned image come from outside; contrast rings reach that far
            inner = (slice(None), slice(10, -10), slice(10, -10))
            together = torch.stack([found[:, k][inner].flatten(), expected[inner].flatten()])
            assert torch.corrcoef(together)[0, 1] > 0.99, f"copy {k}"


def test_turns_and_mirror_against_the_closed_form():
    """No slices of ours: the blobs' own projection, at the pose turned as the docstring says."""
    rotation = random_rotations(1)[0].double().numpy()
    at = (2.0, -3.0)
    image = blob_projection(SIZE, rotation, particle_at=at)
    mirror, quarter = [[-1, 0, 0], [0, 1, 0], [0, 0, -1]] @ rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]] @ rotation
    torch.testing.assert_close(mirror_image(image), blob_projection(SIZE, mirror, particle_at=(-at[0], at[1])))
    torch.testing.assert_close(quarter_turn(image, 1), blob_projection(SIZE, quarter, particle_at=(-at[1], at[0])))
    c = math.sqrt(0.5)
    turned = [[c, -c, 0], [c, c, 0], [0, 0, 1]] @ rotation
    expected = blob_projection(SIZE, turned, particle_at=(c * (at[0] - at[1]), c * (at[0] + at[1])))
    torch.testing.assert_close(rotate_image(image, math.pi / 4), expected, atol=0.025 * float(expected.max()), rtol=0)


def test_quarter_turns_and_mirror_are_exact_permutations():
    image = torch.randn(2, 10, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(quarter_turn(image, 4), image)
    assert torch.equal(mirror_image(mirror_image(image)), image)
    assert torch.equal(quarter_turn(quarter_turn(image, 1), 2), quarter_turn(image, 3))
    torch.testing.assert_close(rotate_image(image, 0.0), image)


@pytest.mark.parametrize("turns", [4, 8])
def test_matrices_are_different_proper_rotations_that_keep_the_plane(turns):
    matrix = Copies.fixed(turns).copy_from_image
    assert (torch.linalg.det(matrix) - 1).abs().max() < 1e-5
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand_as(matrix), atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix[:, 2, 2].abs(), torch.ones(len(matrix)))
    distances = torch.cdist(matrix.flatten(1), matrix.flatten(1)) + 9 * torch.eye(len(matrix))
    assert distances.min() > 0.5
    torch.testing.assert_close(matrix[0], torch.eye(3))


def test_poses_and_shifts_go_there_and_back():
    copies, rotation = Copies.fixed(8), random_rotations(6)
    copy = torch.tensor([0, 3, 5, 8, 13, 15])
    shift = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(copies.pose_of_image(copies.pose_of_copy(rotation, copy), copy), rotation)
    torch.testing.assert_close(copies.shift_of_image(copies.shift_of_copy(shift, copy), copy), shift)


def test_copies_may_be_picked_in_any_order_and_twice():
    copies = Copies.fixed(4)
    image = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    everything = copies_of(image[:, 0], copies)
    copy = torch.tensor([[7, 0], [2, 2], [5, 1]])
    found = copies.of_base(copies.base_images(image), copy)[:, :, 0]
    assert torch.equal(found, torch.stack([everything[n, copy[n]] for n in range(3)]))


def test_other_numbers_of_turns_are_refused():
    with pytest.raises(ValueError, match="6"):
        Copies.fixed(6)
