"""Two searches agree if enough particles have the same poses, in whatever frame and hand each has found them."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.run.start_agreement import starts_agree
from cryofifa_testkit.known_volumes import random_rotations, turned_by_degrees

COUNT = 1000
POSES = random_rotations(COUNT, seed=1)
NONE = symmetry_rotations("C1")


def partly(share: float, degrees: float = 8.0) -> torch.Tensor:
    """This share of the poses about as they were, the others anywhere, all in another frame."""
    found = random_rotations(COUNT, seed=2)
    same = torch.arange(COUNT) < share * COUNT
    found[same] = turned_by_degrees(POSES, degrees)[same]
    frame = torch.from_numpy(Rotation.from_rotvec([0.4, -1.0, 0.7]).as_matrix()).float()
    return found @ frame


def test_a_quarter_of_the_particles_is_enough_and_an_eighth_is_not():
    assert starts_agree(partly(0.25), POSES, NONE)
    assert not starts_agree(partly(0.12), POSES, NONE)


def test_a_third_of_a_near_sphere_is_not_enough():
    assert starts_agree(partly(0.5, degrees=4.0), POSES, symmetry_rotations("O"))
    assert not starts_agree(partly(0.33, degrees=4.0), POSES, symmetry_rotations("O"))


def test_unrelated_searches_do_not_agree_whatever_the_symmetry():
    for group in ("C1", "D7", "O", "I1"):
        assert not starts_agree(random_rotations(COUNT, seed=3), POSES, symmetry_rotations(group))


def test_what_is_near_for_a_particle_without_symmetry_is_far_for_a_cube():
    """Of poses that the 24 members of O leave apart, a ball of 20 degrees holds a twentieth."""
    turned = turned_by_degrees(POSES, 12.0)
    assert starts_agree(turned, POSES, NONE)
    assert not starts_agree(turned, POSES, symmetry_rotations("O"))
    assert starts_agree(turned_by_degrees(POSES, 4.0), POSES, symmetry_rotations("O"))


def test_poses_that_are_the_same_but_for_a_member_of_the_group_agree():
    group = symmetry_rotations("O")
    member = torch.from_numpy(group[np.random.default_rng(0).integers(len(group), size=COUNT)]).float()
    assert starts_agree(POSES @ member, POSES, group)
    assert not starts_agree(POSES @ member, POSES, NONE)


def test_the_mirror_image_agrees():
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    # the same images, seen from the mirrored volume: the pose's third row changes sign, and so does the volume's z
    assert starts_agree(mirror @ turned_by_degrees(POSES, 5.0) @ mirror, POSES, NONE)
