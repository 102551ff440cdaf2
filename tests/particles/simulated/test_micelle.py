"""A micelle is a belt around the protein, differs from particle to particle as asked, and turns with its particle."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.errors import InputError
from cryofifa.particles.simulated.micelle import Belt, Micelle, protein_mask
from cryofifa.physics.fourier import HalfPlane, fourier_3d, inverse_fourier_2d, inverse_fourier_3d
from cryofifa.settings.sample import MicelleSettings

SIZE, PIXEL = 40, 5.0
SETTINGS = MicelleSettings(
    contrast=0.6, fluctuation=0.4, lump_sd_angstrom=8.0, radius_angstrom=60, thickness_angstrom=50
)


def rod(offset_angstrom: float = 0.0) -> torch.Tensor:
    """A rod along y, 20 A thick and 140 A long, of density 2; offset along x."""
    line = (np.arange(SIZE) - SIZE // 2) * PIXEL
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    return torch.from_numpy(2.0 * ((np.hypot(x - offset_angstrom, z) < 10) & (np.abs(y) < 70))).float()


@pytest.fixture(scope="module")
def micelle() -> Micelle:
    protein = rod(15.0)
    return Micelle.of_protein(protein, PIXEL, Belt.around(protein, PIXEL, SETTINGS), SETTINGS)


def test_the_belt_lies_around_the_protein_across_its_longest_axis(micelle):
    np.testing.assert_allclose(micelle.belt.axis, [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(micelle.belt.centre_angstrom, [15, 0, 0], atol=0.5 * PIXEL)
    place = micelle.place_angstrom - micelle.belt.centre_angstrom
    assert np.abs(place[:, 1]).max() <= 25
    distance = np.hypot(place[:, 0], place[:, 2])
    assert distance.max() <= 60
    assert distance.min() > 8  # where the protein is, there is no detergent


@pytest.mark.parametrize(("height", "across"), [(35.0, 20.0), (-35.0, -20.0)])
def test_height_moves_it_along_the_axis_and_it_stays_around_the_protein(height, across):
    """A protein that stands aside by 20 A above its middle, and by -20 A below."""
    upper = torch.arange(SIZE)[:, None] >= SIZE // 2
    protein = torch.where(upper, rod(20.0), rod(-20.0))
    belt = Belt.around(protein, PIXEL, MicelleSettings(1.0, axis="y", height_angstrom=height, radius_angstrom=50))
    np.testing.assert_allclose(belt.centre_angstrom, [across, height, 0], atol=0.6 * PIXEL)


def test_particles_have_different_micelles_whose_mean_is_the_belt_at_the_contrast_asked_for(micelle):
    lumps = np.stack([micelle.drawn(np.random.default_rng(seed)) for seed in range(400)])
    assert not np.array_equal(lumps[0], lumps[1])
    np.testing.assert_allclose(lumps.mean(axis=(0, 1)), micelle.place_angstrom.mean(axis=0), atol=1.0)
    # density of each particle's lumps at one place in the middle of the detergent, by the sum over Gaussians
    centre = micelle.belt.centre_angstrom + np.array([0, 0, 35.0])
    square = ((lumps - centre) ** 2).sum(axis=-1)
    gaussian = np.exp(-square / (2 * 8.0**2)) / (2 * np.pi * 8.0**2) ** 1.5 * PIXEL**3
    density = micelle.lump_mass * gaussian.sum(axis=1)
    protein_density = rod(15.0)[torch.from_numpy(protein_mask(rod(15.0), PIXEL))].mean()
    assert density.mean() == pytest.approx(0.6 * float(protein_density), rel=0.1)
    assert density.std() / density.mean() == pytest.approx(0.4, rel=0.15)


def test_a_projection_is_the_sum_of_turned_lumps(micelle):
    rotation = Rotation.random(random_state=1).as_matrix()
    lumps = micelle.drawn(np.random.default_rng(0))
    plane = HalfPlane.of_box(SIZE, PIXEL, with_origin=True)
    slices = micelle.projection(lumps, torch.from_numpy(rotation).float(), plane)
    image = inverse_fourier_2d(plane.fill(slices[None]))[0].numpy()
    line = (np.arange(SIZE) - SIZE // 2) * PIXEL
    wanted = np.zeros((SIZE, SIZE))
    for x, y, _ in lumps @ rotation.T:
        wanted += np.exp(-((line - x) ** 2 + (line[:, None] - y) ** 2) / (2 * 8.0**2))
    wanted *= micelle.lump_mass * PIXEL**2 / (2 * np.pi * 8.0**2)
    np.testing.assert_allclose(image, wanted, atol=1e-3 * wanted.max())


def test_the_mean_map_is_the_mean_of_projections(micelle):
    plane = HalfPlane.of_box(SIZE, PIXEL, with_origin=True)
    upright = torch.eye(3)
    many = [micelle.projection(micelle.drawn(np.random.default_rng(seed)), upright, plane) for seed in range(300)]
    mean = inverse_fourier_2d(plane.fill(torch.stack(many).mean(dim=0)[None]))[0]
    projected = micelle.mean_density(SIZE).sum(dim=0)
    assert float((mean - projected).norm() / projected.norm()) < 0.05
    assert float(inverse_fourier_3d(fourier_3d(micelle.mean_density(SIZE))).sum()) == pytest.approx(
        micelle.lumps * micelle.lump_mass, rel=1e-4
    )


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"height_angstrom": 200.0}, "height"),
        ({"radius_angstrom": 500.0}, "larger box"),
        ({"lump_sd_angstrom": 1.0}, "lumps"),
    ],
)
def test_a_belt_that_cannot_be_is_one_line(wrong, word):
    settings = MicelleSettings(**({"contrast": 1.0, "fluctuation": 0.1, "radius_angstrom": 60.0} | wrong))
    with pytest.raises(InputError, match=word):
        Micelle.of_protein(rod(), PIXEL, Belt.around(rod(), PIXEL, settings), settings)
