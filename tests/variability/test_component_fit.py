"""The fit of components: its sums are the adjoint of reading slices, and it finds what differs between particles."""

import pytest
import torch

from cryofifa.physics.central_slice import FourierGrid, read_trilinear, slice_coordinates
from cryofifa.physics.fourier import HalfPlane
from cryofifa.variability.component_fit import ComponentFit, spread
from cryofifa.variability.latent import embed
from cryofifa_testkit.known_volumes import random_rotations
from cryofifa_testkit.varied_particles import state_volume, varied_particles


def test_spreading_is_the_adjoint_of_reading_slices():
    plane, rotation = HalfPlane.of_box(12, 5.0, 4.0), random_rotations(3)
    size = FourierGrid.size_for(plane.largest_radius)
    generator = torch.Generator().manual_seed(0)
    grid = torch.randn(2, size, size, size, generator=generator)
    values = torch.randn(3, len(plane), 2, generator=generator)
    sums = torch.zeros(size**3, 2)
    spread(sums, values, rotation, plane)
    read = read_trilinear(grid, slice_coordinates(rotation, plane))
    assert float((sums.mT.reshape(grid.shape) * grid).sum()) == pytest.approx(
        float((read * values.movedim(-1, 0)).sum()), rel=1e-4
    )


def test_what_differs_between_two_states_is_the_component():
    source = varied_particles([(), (0,)], 600, noise_sd=1.5)
    fit = ComponentFit(source, torch.arange(600), source.frame.sphere, source.frame.plane)
    found = fit.start(2, torch.Generator().manual_seed(0))
    for _ in range(8):
        found = fit.step(found)
    missing = state_volume(()) - state_volume((0,))
    component = found.volume[1]
    assert abs(float(torch.corrcoef(torch.stack([component.flatten(), missing.flatten()]))[0, 1])) > 0.8
    assert float(found.power[0]) > 3 * float(found.power[1])
    mean = (state_volume(()) + state_volume((0,))) / 2
    assert float(torch.corrcoef(torch.stack([found.volume[0].flatten(), mean.flatten()]))[0, 1]) > 0.9
    terms = embed(source, torch.arange(600), found, source.frame.plane)
    coordinate = torch.linalg.solve(terms.curvature + torch.eye(2).double(), terms.slope)[:, 0]
    second = coordinate > coordinate.mean()
    right = float((second == (torch.arange(600) % 2 == 1)).double().mean())
    assert max(right, 1 - right) > 0.85
    assert float(coordinate.std()) == pytest.approx(1, abs=0.35)  # as components are scaled, less what noise hides


def test_components_are_not_blown_up_where_images_hardly_tell_coordinates(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cryofifa.variability.component_fit.PRIOR_SHARE", 1.0)  # next to no prior, which shrinks them
    source = varied_particles([(), (0,)], 600, noise_sd=3.0)
    fit = ComponentFit(source, torch.arange(600), source.frame.sphere, source.frame.plane)
    found = fit.start(2, torch.Generator().manual_seed(0))
    for _ in range(15):
        found = fit.step(found)
    terms = embed(source, torch.arange(600), found, source.frame.plane)
    smaller, larger = (float(terms.scaled([by, by]).log_likelihood().mean()) for by in (0.9, 1.1))
    assert larger > smaller
