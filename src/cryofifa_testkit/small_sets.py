"""Small particle sets: files for whole runs, and images for a training loop."""

from pathlib import Path

import numpy as np
import torch

from cryofifa import simulate
from cryofifa.mrc_map import write_map
from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.noise_spectrum import WHITE, NoiseSpectrum
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.train.working_set import WorkingSet
from cryofifa_testkit.known_volumes import microscope_ctf, random_rotations


def simulated_particles(folder: Path, *, particles: int, box: int, pixel_size_angstrom: float) -> Path:
    """The STAR file of a made-up protein's particles, SNR 1, in a folder `set` beside the structure they show."""
    structure = folder / "structure.mrc"
    write_map(structure, pseudo_protein(box, pixel_size_angstrom), pixel_size_angstrom)
    simulate(structure, folder / "set", particles=particles, box=box, pixel_size_angstrom=pixel_size_angstrom, snr=1.0)
    return folder / "set" / "particles.star"


def simulated_working_set(
    count: int, *, box: int, pixel_size_angstrom: float, noise: NoiseSpectrum = WHITE
) -> WorkingSet:
    """Its images at random poses, SNR about 1; noise: what the loop is told of it."""
    shift = torch.from_numpy(np.random.default_rng(0).normal(0, 5.0, (count, 2))).float()
    ctf = microscope_ctf(count)
    protein = pseudo_protein(box, pixel_size_angstrom)
    clean = simulate_images(protein, pixel_size_angstrom, random_rotations(count), shift, ctf)
    white = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    image = ImagesInMemory(clean / float(clean[:, 6:-6, 6:-6].std()) + white)
    return WorkingSet(torch.arange(count), image, ctf, pixel_size_angstrom, noise)
