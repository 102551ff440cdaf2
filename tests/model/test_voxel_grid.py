"""Voxels' slices are those of the density they hold, in any box, and gradients bring the density nearer."""

import math

import pytest
import torch

from cryofifa.model.voxel_grid import VoxelGrid
from cryofifa.physics.central_slice import slice_coordinates
from cryofifa.physics.fourier import HalfPlane, centred_index, fourier_3d
from cryofifa.physics.mask import distance_from_centre
from cryofifa_testkit.known_volumes import random_rotations

BOX, SUPPORT, EDGE = 24, 7.0, 3.0
PLANE = HalfPlane.of_box(BOX, 3.0, 8.0)


def voxels(box: int = BOX, support: float = SUPPORT, edge: float = EDGE) -> VoxelGrid:
    return VoxelGrid(box_size=box, support_radius_pixel=support, edge_width_pixel=edge)


@pytest.fixture
def decoder() -> VoxelGrid:
    made = voxels()
    made.density.data = torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(0))
    return made


def held(decoder: VoxelGrid) -> torch.Tensor:
    """The density, by its transform on the box's own frequencies."""
    return decoder.volume(decoder.density.shape[-1], 2.0 * decoder.density.shape[-1])


def summed(density: torch.Tensor, coordinate: torch.Tensor) -> torch.Tensor:
    """sum over r of density(r) exp(-2 pi i k r / N), voxel by voxel."""
    line = centred_index(density.shape[-1]).double()
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    place = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
    phase = -2 * math.pi * coordinate.double() @ place.T / density.shape[-1]
    return torch.complex(phase.cos(), phase.sin()) @ density.reshape(-1).to(torch.complex128)


def test_nothing_lies_outside_the_support(decoder):
    density, distance = held(decoder), distance_from_centre(BOX, 3)
    assert float(density[distance > SUPPORT + EDGE / 2 + 0.1].abs().max()) < 1e-6
    assert float(density[distance < SUPPORT - EDGE].abs().mean()) > 0.01


def test_slices_are_those_of_the_density(decoder):
    rotation = random_rotations(6)
    with torch.no_grad():
        found = decoder.slices(rotation, PLANE)
    exact = summed(held(decoder), slice_coordinates(rotation, PLANE).reshape(-1, 3)).reshape(found.shape)
    error = (found - exact).abs().square().mean() / exact.abs().square().mean()
    assert float(error.sqrt()) < 0.05  # read by interpolation
    wrong = (found - exact.roll(1, 0)).abs().square().mean() / exact.abs().square().mean()
    assert float(wrong.sqrt()) > 0.5


def test_candidates_are_scored_with_the_slices_that_learn(decoder):
    rotation = random_rotations(6)
    with torch.no_grad():
        assert torch.equal(decoder.sampled(8.0).slices(rotation, PLANE), decoder.slices(rotation, PLANE))


@pytest.mark.parametrize(("size", "spacing"), [(24, 1.0), (16, 0.5), (40, 0.6)])
def test_values_on_any_grid_are_the_densitys_transform(decoder, size, spacing):
    with torch.no_grad():
        grid = decoder.on_grid(size, spacing, 6.0)
    place = torch.randint(size, (200, 3), generator=torch.Generator().manual_seed(0))
    coordinate = (place.flip(1) - size // 2) * spacing
    exact = summed(held(decoder), coordinate) * (coordinate.norm(dim=-1) <= 6.0)
    assert 0 < int((exact != 0).sum()) < 200
    torch.testing.assert_close(grid[tuple(place.T)], exact.to(torch.complex64), atol=1e-4, rtol=1e-4)


def test_its_unit_makes_fourier_values_of_order_one_whatever_the_box():
    for box in (16, 32, 48):
        made = voxels(box, box / 4, 3.0)
        made.density.data = torch.randn(box, box, box, generator=torch.Generator().manual_seed(0))
        power = fourier_3d(held(made)).abs().square().mean()
        assert 0.5 < float(power) < 1.1  # the soft edge holds less


def test_another_box_takes_the_volume_over(decoder):
    finer, radius = voxels(40, SUPPORT * 40 / BOX + 2, 3.0), 6.0
    finer.start_from(decoder, radius)
    plane, rotation = HalfPlane.of_box(BOX, 3.0, 5.0), random_rotations(4)
    with torch.no_grad():
        kept, wanted = finer.slices(rotation, plane), decoder.slices(rotation, plane)
    # what was cut off at the radius leaks through the support's edge
    error = (kept - wanted).abs().square().mean() / wanted.abs().square().mean()
    assert float(error.sqrt()) < 0.15


def test_learns_a_density_from_its_slices(decoder):
    fresh = voxels()
    optimiser = torch.optim.Adam(fresh.parameters(), 0.1)

    def off() -> float:
        wanted, found = decoder.on_grid(BOX, 1.0, 5.0), fresh.on_grid(BOX, 1.0, 5.0)
        return float((wanted - found).abs().square().sum() / wanted.abs().square().sum())

    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        before = off()
    for step in range(60):
        rotation = random_rotations(64, seed=step)
        with torch.no_grad():
            noise = torch.randn(64, len(PLANE), dtype=torch.complex64, generator=draw)
            measured = decoder.slices(rotation, PLANE) + 0.3 * noise
        loss = (fresh.slices(rotation, PLANE) - measured).abs().square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert off() < 0.2 * before
