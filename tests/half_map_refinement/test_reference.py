"""Poses matched to a known map: found from nothing, improved near the truth, and told from what was there before."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.half_map_refinement import reference as reference_module
from cryofifa.half_map_refinement.reference import Reference
from cryofifa.particles.poses import Poses
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.settings.refinements import HalfMapRefinementSettings
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.orientation_set import OrientationSet
from cryofifa.train.random_draws import RandomDraws
from cryofifa_testkit.known_volumes import (
    angles_degree,
    density_of_blobs,
    random_rotations,
    symmetric_places,
    turned_by_degrees,
)

SIZE, PIXEL, COUNT, RADIUS, RADIUS_ANGSTROM = 32, 5.0, 60, 12.0, 55.0
MEMORY, ORIENTATION_SET = (WINNER_ORIGINS.index(name) for name in ("memory", "orientation set"))
PLANE = HalfPlane.of_box(SIZE, PIXEL).within(RADIUS)
ROTATION = random_rotations(COUNT, seed=3)
SHIFT = torch.from_numpy(np.random.default_rng(1).normal(0, 4.0, (COUNT, 2))).float()
NOWHERE, UNMOVED = torch.eye(3).expand(COUNT, 3, 3), torch.zeros(COUNT, 2)


def reference(volume: torch.Tensor, *, search: bool, group: str = "C1") -> Reference:
    grid = FourierGrid.from_volume(volume / volume.std(), RADIUS)
    settings = SearchSettings(orientations=2000)
    orientation_set = (
        OrientationSet.drawn(RandomDraws(0, "bank", 0), 0, grid, PLANE, settings, RADIUS_ANGSTROM) if search else None
    )
    members = torch.from_numpy(symmetry_rotations(group)).float()
    return Reference(
        grid=grid,
        plane=PLANE,
        weight=torch.ones(len(PLANE)),
        orientation_set=orientation_set,
        settings=HalfMapRefinementSettings(candidates=8, newton_steps=2),
        symmetry=members,
        particle_radius_angstrom=RADIUS_ANGSTROM,
        shift_range_angstrom=20.0,
    )


def images(to: Reference, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the map itself, with a CTF that takes some frequencies out, and noise over the rms of the signal."""
    ctf = torch.cos(0.05 * PLANE.index_xy.square().sum(1)).expand(COUNT, -1)
    clean = form_image(to.grid.slices(ROTATION, PLANE), ctf, SHIFT, PLANE)
    parts = torch.randn((2, *clean.shape), generator=torch.Generator().manual_seed(0))
    scale = noise * float(clean.abs().square().mean().sqrt()) / 2**0.5
    return clean + scale * torch.complex(*parts), ctf


@pytest.fixture(scope="module")
def protein() -> torch.Tensor:
    return pseudo_protein(SIZE, PIXEL)


def test_particles_are_found_from_nothing_in_one_search(protein):
    to = reference(protein, search=True)
    found = to.matched(*images(to, noise=0.5), Poses.found(NOWHERE, UNMOVED))
    error = angles_degree(found.rotation, ROTATION)
    assert (error < 5).mean() > 0.9
    assert float((found.shift_angstrom - SHIFT).norm(dim=1).median()) < 1.0
    # but for the few whose pose is near the one that they were said to have
    assert bool((found.origin == ORIENTATION_SET)[angles_degree(NOWHERE, ROTATION) > 40].all())


def test_the_orientation_set_takes_nothing_from_those_that_are_right(protein):
    to = reference(protein, search=True)
    found = to.matched(*images(to, noise=0.5), Poses.found(turned_by_degrees(ROTATION, 5.0), SHIFT))
    assert np.median(angles_degree(found.rotation, ROTATION)) < 2
    assert (found.origin == MEMORY).float().mean() > 0.95


def test_without_a_orientation_set_a_pose_is_improved_and_not_replaced(protein):
    to = reference(protein, search=False)
    start = turned_by_degrees(ROTATION, 4.0)
    start[:10] = random_rotations(10, seed=9)
    found = to.matched(*images(to, noise=0.5), Poses.found(start, SHIFT + 1.0))
    assert np.median(angles_degree(found.rotation, ROTATION)[10:]) < 2
    assert angles_degree(found.rotation, start)[:10].max() < 30  # two steps are short
    assert bool((found.origin == MEMORY).all())


def test_a_pose_turned_by_a_member_of_the_group_is_the_same_pose():
    group = "D2"
    volume = density_of_blobs(SIZE, *symmetric_places(group, 4, 9.0, seed=5), 1.2)
    to = reference(volume, search=True, group=group)
    # each starts at its own symmetric copy: the orientation set finds copies of it all over
    member = torch.from_numpy(symmetry_rotations(group)).float()[torch.arange(COUNT) % 4]
    found = to.matched(*images(to, noise=0.5), Poses.found(turned_by_degrees(ROTATION, 3.0) @ member, SHIFT))
    members = Rotation.create_group(group).as_matrix()
    error = np.min([angles_degree(found.rotation @ torch.from_numpy(g).float(), ROTATION) for g in members], axis=0)
    assert (error < 5).mean() > 0.95
    assert (found.origin == MEMORY).float().mean() > 0.95
    alone = replace(to, symmetry=torch.eye(3)[None])
    other = alone.matched(*images(to, noise=0.5), Poses.found(turned_by_degrees(ROTATION, 3.0) @ member, SHIFT))
    assert (other.origin == ORIENTATION_SET).float().mean() > 0.3  # so the group was what told them apart


def test_particles_taken_a_few_at_a_time_end_the_same(protein, monkeypatch: pytest.MonkeyPatch):
    to = reference(protein, search=True)
    whole = to.matched(*images(to, noise=0.5), Poses.found(NOWHERE, UNMOVED))
    monkeypatch.setattr(reference_module, "POINTS_AT_ONCE", 7 * 8 * len(PLANE))
    parts = to.matched(*images(to, noise=0.5), Poses.found(NOWHERE, UNMOVED))
    assert (angles_degree(parts.rotation, whole.rotation) < 0.1).mean() > 0.95
    assert bool((parts.origin == whole.origin).float().mean() > 0.95)


def test_few_rotations_give_as_many_candidates_as_there_are(protein):
    to = reference(protein, search=True)
    grid = to.grid
    few = OrientationSet.drawn(
        RandomDraws(0, "bank", 0), 0, grid, PLANE, SearchSettings(orientations=3, best_orientations=1), RADIUS_ANGSTROM
    )
    found = replace(to, orientation_set=few).matched(*images(to, noise=0.5), Poses.found(ROTATION, SHIFT))
    assert np.median(angles_degree(found.rotation, ROTATION)) < 2
