"""The particle sets of the ablation: two of the data folder, one with junk, one with a second particle in the box.

The latter two are made once, from the folder's model, or from the pseudo-protein where there is no such folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from ablation_parts import Overlay
from simulated_runs import made_up_structure
from torch.nn.functional import pad

from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.simulated.draws import draw_parameters
from cryofifa.particles.simulated.scene import SIGNAL_DISC_SHARE
from cryofifa.particles.simulated.simulate import simulate, simulate_images
from cryofifa.particles.simulated.simulated_set import SimulatedParameters, write_stack, write_star
from cryofifa.particles.simulated.structure import structure_volume
from cryofifa.physics.mask import circular_mask

MODEL, SELECT = Path("models") / "3SN6.cif", "/1/A,B,G,N,R/1-1000"  # without its T4 lysozyme
MADE_PARTICLES, BOX, PIXEL_SIZE_ANGSTROM, SNR, JUNK_SHARE = 5000, 64, 3.3, 0.2, 0.3
DEFOCUS_ANGSTROM = (8000.0, 25000.0)
NEIGHBOUR_SHIFT_SD_PIXEL = 5.0
NEIGHBOUR_DISTANCE_SHARE = 0.75  # of the particle's diameter
MADE_MASK_RADIUS_SHARE = 0.35
IMAGES_PER_BLOCK = 250


@dataclass(frozen=True)
class AblationSet:
    """One set and how it is measured; of all this the program is told the settings alone."""

    name: str
    particles: Path
    mask_radius_share: float
    settings: Overlay = field(default_factory=dict)

    @property
    def truth(self) -> Path:
        return self.particles.parent / "truth"


def made_set(name: str, data: Path, folder: Path) -> AblationSet:
    """The set "junk" or "neighbours", simulated where it is not there yet."""
    model = data / MODEL
    made = folder / f"set-{name}-{model.stem if model.exists() else 'pseudo'}"
    particles = made / "particles.star"
    if not particles.exists():
        print(f"making {made.name} ...", flush=True)
        made.mkdir(parents=True, exist_ok=True)
        structure, select = model, SELECT
        if not model.exists():
            structure, select = made_up_structure(made, BOX, PIXEL_SIZE_ANGSTROM), None
        if name == "neighbours":
            simulate_with_neighbours(structure, select, made)
        else:
            simulate(
                structure,
                made,
                particles=MADE_PARTICLES,
                box=BOX,
                pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
                snr=SNR,
                junk=JUNK_SHARE,
                select=select,
            )
    settings = {}
    if name == "neighbours":
        # the images alone would give the radius of both particles together, and so a mask that holds both
        volume, pixel_size = read_map(made / "truth" / "map.mrc")
        settings = {"diameter_angstrom": 2 * radius_of_volume(volume) * pixel_size}
    return AblationSet(name, particles, MADE_MASK_RADIUS_SHARE, settings)


def simulate_with_neighbours(structure: Path, select: str | None, output: Path) -> None:
    """Every image holds a second particle in another pose, 0.75 diameters away in a random direction.

    As `cryofifa simulate` otherwise; the SNR is that of the first particle alone.
    """
    volume = structure_volume(structure, BOX, PIXEL_SIZE_ANGSTROM, select)
    generator = np.random.default_rng(0)
    drawn = _drawn(NEIGHBOUR_SHIFT_SD_PIXEL, generator)
    rotation = _drawn(0.0, generator).rotation_volume_to_image
    direction = generator.uniform(0, 2 * np.pi, MADE_PARTICLES)
    distance = NEIGHBOUR_DISTANCE_SHARE * 2 * radius_of_volume(volume) * PIXEL_SIZE_ANGSTROM
    shift = drawn.shift_angstrom + distance * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    truth = output / "truth"
    truth.mkdir(exist_ok=True)
    blocks = _summed_blocks(volume, drawn, rotation, shift, generator)
    write_stack(output / "particles.mrcs", blocks, MADE_PARTICLES, BOX, PIXEL_SIZE_ANGSTROM, "float32")
    write_map(truth / "map.mrc", volume, PIXEL_SIZE_ANGSTROM)
    (truth / "junk.txt").write_text("", encoding="utf-8")
    write_star(truth / "poses.star", drawn, BOX, PIXEL_SIZE_ANGSTROM, with_poses=True)
    partial = output / ".partial.star"  # the particle file comes last: whoever sees it sees a complete set
    write_star(partial, drawn, BOX, PIXEL_SIZE_ANGSTROM, with_poses=False)
    partial.rename(output / "particles.star")


def _drawn(shift_sd_pixel: float, generator: np.random.Generator) -> SimulatedParameters:
    return draw_parameters(
        MADE_PARTICLES, PIXEL_SIZE_ANGSTROM, shift_sd_pixel, DEFOCUS_ANGSTROM, 0.0, "uniform", generator
    )


def _summed_blocks(
    volume: torch.Tensor,
    drawn: SimulatedParameters,
    neighbour_rotation: np.ndarray,
    neighbour_shift_angstrom: np.ndarray,
    generator: np.random.Generator,
) -> Iterator[tuple[int, np.ndarray]]:
    """First row and images of every block; noise of sd 1."""
    margin = BOX // 2
    # in twice the box, so that what leaves it on one side does not come back on the other
    wide = pad(volume, [margin] * 6)
    disc = circular_mask(BOX, SIGNAL_DISC_SHARE * BOX, 0.0) > 0

    def clean(rotation: np.ndarray, shift_angstrom: np.ndarray, rows: slice) -> torch.Tensor:
        turn, shift = (torch.from_numpy(values[rows]).float() for values in (rotation, shift_angstrom))
        images = simulate_images(wide, PIXEL_SIZE_ANGSTROM, turn, shift, drawn.ctf(rows))
        return images[:, margin:-margin, margin:-margin]

    scale = None
    for first in range(0, MADE_PARTICLES, IMAGES_PER_BLOCK):
        rows = slice(first, min(first + IMAGES_PER_BLOCK, MADE_PARTICLES))
        images = clean(drawn.rotation_volume_to_image, drawn.shift_angstrom, rows)
        if scale is None:
            scale = float((SNR / images[:, disc].double().var(dim=1).mean()).sqrt())
        images = scale * (images + clean(neighbour_rotation, neighbour_shift_angstrom, rows))
        yield first, images.numpy() + generator.standard_normal(tuple(images.shape), dtype=np.float32)
