"""The made-up protein: protein-like size, asymmetric, the same from the same seed."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, other_molecule, pseudo_atoms, pseudo_protein
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.results.align_volumes import align_volumes, turned_volume


def test_size_and_mass_are_a_proteins():
    atoms = pseudo_atoms()
    assert 110e3 < len(atoms) / 4 * 110 < 200e3  # four pseudo-atoms and 110 Da per residue
    assert 100 < 2 * np.linalg.norm(atoms, axis=1).max() < 150
    np.testing.assert_allclose(atoms.mean(axis=0), 0, atol=1e-9)


def test_same_seed_same_structure():
    np.testing.assert_array_equal(pseudo_atoms(3), pseudo_atoms(3))
    assert pseudo_atoms(3).shape != pseudo_atoms(4).shape or not np.allclose(pseudo_atoms(3), pseudo_atoms(4))


def test_density_is_centred_where_relion_has_the_centre():
    volume = pseudo_protein(32, 5.0)
    index = torch.arange(32) - 16.0
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        assert float((volume.sum(dim=others) * index).sum() / volume.sum()) == pytest.approx(0, abs=0.05)


def test_an_atom_lies_where_its_coordinates_say():
    volume = density_of_atoms(np.array([[6.0, -9.0, 12.0]]), 32, 3.0)
    z, y, x = np.unravel_index(int(volume.argmax()), volume.shape)
    assert (x, y, z) == (16 + 2, 16 - 3, 16 + 4)


def test_it_has_no_two_fold_symmetry():
    volume = pseudo_protein(32, 5.0)
    for axis in np.eye(3):
        turned = turned_volume(
            volume, torch.from_numpy(Rotation.from_rotvec(np.pi * axis).as_matrix()).float(), torch.zeros(3)
        )
        assert fourier_shell_correlation(volume, turned)[6:].max() < 0.5


@pytest.mark.slow
def test_the_other_molecule_is_as_large_and_has_another_outline():
    """At 20 angstrom, where details do not count, in the best of many orientations."""
    mine = pseudo_protein(32, 5.0)
    radius = radius_of_volume(mine) * 5.0
    other = other_molecule(32, 5.0, radius)
    assert radius_of_volume(other) * 5.0 == pytest.approx(radius, rel=0.15)
    best = align_volumes(other, 5.0, mine, 5.0).volume
    assert fourier_shell_correlation(best, mine)[3:9].mean() < 0.7


def test_the_other_molecule_fits_any_box():
    assert float(other_molecule(24, 4.0, 60.0).std()) > 0


def test_too_small_a_box_is_refused():
    with pytest.raises(ValueError, match="too small"):
        pseudo_protein(32, 3.0)
