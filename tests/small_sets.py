"""Small particle sets for whole runs."""

from pathlib import Path

from cryofifa import simulate
from cryofifa.mrc_map import write_map
from cryofifa.particles.pseudo_protein import pseudo_protein


def simulated_particles(folder: Path, *, particles: int, box: int, pixel_size_angstrom: float) -> Path:
    """The STAR file of a made-up protein's particles, SNR 1, in a folder `set` beside the structure they show."""
    structure = folder / "structure.mrc"
    write_map(structure, pseudo_protein(box, pixel_size_angstrom), pixel_size_angstrom)
    simulate(structure, folder / "set", particles=particles, box=box, pixel_size_angstrom=pixel_size_angstrom, snr=1.0)
    return folder / "set" / "particles.star"
