"""A small scene of simulated particles, whose optics leave images nearly as they are."""

import numpy as np

from cryofifa.particles.simulated.draws import draw_parameters
from cryofifa.particles.simulated.micelle import Micelle
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.scene import Molecule, Scene
from cryofifa.particles.simulated.simulated_set import SimulatedParameters
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane

BOX, PIXEL_ANGSTROM, RADIUS_ANGSTROM = 32, 5.0, 65.0


def small_drawn(count: int, junk: float = 0.0, shift_sd_pixel: float = 0.0) -> SimulatedParameters:
    """Poses and optics of some particles: a defocus of 4,000 angstrom, so that no ripple goes far."""
    generator = np.random.default_rng(0)
    return draw_parameters(count, PIXEL_ANGSTROM, shift_sd_pixel, (4000.0, 4000.0), junk, "uniform", generator)


def small_scene(drawn: SimulatedParameters, micelle: Micelle | None = None, seed: int = 0) -> Scene:
    """The made-up protein in the poses of `drawn`, its density as it is."""
    volume = pseudo_protein(BOX, PIXEL_ANGSTROM)
    molecule = Molecule(volume, FourierGrid.from_volume(volume, BOX // 2), micelle)
    plane = HalfPlane.of_box(BOX, PIXEL_ANGSTROM, with_origin=True)
    return Scene((molecule,), RADIUS_ANGSTROM, plane, drawn, 1.0, seed)
