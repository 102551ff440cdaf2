"""Every copy of an image is the projection at the copy's pose, displaced by the copy's shift."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.train.image_copies import Copies, mirror_image, quarter_turn, turned_images
from cryofifa_testkit.known_volumes import blob_projection, blob_volume, microscope_ctf, random_rotations

SIZE, PIXEL = 48, 3.0
SHIFT = torch.tensor([[2.2 * PIXEL, -1.4 * PIXEL], [-0.7 * PIXEL, 3.0 * PIXEL]])


def images(rotation: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    ctf = microscope_ctf(len(rotation), astigmatism_angstrom=0.0)
    return simulate_images(blob_volume(SIZE), PIXEL, rotation, shift, ctf)


def random_copies(images: int, turns: int, seed: int = 0) -> Copies:
    return Copies.turned(2 * math.pi * torch.rand(images, turns, generator=torch.Generator().manual_seed(seed)))


def copies_of(image: torch.Tensor, copies: Copies) -> torch.Tensor:
    every = torch.arange(len(copies)).expand(len(image), -1)
    return copies.of_base(copies.base_images(image[:, None]), every)[:, :, 0]


def turned_image(image: torch.Tensor, angle_radian: float) -> torch.Tensor:
    return turned_images(image[None, None], torch.tensor([[angle_radian]]))[0, 0, 0]


@pytest.mark.parametrize(
    ("copies", "count", "exact"),
    [(Copies.fixed(4), 8, 8), (Copies.fixed(8), 16, 8), (random_copies(2, 3), 6, 0)],
    ids=["4x90", "8x45", "random"],
)
def test_each_copy_is_the_projection_at_its_own_pose(copies, count, exact):
    rotation = random_rotations(2)
    found = copies_of(images(rotation, SHIFT), copies)
    assert found.shape[1] == len(copies) == count
    for k in range(count):
        copy = torch.full((2,), k)
        expected = images(copies.pose_of_copy(rotation, copy), copies.shift_of_copy(SHIFT, copy))
        if k < exact:  # no interpolation
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
    torch.testing.assert_close(turned_image(image, math.pi / 4), expected, atol=0.025 * float(expected.max()), rtol=0)


def test_random_copies_against_the_closed_form():
    """Every particle is turned by angles of its own, and every copy's pose and place are those the matrix says."""
    rotation, at = random_rotations(3), torch.tensor([(2.0, -3.0), (0.5, 1.0), (-4.0, 0.0)])
    copies = random_copies(3, 4)
    image = torch.stack(
        [blob_projection(SIZE, rotation[n].double().numpy(), particle_at=tuple(at[n].tolist())) for n in range(3)]
    )
    found = copies_of(image, copies)
    for n in range(3):
        for k in range(8):
            matrix = copies.copy_from_image[n, k].double()
            pose, place = matrix @ rotation[n].double(), matrix[:2, :2] @ at[n].double()
            expected = blob_projection(SIZE, pose.numpy(), particle_at=tuple(place.tolist()))
            torch.testing.assert_close(found[n, k], expected, atol=0.025 * float(expected.max()), rtol=0)


@given(st.floats(-2 * math.pi, 4 * math.pi), st.floats(-2 * math.pi, 4 * math.pi))
@settings(max_examples=25, deadline=None)
def test_any_angle_turns_a_blob_as_its_matrix_turns_its_centre(first, second):
    """The centre of mass of a compact image, the angles of the two rows apart."""
    line = torch.arange(32.0) - 16
    y, x = torch.meshgrid(line, line, indexing="ij")
    blob = torch.exp(-((x - 5) ** 2 + (y + 3) ** 2) / 8)
    copies = Copies.turned(torch.tensor([[first], [second]]))
    found = copies_of(blob.expand(2, -1, -1), copies)
    mass = found.sum((-1, -2))
    centre = torch.stack([(found * x).sum((-1, -2)), (found * y).sum((-1, -2))], dim=-1) / mass[..., None]
    expected = copies.copy_from_image[..., :2, :2] @ torch.tensor([5.0, -3.0])
    # torch's cubic kernel (a = -0.75) displaces a linear ramp by up to 0.048 px between pixels
    torch.testing.assert_close(centre, expected, atol=0.05, rtol=0)


