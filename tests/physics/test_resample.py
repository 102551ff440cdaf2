"""A map on another grid is the density that is made on that grid."""

from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, pseudo_atoms
from cryofifa.physics.resample import resample_volume
from cryofifa.physics.shell_correlation import fourier_shell_correlation

BOX, PIXEL = 32, 5.0


def test_resampling_equals_density_made_on_that_grid():
    protein = density_of_atoms(pseudo_atoms(), BOX, PIXEL)
    finer = density_of_atoms(pseudo_atoms(), 48, 3.6)
    coarse = resample_volume(finer, 3.6, PIXEL, BOX)
    assert fourier_shell_correlation(coarse, protein)[: BOX // 2 - 1].min() > 0.99