def test_quarter_turns_and_mirror_are_exact_permutations():
    image = torch.randn(2, 10, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(quarter_turn(image, 4), image)
    assert torch.equal(mirror_image(mirror_image(image)), image)
    assert torch.equal(quarter_turn(quarter_turn(image, 1), 2), quarter_turn(image, 3))
    torch.testing.assert_close(turned_images(image[None], torch.zeros(1, 1))[0, 0], image)


@pytest.mark.parametrize("copies", [Copies.fixed(4), Copies.fixed(8), random_copies(5, 3)])
def test_matrices_are_different_proper_rotations_that_keep_the_plane(copies):
    matrix = copies.copy_from_image
    assert (torch.linalg.det(matrix) - 1).abs().max() < 1e-5
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand_as(matrix), atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix[..., 2, 2].abs(), torch.ones(matrix.shape[:2]))
    assert torch.equal((matrix[..., 2, 2] < 0).sum(1), torch.full((len(matrix),), len(copies) // 2))
    distances = torch.cdist(matrix.flatten(2), matrix.flatten(2)) + 9 * torch.eye(len(copies))
    assert distances.min() > (0.5 if copies.quarters == 4 else 1e-3)


def test_the_first_fixed_copy_is_the_image():
    image = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    copies = Copies.fixed(8)
    assert torch.equal(copies.copy_from_image[0, 0], torch.eye(3))
    assert torch.equal(copies.of_base(copies.base_images(image), torch.zeros(3, 1, dtype=torch.long))[:, 0], image)


@pytest.mark.parametrize("copies", [Copies.fixed(8), random_copies(6, 8)])
def test_poses_and_shifts_go_there_and_back(copies):
    rotation, copy = random_rotations(6), torch.tensor([0, 3, 5, 8, 13, 15])
    shift = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(copies.pose_of_image(copies.pose_of_copy(rotation, copy), copy), rotation)
    torch.testing.assert_close(copies.shift_of_image(copies.shift_of_copy(shift, copy), copy), shift)


def test_a_row_of_copies_serves_images_in_sequence():
    """Two images a row: as if each image had come with its row alone."""
    image = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    copies, rotation, shift = random_copies(3, 2), random_rotations(6), torch.randn(6, 2)
    copy = torch.tensor([[0, 3], [1, 1], [2, 0], [3, 2], [0, 1], [2, 3]])
    base, pose = copies.base_images(image), copies.pose_of_copy(rotation[:, None].expand(-1, 2, -1, -1), copy)
    for n in range(6):
        alone, one = Copies.turned(copies.turned_radian[n // 2][None]), slice(n, n + 1)
        torch.testing.assert_close(alone.base_images(image[one]), base[one])
        torch.testing.assert_close(alone.pose_of_copy(rotation[one, None].expand(-1, 2, -1, -1), copy[one]), pose[one])
        torch.testing.assert_close(
            alone.shift_of_copy(shift[one], copy[one, 0]), copies.shift_of_copy(shift, copy[:, 0])[one]
        )


@pytest.mark.parametrize("copies", [Copies.fixed(4), random_copies(3, 4)])
def test_copies_may_be_picked_in_any_order_and_twice(copies):
    image = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    everything = copies_of(image[:, 0], copies)
    copy = torch.tensor([[7, 0], [2, 2], [5, 1]])
    found = copies.of_base(copies.base_images(image), copy)[:, :, 0]
    assert torch.equal(found, torch.stack([everything[n, copy[n]] for n in range(3)]))


def test_other_numbers_of_turns_are_refused():
    with pytest.raises(ValueError, match="6"):
        Copies.fixed(6)
